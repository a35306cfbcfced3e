#!/bin/bash
# quickstart.sh [up|psql|status|down|reset]: TeeSQL on one machine, in a few minutes.
#
# up      installs what is missing, builds, starts two simulated guests (server and client) of one simulated platform and
#         teesqld with PostgreSQL 17 under it, then runs a query through `teesql connect` and shows who proved what to whom
#         --verifier dcap|ita|all: who judges quotes, on both sides. dcap (the default) verifies them here; ita asks a Trust
#         Authority, which is a test's own on 127.0.0.1 and taints; all: both must accept. `up` alone keeps the last choice
# psql    an SQL shell through the attested connection; what follows is psql's (psql -c 'select 1')
# status  what runs, and where; exit code 1 when something is stopped
# down    stops what up started; the data stay
# reset   down, then removes the state (the database too)
#
# Everything but the trust anchor is what runs in a confidential VM: the same programs verify complete quotes under the
# simulator's own root. State: .quickstart/ in this checkout, or $TEESQL_QUICKSTART_DIR. Build: build/, or $TEESQL_BUILD_DIR.
# Ports: $TEESQL_QUICKSTART_PORT (5433) and $TEESQL_QUICKSTART_HTTP_PORT (8080) on 127.0.0.1, or the next free ones.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${TEESQL_BUILD_DIR:-$top/build}
state=${TEESQL_QUICKSTART_DIR:-$top/.quickstart}
sql_port=${TEESQL_QUICKSTART_PORT:-5433}
http_port=${TEESQL_QUICKSTART_HTTP_PORT:-8080}

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
step () { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
fail () { printf 'quickstart: %s\n' "$1" >&2; [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2; exit 1; }

# --- folders -----------------------------------------------------------------------------------------------------------

# sockets need paths under 108 bytes, so they live apart from the state; one folder per state folder. It is remembered: the
# next shell may have another XDG_RUNTIME_DIR. A copied checkout remembers the folder of the original, which is not its own.
run_folder () {
  local base=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}} name remembered
  [ -w "$base" ] && [ ${#base} -le 40 ] || base=/tmp
  name=teesql-quickstart-$(id -u)-$tag
  remembered=$(readlink "$state/run" || true)
  if [ "${remembered##*/}" = "$name" ] && [ -d "$remembered" ]; then
    printf '%s' "$remembered"
  else
    printf '%s/%s' "$base" "$name"
  fi
}

make_folders () {
  umask 077
  mkdir -p "$state"/{conf,secrets,platform,log,pid,state,cache}
  state=$(cd "$state" && pwd)
  tag=$(printf '%s' "$state" | sha256sum | cut -c1-8)
  run=$(run_folder)
  mkdir -p "$run"
  [ -O "$run" ] && [ ! -L "$run" ] || fail "$run belongs to somebody else"
  # PostgreSQL's user passes through to its own socket folder and can list nothing
  chmod 0711 "$run"
  mkdir -p "$run/agent" "$run/client" "$run/daemon"
  ln -sfn "$run" "$state/run"
}

# --- processes ---------------------------------------------------------------------------------------------------------

# start NAME COMMAND…: in the background, its pid noted with what makes it this one, so that `down` ends nothing else
start () {
  local name=$1; shift
  setsid "$@" >"$state/log/$name.out" 2>>"$state/log/$name.log" </dev/null &
  local pid=$!
  printf '%s %s\n' "$pid" "$(identity_of "$pid")" >"$state/pid/$name"
}

# the boot, the start time within it, and whose it is; nothing for a process that is gone, or dead and not yet waited for
identity_of () {
  awk -v tag="$tag" -v boot="$(cat /proc/sys/kernel/random/boot_id)" \
    '{ sub(/^.*\) /, ""); if ($1 !~ /[ZX]/) print tag ":" boot ":" $20 }' "/proc/$1/stat" 2>/dev/null || true
}

running () {
  local pid identity
  [ -f "$state/pid/$1" ] && read -r pid identity <"$state/pid/$1" && [ -n "$identity" ] && [ "$(identity_of "$pid")" = "$identity" ]
}

stop () {
  local name=$1 signal=${2:-TERM} pid _ i
  if running "$name"; then
    read -r pid _ <"$state/pid/$name"
    kill -"$signal" "$pid" 2>/dev/null || true
    for i in $(seq 150); do running "$name" || break; sleep 0.1; done
    if running "$name"; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$state/pid/$name"
}

# wait_for SECONDS NAME COMMAND…: until the command succeeds, as long as the process lives
wait_for () {
  local seconds=$1 what=$2 why="did not become ready in $1 s" i; shift 2
  for i in $(seq $((seconds * 10))); do
    running "$what" || { why="ended"; break; }
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  printf 'quickstart: %s %s; the last lines of its log:\n' "$what" "$why" >&2
  tail -n 15 "$state/log/$what.log" >&2 2>/dev/null || true
  exit 1
}

port_free () { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# the port asked for, or the next free one: another program may hold it
pick_port () {
  local port=$1
  while ! port_free "$port"; do port=$((port + 1)); done
  printf '%s' "$port"
}

# --- PostgreSQL --------------------------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root: then it runs as Debian's user, else as nobody
choose_postgres_user () {
  pg_user=
  if [ "$(id -u)" -eq 0 ]; then
    pg_user=nobody
    if getent passwd postgres >/dev/null; then pg_user=postgres; fi
  fi
}

as_postgres () {
  if [ -n "$pg_user" ]; then
    (cd / && exec setpriv --reuid="$pg_user" --regid="$(id -g "$pg_user")" --clear-groups --no-new-privs "$@")
  else
    "$@"
  fi
}

# Where the state lies under a folder that PostgreSQL's user may not pass (a home of mode 0700), its data lie apart. teesqld makes
# the cluster, beside its place first, so the folder around it is nobody's but ours.
choose_pgdata () {
  pgdata=$state/pgdata
  if [ -n "$pg_user" ] && [ ! -e "$pgdata" ]; then
    chmod 0711 "$state"
    if ! as_postgres test -x "$state"; then
      local apart=/var/tmp/$(basename "$run")-pgdata
      install -d -m 0711 "$apart"
      [ -O "$apart" ] && [ ! -L "$apart" ] || fail "$apart belongs to somebody else"
      ln -sfn "$apart/data" "$pgdata"
    fi
  fi
  pgdata=$(readlink -m "$pgdata")
}

# The number of the server, or of whatever is left of it: every process of one stands in its data folder.
find_postgres () {
  local at pgdata
  pgdata=$(readlink -m "$state/pgdata")
  for at in /proc/[0-9]*/cwd; do
    if [ "$at" -ef "$pgdata" ]; then
      at=${at%/cwd}
      head -n 1 "$pgdata/postmaster.pid" 2>/dev/null || printf '%s\n' "${at#/proc/}"
      return 0
    fi
  done
  return 1
}

# teesqld stops it, or where teesqld was killed what it left behind for that
wait_for_postgres_to_end () {
  local i
  for i in $(seq 900); do find_postgres >/dev/null || return 0; sleep 0.1; done
  fail "PostgreSQL does not end" "kill -INT $(find_postgres)"
}

# --- the simulated platform --------------------------------------------------------------------------------------------

write_app () {
  jq -n --arg name "$2" --arg image "$3" --arg compose "$4" '{name: $name, image: $image, compose: $compose}' >"$state/conf/$1.json"
}

make_platform () {
  [ -f "$state/platform/seed" ] || "$build/core/simulator/teesql-simulator" init "$state/platform" >/dev/null
  write_app app-server quickstart-server teesql-guest $'services:\n  teesqld: {}\n'
  write_app app-client quickstart-client teesql-guest $'services:\n  application: {}\n'
  # the same image with another application: what a host could start in the client's place
  write_app app-exchanged quickstart-client teesql-guest $'services:\n  application: {}\n  intruder: {}\n'
}

# guest NAME APP [FLAGS…]
guest () {
  local name=$1 app=$2; shift 2
  running "guest-$name" && return 0
  start "guest-$name" "$build/core/simulator/teesql-simulator" --platform-seed "file:$state/platform/seed" --machine "$name" \
    --app "$state/conf/$app.json" --listen "$run/agent/$name.sock" "$@"
  wait_for 30 "guest-$name" grep -q '"ready":true' "$state/log/guest-$name.out"
}

start_guests () {
  guest server app-server --pccs-listen 127.0.0.1:0 --write-root "$state/conf/root-ca.pem"
  guest client app-client
  pccs=$(jq -er .pccs "$state/log/guest-server.out")
}

# --- the Trust Authority -----------------------------------------------------------------------------------------------

# That of the tests, with keys and an API key of its own. It believes whatever it is sent; but nothing is sent that the platform's own
# signatures do not cover, and whoever asks it is tainted.
start_authority () {
  [ "$verifiers" = dcap ] && return 0
  [ -s "$state/secrets/ita-key" ] || head -c 24 /dev/urandom | base64 >"$state/secrets/ita-key"
  if ! running authority; then
    start authority /usr/bin/python3 "$top/tests/harness/authority.py" --port 0 --api-key-file "$state/secrets/ita-key"
    wait_for 60 authority grep -q '"ready"' "$state/log/authority.out"
  fi
  authority=$(jq -er .url "$state/log/authority.out")
}

# --- what a policy pins ------------------------------------------------------------------------------------------------

# the values a policy pins, as the simulator computes them for an application
pins () {
  "$build/core/simulator/teesql-simulator" describe --platform-seed "file:$state/platform/seed" --machine "$1" --app "$state/conf/$2.json" |
    jq -er '"allowed-mrtd = \(.mrtd)\nallowed-rtmr1 = \(.rtmr1)\nallowed-rtmr2 = \(.rtmr2)\nallowed-compose-hash = \(.compose_hash)\nallowed-key-provider = \(.key_provider)"'
}

# --- configuration -----------------------------------------------------------------------------------------------------

verifier_groups () {
  case $verifiers in *dcap*) cat <<TXT
[verifier:dcap]
trusted-root = $state/conf/root-ca.pem
collateral-url = $pccs
cache-directory = $state/cache/$1

TXT
  esac
  case $verifiers in *ita*) cat <<TXT
[verifier:ita]
trusted-root = $state/conf/root-ca.pem
base-url = $authority
jwks-url = $authority/certs
api-key = file:$state/secrets/ita-key

TXT
  esac
}

role_group () {
  printf '[role:%s]\nprivileges = %s\nsecret-verifier = %s\n' "$1" "$2" "$(cat "$state/secrets/$3.verifier")"
}

make_secrets () {
  local salt=$state/secrets/scram-salt role file
  [ -f "$salt" ] || head -c 16 /dev/urandom | base64 >"$salt"
  for role in teesql_read:read teesql_readwrite:readwrite replicator:replicator; do
    file=$state/secrets/${role#*:}
    [ -s "$file" ] && [ -s "$file.verifier" ] && continue
    "$build/core/cli/teesql" secret new --role "${role%:*}" --scram-salt "$(cat "$salt")" --out "$file" >"$file.verifier.new"
    sed -n 's/^secret-verifier = //p' "$file.verifier.new" >"$file.verifier"
    rm -f "$file.verifier.new"
    [ -s "$file.verifier" ] || fail "teesql secret new gave no verifier for ${role%:*}"
  done
}

write_configuration () {
  mkdir -p "$state/cache/server" "$state/cache/client"
  cat >"$state/conf/teesqld.conf" <<TXT
# written by quickstart.sh up, anew each time
[teesql]
cluster = quickstart
node = quickstart-1
verifiers = $verifiers
plugin-path = $build/plugins
state-directory = $state/state
runtime-directory = $run/daemon

[identity]
alt-names = localhost;127.0.0.1

[attester:dstack]
endpoint = $run/agent/server.sock

[kms:dstack]
endpoint = $run/agent/server.sock

$(verifier_groups server)

[policy:clients]
$(pins client app-client)

[proxy]
listen = 127.0.0.1:$sql_port

[auth]
scram-salt = $(cat "$state/secrets/scram-salt")

$(role_group teesql_read read read)
also-secret-of = teesql_readwrite

$(role_group teesql_readwrite read-write readwrite)

$(role_group replicator replication replicator)

[postgresql]
mode = managed
bin-directory = $pg_bin
user = ${pg_user:-$(id -un)}
data-directory = $pgdata
host = $run/pg

[http]
listen = 127.0.0.1:$http_port
TXT
  cat >"$state/conf/teesql.conf" <<TXT
# written by quickstart.sh up, anew each time
[teesql]
verifiers = $verifiers
plugin-path = $build/plugins

[connect]
server = 127.0.0.1:$sql_port
socket-directory = $run/client

[attester:dstack]
endpoint = $run/agent/client.sock

$(verifier_groups client)

[policy:server]
$(pins server app-server)
TXT
  # the same client configuration, attested by the exchanged guest
  sed "s#^endpoint = .*#endpoint = $run/agent/exchanged.sock#" "$state/conf/teesql.conf" >"$state/conf/teesql-exchanged.conf"
}

# --- the tour ----------------------------------------------------------------------------------------------------------

teesql () { "$build/core/cli/teesql" --config "$state/conf/teesql.conf" "$@"; }

run_sql () {
  local config=$1; shift
  DATABASE_URL="postgresql://teesql_readwrite@localhost/postgres" PGPASSFILE=$run/client/pgpass \
    "$build/core/cli/teesql" --config "$config" connect "127.0.0.1:$sql_port" --exec -- \
    env PGPASSFILE="$run/client/pgpass" "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -U teesql_readwrite -d postgres "$@"
}

show_query () {
  printf '*:*:*:teesql_readwrite:%s\n' "$(cat "$state/secrets/readwrite")" >"$run/client/pgpass"
  run_sql "$state/conf/teesql.conf" <<'SQL'
set client_min_messages = warning;
create table if not exists hello (at timestamptz default now(), who name default current_user);
insert into hello default values;
select count(*) as visits, max(at) as last, current_user as role, split_part(version(), ' (', 1) as server from hello;
SQL
}

show_proof () {
  local proof
  proof=$(teesql --quiet --json verify server "127.0.0.1:$sql_port") || { printf '%s\n' "$proof"; fail "the server could not be verified"; }
  printf '%s' "$proof" | jq -r '
    "  the server proved to us    MRTD \(.evidence.mrtd[0:16])…  RTMR1 \(.evidence.rtmr[1][0:16])…  RTMR2 \(.evidence.rtmr[2][0:16])…",
    "                             TCB \(.evidence.tcb_status), key binding \(.evidence.binding), policy accepted: \(.evidence.policy.accepted)",
    "                             over \(.tls), its key \(.spki_sha256[0:16])…",
    (.evidence.verifiers[] | "                             by \(.name): \(.verdict)")'
  sed -n 's/.*peer accepted: .*compose hash \([0-9a-f]\{16\}\)[0-9a-f]*, MRTD \([0-9a-f]*\)…, platform .*, TCB \([A-Za-z]*\).*/  the client proved to it    MRTD \2…  compose hash \1…  TCB \3/p' \
    "$state/log/teesqld.log" | tail -n 1
}

show_exchange () {
  local answer
  guest exchanged app-exchanged
  if answer=$(run_sql "$state/conf/teesql-exchanged.conf" -c 'select 1' 2>&1); then
    fail "an exchanged guest was let in: $answer"
  fi
  stop guest-exchanged
  printf '%s\n' "$answer" | grep -m1 -o 'FATAL:.*' | sed 's/^/  /' || { printf '%s\n' "$answer" >&2; fail "the exchanged guest failed for another reason"; }
}

# --- verbs -------------------------------------------------------------------------------------------------------------

# what was asked for, else what the last `up` was asked for
choose_verifiers () {
  local word=''
  while [ $# -gt 0 ]; do
    case $1 in
      --verifier) [ $# -ge 2 ] || usage; word=$2; shift 2 ;;
      --verifier=*) word=${1#*=}; shift ;;
      *) usage ;;
    esac
  done
  case $word in
    '') verifiers=$(cat "$state/conf/verifiers" 2>/dev/null || printf dcap) ;;
    dcap|ita) verifiers=$word ;;
    all) verifiers='dcap;ita' ;;
    *) fail "--verifier $word: dcap, ita or all" ;;
  esac
}

up () {
  choose_verifiers "$@"
  step "Tools and libraries"
  "$top/data/install-dependencies.sh" "$([ "$verifiers" = dcap ] && echo build || echo authority)"
  step "PostgreSQL 17"
  pg_bin=$("$top/data/get-postgresql.sh")
  "$pg_bin/postgres" --version | sed 's/^/  /'
  step "Build"
  if [ -z "${TEESQL_BUILD_DIR:-}" ]; then
    [ -f "$build/build.ninja" ] || meson setup "$build" "$top" -Dtests=false >"$state/log/build.log" 2>&1 || { cat "$state/log/build.log" >&2; fail "meson setup failed"; }
    ninja -C "$build" >"$state/log/build.log" 2>&1 || { grep -E -A8 'FAILED|error:' "$state/log/build.log" >&2; fail "the build failed"; }
  fi
  all_runs || down
  step "A simulated TDX platform with two guests"
  make_platform
  start_guests
  if [ "$verifiers" != dcap ]; then step "A Trust Authority for tests, in the place of Intel's"; fi
  start_authority
  printf '%s\n' "$verifiers" >"$state/conf/verifiers"
  step "teesqld, and under it PostgreSQL, which only a unix socket reaches"
  make_secrets
  choose_postgres_user
  choose_pgdata
  if ! running teesqld; then
    sql_port=$(pick_port "$sql_port")
    http_port=$(pick_port "$http_port")
    printf '%s %s\n' "$sql_port" "$http_port" >"$state/conf/ports"
    write_configuration
    start teesqld "$build/core/daemon/teesqld" --config "$state/conf/teesqld.conf"
  fi
  read -r sql_port http_port <"$state/conf/ports"
  wait_for 60 teesqld curl -fsS "http://127.0.0.1:$http_port/health/ready"
  printf '  attested SQL on 127.0.0.1:%s, health on http://127.0.0.1:%s/health\n' "$sql_port" "$http_port"
  step "A query through teesql connect (which warns that the trust anchor is not Intel's)"
  show_query
  step "Who proved what to whom"
  show_proof
  step "The same client, its guest exchanged for another"
  show_exchange
  step "Go on"
  cat <<TXT
  an SQL shell      $(relative "$0") psql
  your program      $(relative "$build/core/cli/teesql") --config $(relative "$state/conf/teesql.conf") connect --exec -- CMD…
  the secret        $(relative "$state/secrets/readwrite") (role teesql_readwrite; read: teesql_read)
  what runs         $(relative "$0") status   (logs: $(relative "$state/log"))
  stop              $(relative "$0") down     (reset removes the data too)
TXT
}

# They know each other's ports and sockets: one that ended, whose socket somebody cleaned away or that has been built anew since
# means that all are started again.
all_runs () {
  [ "$verifiers" = "$(cat "$state/conf/verifiers" 2>/dev/null)" ] && { [ "$verifiers" = dcap ] || running authority; } &&
    running guest-server && running guest-client && running teesqld && find_postgres >/dev/null &&
    [ -S "$run/agent/server.sock" ] && [ -S "$run/agent/client.sock" ] && [ -S "$run/pg/.s.PGSQL.5432" ] &&
    [ ! "$build/core/daemon/teesqld" -nt "$state/pid/teesqld" ]
}

relative () { realpath --relative-base="$PWD" "$1"; }

down () {
  local name
  # postgres: of a quickstart that started it beside teesqld
  for name in teesqld postgres guest-exchanged guest-client guest-server authority; do
    if running "$name"; then printf 'stopping %s\n' "$name"; fi
    stop "$name" "$([ "$name" = postgres ] && echo INT || echo TERM)"
    if [ "$name" = postgres ]; then wait_for_postgres_to_end; fi
  done
}

asked_authority () { case $(cat "$state/conf/verifiers" 2>/dev/null) in *ita*) echo authority ;; esac; }

status () {
  local name all=0 pid
  for name in guest-server guest-client $(asked_authority) teesqld; do
    if running "$name"; then printf '%-14s running, pid %s\n' "$name" "$(cut -d' ' -f1 "$state/pid/$name")"; else printf '%-14s stopped\n' "$name"; all=1; fi
  done
  if pid=$(find_postgres); then printf 'postgres       running, pid %s\n' "$pid"; else printf 'postgres       stopped\n'; all=1; fi
  if running teesqld; then
    read -r sql_port http_port <"$state/conf/ports"
    printf 'attested SQL   127.0.0.1:%s\nhealth         ' "$sql_port"
    curl -sS "http://127.0.0.1:$http_port/health" || true
    printf '\n'
  fi
  printf 'state          %s\n' "$state"
  return $all
}

reset () {
  down
  local data
  data=$(readlink -m "$state/pgdata")
  case $data in
    */teesql-quickstart-*-pgdata/data) rm -rf "${data%/data}" ;;
    */teesql-quickstart-*-pgdata) rm -rf "$data" ;;
  esac
  rm -rf "$state" "$run"
}

sql_shell () {
  running teesqld || fail "teesqld does not run" "$(relative "$0") up"
  pg_bin=$("$top/data/get-postgresql.sh")
  read -r sql_port http_port <"$state/conf/ports"
  run_sql "$state/conf/teesql.conf" "$@"
}

usage () { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }

case ${1:-up} in
  --verifier|--verifier=*) set -- up "$@" ;;
  up|down|status|reset|psql) ;;
  -h|--help|help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) usage ;;
esac
make_folders
case ${1:-up} in
  psql) shift; sql_shell "$@" ;;
  up) shift $(($# > 0)); up "$@" ;;
  *) "${1:-up}" ;;
esac
