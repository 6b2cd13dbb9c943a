# shellcheck shell=bash
# OpenSearch 3 and 2, Elasticsearch 8 and 7 from Maven Central: their "integ-test-zip" distributions are the real
# servers without most modules. OpenSearch 3 is complete; what our tests need of the others is added from jars.

OPENSEARCH_3=3.6.0
OPENSEARCH_2=2.19.5
ELASTICSEARCH_8=8.19.16
ELASTICSEARCH_7=7.17.29
JDK_17=/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture 2>/dev/null)
# Both products refuse to run as root; a bare number needs no account on the machine.
SEARCH_UID=29200
# A start costs half with the first compiler alone; benchmarks of a search target give SYNCLINE_SEARCH_JAVA without it.
SEARCH_JAVA='-Xms512m -Xmx512m -XX:TieredStopAtLevel=1'

install_search_tools() { apt_install curl unzip maven openjdk-17-jdk-headless; }

# OpenSearch 3 wants Java 21 or newer with Thai word breaks (else it makes no index), Debian 12 has 17. The next
# Debian's runs beside it: bin/java starts it with its own libc.
install_new_java() { [ -e "$ROOT/opt/java/.complete" ] || with_lock java install_new_java_now; }

install_new_java_now() {
  local root=$ROOT/opt/java.part home link COMMAND
  [ ! -e "$ROOT/opt/java/.complete" ] || return 0
  unpack_suite trixie "$root" openjdk-21-jre-headless || return 1
  mv "$root" "$ROOT/opt/java" && root=$ROOT/opt/java && rm "$root/.complete"
  # Its configuration is linked by absolute paths: they must lead into the unpacked root.
  find "$root/usr/lib/jvm" -type l -lname '/etc/*' -print0 | while IFS= read -r -d '' link; do
    ln -sfn "$root$(readlink "$link")" "$link"
  done
  home=$(new_java_home)
  mv "$home/bin/java" "$home/lib/java"
  suite_command "$root" "${home#"$root"}/lib/java"
  # The program that starts processes for it would look for the machine's libc: they are started without.
  printf '#!/bin/sh\nexec %s -Djdk.lang.Process.launchMechanism=VFORK "$@"\n' "$(printf "'%s' " "${COMMAND[@]}")" >"$home/bin/java"
  chmod +x "$home/bin/java"
  "$home/bin/java" -version 2>/dev/null && touch "$root/.complete"
}

new_java_home() { find "$ROOT/opt/java/usr/lib/jvm" -maxdepth 1 -type d -name 'java-21-openjdk-*'; }

search_installed() { [ -e "$ROOT/opt/$1/.complete" ]; }

fetch_distribution() { # GROUP PRODUCT VERSION: into opt/PRODUCT-VERSION.part
  local zip=$ROOT/opt/$2-$3.zip part=$ROOT/opt/$2-$3.part
  rm -rf "$part" "$part.tmp"
  maven_file "$1.distribution.integ-test-zip:$2:$3:zip" "$zip" || return 1
  unzip -q -o "$zip" -d "$part.tmp" && mv "$part.tmp/$2-$3" "$part" && rm -rf "$zip" "$part.tmp"
  mkdir -p "$part/plugins"
}

finish_distribution() { # PRODUCT-VERSION
  chmod -R a+rX "$ROOT/opt/$1.part" && rm -rf "${ROOT:?}/opt/$1" && mv "$ROOT/opt/$1.part" "$ROOT/opt/$1" && touch "$ROOT/opt/$1/.complete"
}

install_opensearch() { install_search_tools && install_new_java && with_lock opensearch install_opensearch_3; }
install_opensearch2() { install_search_tools && with_lock opensearch2 install_opensearch_2; }
install_elasticsearch() { install_search_tools && with_lock elasticsearch install_elasticsearch_8; }
install_elasticsearch7() { install_search_tools && with_lock elasticsearch7 install_elasticsearch_7; }

install_opensearch_3() {
  search_installed "opensearch-$OPENSEARCH_3" && return 0
  fetch_distribution org.opensearch opensearch $OPENSEARCH_3 && finish_distribution "opensearch-$OPENSEARCH_3"
}

install_elasticsearch_7() {
  search_installed "elasticsearch-$ELASTICSEARCH_7" && return 0
  fetch_distribution org.elasticsearch elasticsearch $ELASTICSEARCH_7 && finish_distribution "elasticsearch-$ELASTICSEARCH_7"
}

install_opensearch_2() {
  local v=$OPENSEARCH_2 jars=$ROOT/opt/opensearch-$OPENSEARCH_2.jars
  search_installed "opensearch-$v" && return 0
  fetch_distribution org.opensearch opensearch $v || return 1
  maven_jars "$jars" org.opensearch.plugin:{analysis-common,lang-painless}:$v || return 1
  local loader='permission java.lang.RuntimePermission "createClassLoader"; permission java.lang.RuntimePermission "getClassLoader";'
  opensearch_module $v "$jars" lang-painless org.opensearch.painless.PainlessPlugin '' "$loader" \
    'lang-painless-*' 'opensearch-scripting-painless-spi-*' 'antlr4-runtime-*' 'asm-*' &&
    opensearch_module $v "$jars" analysis-common org.opensearch.analysis.common.CommonAnalysisPlugin lang-painless '' 'analysis-common-*' &&
    rm -rf "$jars" && finish_distribution "opensearch-$v"
}

opensearch_module() { # VERSION JARS MODULE CLASS EXTENDS POLICY GLOB...: a module folder made of jars
  local version=$1 jars=$2 module=$3 class=$4 extends=$5 policy=$6 home=$ROOT/opt/opensearch-$1.part pattern jar
  shift 6
  mkdir -p "$home/modules/$module"
  for pattern in "$@"; do
    # shellcheck disable=SC2086
    for jar in "$jars"/$pattern; do
      [ -e "$jar" ] || { say "module $module lacks $pattern"; return 1; }
      [ -e "$home/lib/${jar##*/}" ] || cp "$jar" "$home/modules/$module/"
    done
  done
  printf '%s\n' "description=$module" "version=$version" "name=$module" "classname=$class" java.version=1.8 \
    "opensearch.version=$version" "extended.plugins=$extends" has.native.controller=false \
    >"$home/modules/$module/plugin-descriptor.properties"
  [ -z "$policy" ] || printf 'grant {\n%s\n};\n' "$policy" >"$home/modules/$module/plugin-security.policy"
}

# The module that answers "GET /" is not on Maven Central for 8.x: ours stands in, compiled against the server's jars.
install_elasticsearch_8() {
  local v=$ELASTICSEARCH_8 part=$ROOT/opt/elasticsearch-$ELASTICSEARCH_8.part module
  search_installed "elasticsearch-$v" && return 0
  fetch_distribution org.elasticsearch elasticsearch $v || return 1
  module=$part/modules/root-page
  mkdir -p "$module"
  "$JDK_17/bin/javac" -nowarn -cp "$part/lib/*" -d "$part/classes" "$HERE/lib/RootPage.java" >>"$ROOT/maven.log" 2>&1 &&
    "$JDK_17/bin/jar" cf "$module/root-page.jar" -C "$part/classes" . || { tail -n 8 "$ROOT/maven.log" >&2; return 1; }
  rm -rf "$part/classes"
  printf '%s\n' 'description=answers GET /' "version=$v" name=root-page classname=RootPage java.version=17 \
    "elasticsearch.version=$v" extended.plugins= has.native.controller=false >"$module/plugin-descriptor.properties"
  finish_distribution "elasticsearch-$v"
}

search_answers() { # [USER:PASSWORD@]HOST:PORT
  curl -fs "http://$1/_cluster/health?wait_for_status=yellow&timeout=1s" | grep -q '"timed_out":false'
}

# Folders of an instance, owned by the user the server runs as; its configuration without GC logs and heap dumps.
prepare_search() { # NAME HOME PRODUCT
  local dir=$ROOT/run/$1
  mkdir -p "$dir"/{data,logs,tmp}
  rm -rf "$dir/conf"
  cp -r "$2/config" "$dir/conf"
  sed -i -E '/Xlog:gc|HeapDump|ErrorFile|^-Xm[sx]/d' "$dir/conf/jvm.options"
  : >"$dir/conf/$3.yml"
  chown -R $SEARCH_UID:$SEARCH_UID "$dir"/{conf,data,logs,tmp}
}

# search_settings NAME PORT: fills SETTINGS. Watermarks are absolute, so that a full developer disk fails no test.
search_settings() {
  local dir=$ROOT/run/$1
  SETTINGS=(-E "cluster.name=$1" -E "node.name=$1" -E discovery.type=single-node -E "path.data=$dir/data" -E "path.logs=$dir/logs"
    -E network.host=127.0.0.1 -E "http.port=$2" -E "transport.port=$(($2 + 100))" -E node.store.allow_mmap=false
    -E cluster.routing.allocation.disk.watermark.low=2gb -E cluster.routing.allocation.disk.watermark.high=1gb
    -E cluster.routing.allocation.disk.watermark.flood_stage=500mb -E cluster.info.update.interval=10s)
}

start_opensearch() { # NAME PORT VERSION
  local name=$1 port=$2 home=$ROOT/opt/opensearch-$3 dir=$ROOT/run/$1 java=$JDK_17 SETTINGS
  [ "${3%%.*}" -lt 3 ] || java=$(new_java_home)
  search_settings "$name" "$port"
  prepare_search "$name" "$home" opensearch
  launch "$name" setpriv --reuid=$SEARCH_UID --regid=$SEARCH_UID --clear-groups env HOME="$dir/tmp" OPENSEARCH_HOME="$home" \
    OPENSEARCH_PATH_CONF="$dir/conf" OPENSEARCH_JAVA_HOME="$java" JAVA_HOME="$java" OPENSEARCH_TMPDIR="$dir/tmp" \
    OPENSEARCH_JAVA_OPTS="${SYNCLINE_SEARCH_JAVA:-$SEARCH_JAVA}" "$home/bin/opensearch" "${SETTINGS[@]}"
  ready "$name" 400 search_answers "127.0.0.1:$port"
}

start_elasticsearch() { # NAME PORT VERSION
  local name=$1 port=$2 home=$ROOT/opt/elasticsearch-$3 dir=$ROOT/run/$1 user='' SETTINGS
  search_settings "$name" "$port"
  prepare_search "$name" "$home" elasticsearch
  if [ "${3%%.*}" -lt 8 ]; then
    SETTINGS+=(-E xpack.security.enabled=false)
  else
    # One user may do everything; `limited` may write into indices `allowed*` only; tests give `waiting` its role.
    user=everything:every-password@
    printf '%s\n' 'limited:' '  cluster: [monitor]' '  indices: [{names: ["allowed*"], privileges: [all]}]' >"$dir/conf/roles.yml"
    printf '%s\n' "${user%@}" limited:limited-password waiting:waiting-password >"$dir/conf/users"
    printf '%s\n' superuser:everything limited:limited waiting:waiting >"$dir/conf/users_roles"
    SETTINGS+=(-E action.destructive_requires_name=false -E xpack.security.enabled=true -E xpack.security.autoconfiguration.enabled=false -E xpack.security.enrollment.enabled=false)
  fi
  rm -f "$dir/data/pid"
  launch "$name" setpriv --reuid=$SEARCH_UID --regid=$SEARCH_UID --clear-groups env HOME="$dir/tmp" ES_PATH_CONF="$dir/conf" \
    ES_JAVA_HOME="$JDK_17" ES_TMPDIR="$dir/tmp" ES_JAVA_OPTS="${SYNCLINE_SEARCH_JAVA:-$SEARCH_JAVA}" "$home/bin/elasticsearch" -p "$dir/data/pid" "${SETTINGS[@]}"
  ready "$name" 400 search_answers "${user}127.0.0.1:$port" || return 1
  # 8.x has a launcher in front: signals must reach the server itself.
  [ ! -s "$dir/data/pid" ] || cp "$dir/data/pid" "$dir/pid"
}
