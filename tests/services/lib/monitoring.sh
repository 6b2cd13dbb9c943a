# shellcheck shell=bash
# Prometheus and Alertmanager (apt). What they scrape, which rules they evaluate and whom they tell is the test's: it writes
# run/NAME/conf/NAME.yml and has them read it again. Until then they do nothing.

install_prometheus() { apt_install curl prometheus; }
install_alertmanager() { apt_install curl prometheus-alertmanager; }

reload_instance() { kill -HUP "$(instance_pid "$1")"; }

# first_configuration NAME: what is there stays; the file that it is on standard input otherwise.
first_configuration() {
  local file=$ROOT/run/$1/conf/$1.yml
  mkdir -p "${file%/*}"
  [ -s "$file" ] || cat >"$file"
}

start_prometheus() { # NAME PORT
  local name=$1 port=$2 dir=$ROOT/run/$1
  first_configuration "$name" <<<'global: { scrape_interval: 1s }'
  launch "$name" prometheus --config.file="$dir/conf/$name.yml" --storage.tsdb.path="$dir/data" --storage.tsdb.retention.time=1h \
    --web.listen-address="127.0.0.1:$port"
  ready "$name" 30 curl -fs "http://127.0.0.1:$port/-/ready"
}

start_alertmanager() { # NAME PORT: one alone, without the port of a cluster
  local name=$1 port=$2 dir=$ROOT/run/$1
  first_configuration "$name" <<<'{ route: { receiver: nobody }, receivers: [{ name: nobody }] }'
  launch "$name" prometheus-alertmanager --config.file="$dir/conf/$name.yml" --storage.path="$dir/data" --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$port"
  ready "$name" 30 curl -fs "http://127.0.0.1:$port/-/ready"
}
