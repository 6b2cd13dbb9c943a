# shellcheck shell=bash
# What every kind of server needs: a process that is started once, watched, stopped or killed, and packages that are
# fetched once. Layout below $ROOT: opt/ programs, run/NAME/ one folder per instance (pid, log, data).

HOST_ARCH=$(uname -m)

say() { printf '[%s] %s\n' "$(date +%T)" "$*" >&2; }
die() { say "$*"; exit 1; }

# wait_until SECONDS COMMAND...: polls until the command succeeds.
wait_until() {
  local seconds=$1 i
  shift
  for ((i = 0; i < seconds * 10; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  say "not within ${seconds}s: $*"
  return 1
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A killed server may need a moment until the kernel has taken its port back.
require_free_ports() {
  local port
  for port in "$@"; do
    wait_until 10 not port_answers "$port" || { say "port $port is taken by another program"; return 1; }
  done
}

# with_lock NAME COMMAND...: one at a time, between processes too. The descriptor is closed for the command, so that a
# server started below does not hold the lock for ever.
with_lock() {
  local file=$ROOT/lock/$1
  shift
  mkdir -p "$ROOT/lock"
  (flock 9 && "$@" 9>&-) 9>>"$file"
}

# ---------------------------------------------------------------- processes

instance_pid() { cat "$ROOT/run/$1/pid" 2>/dev/null; }

is_running() {
  local pid
  pid=$(instance_pid "$1")
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
  # A killed server that nobody has collected yet is a zombie; it is gone once its last other thread is.
  grep -q '^State:[[:space:]]*[^Z]' "/proc/$pid/status" 2>/dev/null || [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -gt 1 ]
}

# launch NAME COMMAND...: runs it in a session of its own, output to run/NAME/log.
launch() {
  local name=$1 dir=$ROOT/run/$1
  shift
  mkdir -p "$dir"
  rm -f "$dir/pid"
  # shellcheck disable=SC2016
  (cd "$dir" && exec setsid sh -c 'echo $$ >pid; exec "$@"' sh "$@" >>log 2>&1 </dev/null) &
  wait_until 5 test -s "$dir/pid"
}

# ready NAME SECONDS COMMAND...: like wait_until, but gives up at once when the server has died.
ready() {
  local name=$1 seconds=$2 i
  shift 2
  for ((i = 0; i < seconds * 10; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    is_running "$name" || { say "$name died:"; tail -n 20 "$ROOT/run/$name/log" >&2; return 1; }
    sleep 0.1
  done
  say "$name did not answer within ${seconds}s, see $ROOT/run/$name/log"
  return 1
}

# end_process NAME SIGNAL: sends it and waits; after 20 s without an end, SIGKILL.
end_process() {
  local name=$1 signal=$2 pid i
  pid=$(instance_pid "$name")
  [ -n "$pid" ] || return 0
  if is_running "$name"; then
    kill -CONT "$pid" 2>/dev/null
    kill "-$signal" "$pid" 2>/dev/null
    for ((i = 0; i < 200; i++)); do is_running "$name" || break; sleep 0.1; done
    if is_running "$name"; then say "$name: SIGKILL after 20 s"; kill -KILL "$pid"; wait_until 10 not is_running "$name"; fi
  fi
  rm -f "$ROOT/run/$name/pid"
}

not() { ! "$@"; }

# ---------------------------------------------------------------- packages

# apt_install PACKAGE...: packages of this Debian; no service is started by them.
apt_install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] || with_lock apt apt_install_now "${missing[@]}"
}

apt_install_now() {
  local options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=900 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold)
  local log=$ROOT/apt.log
  say "apt: $*"
  # RUNLEVEL=1 makes the packages' own start scripts do nothing.
  if DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install "${options[@]}" "$@" >"$log" 2>&1; then return 0; fi
  apt-get update -q >"$log" 2>&1
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install "${options[@]}" "$@" >>"$log" 2>&1 || { tail -n 8 "$log" >&2; return 1; }
}

# The mirror this machine already uses, so that no host name stands here.
debian_mirror() {
  cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    awk '/^URIs:/ {print $2; exit} $1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}'
}

# unpack_suite SUITE DIR PACKAGE...: packages of another Debian suite with all they depend on, unpacked into DIR as a
# root of its own with its own libc. apt keeps a separate state for it; the machine itself is not changed.
unpack_suite() { [ -e "$2/.complete" ] || with_lock "unpack-$1" unpack_suite_now "$@"; }

unpack_suite_now() {
  local suite=$1 dir=$2 state=$ROOT/opt/apt-$1 part=$2.part sub
  shift 2
  [ ! -e "$dir/.complete" ] || return 0
  suite_state "$suite" "$state"
  say "debian $suite: $*"
  rm -f "$state"/cache/archives/*.deb
  APT_CONFIG=$state/apt.conf apt-get update -q >"$state/log" 2>&1
  APT_CONFIG=$state/apt.conf apt-get install -y -q --no-install-recommends --download-only "$@" >>"$state/log" 2>&1 ||
    { tail -n 8 "$state/log" >&2; return 1; }
  rm -rf "$part"
  for sub in bin sbin lib lib64; do mkdir -p "$part/usr/$sub"; ln -s "usr/$sub" "$part/$sub"; done
  find "$state/cache/archives" -maxdepth 1 -name '*.deb' -print0 | xargs -0 -P "$(nproc)" -I{} dpkg -x {} "$part" || return 1
  find "$state/cache/archives" -maxdepth 1 -name '*.deb' -printf '%f\n' | sort >"$part/.complete"
  rm -rf "$dir" "$state/cache/archives"
  mv "$part" "$dir"
}

# The mirror's sid may be weeks old, so its date is not checked; its signature is.
suite_state() {
  local suite=$1 state=$2
  mkdir -p "$state"/{sources,preferences,lists/partial,cache/archives/partial}
  : >"$state/status"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
    "$(debian_mirror)" "$suite" >"$state/sources/suite.sources"
  cat >"$state/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$state/sources";
Dir::Etc::preferencesparts "$state/preferences";
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
Debug::NoLocking "1";
CONF
}

# suite_command DIR PROGRAM: fills the array COMMAND so that a program of an unpacked root runs with that root's libc.
suite_command() {
  local libs=$1/usr/lib/$HOST_ARCH-linux-gnu loader
  loader=$(find "$libs" -maxdepth 1 -name 'ld-linux-*.so.*' | head -n 1)
  COMMAND=("$loader" --library-path "$libs" "$1$2")
}

# python_packages SPEC...: into the one virtual environment opt/venv.
python_packages() {
  local mark
  mark=$ROOT/opt/venv/.has-$(printf '%s ' "$@" | cksum | tr ' ' -)
  [ -e "$mark" ] || with_lock venv python_packages_now "$mark" "$@"
}

python_packages_now() {
  local mark=$1 venv=$ROOT/opt/venv
  shift
  say "python: $*"
  if ! "$venv/bin/pip" --version >/dev/null 2>&1; then
    # The system's Python, so that the environment does not depend on version managers of the user.
    apt_install python3 python3-venv && /usr/bin/python3 -m venv --clear "$venv" || return 1
  fi
  "$venv/bin/pip" install -q --use-pep517 --disable-pip-version-check --no-compile --retries 5 "$@" && touch "$mark"
}

# maven_file GROUP:ARTIFACT:VERSION[:PACKAGING] FILE
maven_file() {
  say "maven: $1"
  mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dtransitive=false -Dartifact="$1" -Ddest="$2" \
    >>"$ROOT/maven.log" 2>&1 || { tail -n 8 "$ROOT/maven.log" >&2; return 1; }
}

# maven_jars DIR GROUP:ARTIFACT:VERSION...: the jars and all they depend on.
maven_jars() {
  local dir=$1 spec group artifact version
  shift
  mkdir -p "$dir"
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>local</groupId><artifactId>local</artifactId><version>1</version><dependencies>'
    for spec in "$@"; do
      IFS=: read -r group artifact version <<<"$spec"
      echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$dir/pom.xml"
  (cd "$dir" && mvn -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=. >>"$ROOT/maven.log" 2>&1) ||
    { tail -n 8 "$ROOT/maven.log" >&2; return 1; }
}
