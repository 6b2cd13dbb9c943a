# shellcheck shell=bash
# Redis (apt): one server; a master with two replicas and three sentinels; a cluster of three masters.

install_redis() { apt_install redis-server redis-sentinel redis-tools; }

# Acknowledged is on disk: without `always` a killed server may lack what it said it had, and no target could be proved.
start_redis_node() { # NAME PORT OPTION...
  local name=$1 port=$2 dir=$ROOT/run/$1
  shift 2
  ! is_running "$name" || return 0
  require_free_ports "$port" || return 1
  mkdir -p "$dir/data"
  launch "$name" redis-server --port "$port" --bind 127.0.0.1 --dir "$dir/data" --appendonly yes --appendfsync always --save '' "$@"
  ready "$name" 30 redis-cli -p "$port" ping
}

cluster_is_whole() { redis-cli -p "$1" cluster info | grep -q cluster_state:ok; }

start_redis_cluster() { # NAME PORT: masters NAME-0..2 on PORT..PORT+2, their bus 10000 above
  local name=$1 port=$2 i
  for i in 0 1 2; do
    start_redis_node "$name-$i" $((port + i)) --cluster-enabled yes --cluster-node-timeout 2000 --cluster-config-file nodes.conf || return 1
  done
  if ! redis-cli -p "$port" cluster info | grep -q cluster_slots_assigned:16384; then
    redis-cli --cluster create 127.0.0.1:"$port" 127.0.0.1:$((port + 1)) 127.0.0.1:$((port + 2)) --cluster-yes \
      >"$ROOT/run/$name-0/create.log" || return 1
  fi
  for i in 0 1 2; do wait_until 30 cluster_is_whole $((port + i)) || return 1; done
}

sentinels_agree() { redis-cli -p "$1" sentinel ckquorum mymaster | grep -q '^OK 3'; }

start_redis_sentinel() { # NAME PORT: master PORT, replicas +1 and +2, sentinels +10..+12, the master is called mymaster
  local name=$1 port=$2 i dir
  start_redis_node "$name-0" "$port" || return 1
  for i in 1 2; do start_redis_node "$name-$i" $((port + i)) --replicaof "127.0.0.1 $port" || return 1; done
  for i in 0 1 2; do
    dir=$ROOT/run/$name-s$i
    mkdir -p "$dir"
    ! is_running "$name-s$i" || continue
    [ -s "$dir/sentinel.conf" ] || cat >"$dir/sentinel.conf" <<CONF
port $((port + 10 + i))
bind 127.0.0.1
dir $dir
sentinel monitor mymaster 127.0.0.1 $port 2
sentinel down-after-milliseconds mymaster 1500
sentinel failover-timeout mymaster 5000
CONF
    launch "$name-s$i" redis-server "$dir/sentinel.conf" --sentinel
    ready "$name-s$i" 30 redis-cli -p $((port + 10 + i)) ping || return 1
  done
  wait_until 40 sentinels_agree $((port + 10))
}
