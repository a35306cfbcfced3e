#!/bin/bash
# run.sh [--full]: builds twice (plain; address and undefined-behaviour sanitizers) and runs every test on both.
# Last line: N passed, N failed, N skipped, over all cases. --full adds the long ones. The long programs write to TEESQL_TEST_FOLDER,
# or into memory where it has room.
set -uo pipefail
cd "$(dirname "$0")/.."
export TEESQL_FULL=0
case ${1:-} in
  '') ;;
  --full) TEESQL_FULL=1 ;;
  *) sed -n '2,4s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0; exit 2 ;;
esac
data/install-dependencies.sh test || exit 1

if ! TEESQL_PG_BINDIR=$(data/get-postgresql.sh); then
  [ "${CI:-}" = true ] && { echo "PostgreSQL 17 is missing" >&2; exit 1; }
  TEESQL_PG_BINDIR=
fi
export TEESQL_PG_BINDIR

# Root's builds go where others may pass, if they may not here (/root): what fetches WAL for a recovery is run by PostgreSQL's user.
base=.
if [ "$(id -u)" = 0 ] && ! setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$PWD/."; then
  base=/var/cache/teesql/$(printf '%s' "$PWD" | sha256sum | cut -c1-8)
  mkdir -p "$base"
  echo "$PWD lets no other user pass: building in $base"
fi

# What the long tests wait for most is a disk that is told to be safe; in memory they wait for nothing, and none of them cuts the power.
# Tests of the file system's own promises (units, plugins) stay where TMPDIR is.
room_in_memory () {
  local kib
  [ -d /dev/shm ] && [ -z "${TEESQL_TEST_FOLDER:-}" ] || return 1
  ! findmnt -n -o OPTIONS -T /dev/shm | grep -qw noexec || return 1
  kib=$(df --output=avail /dev/shm | tail -n 1)
  [ "$kib" -ge $((6 << 20)) ] && [ "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" -ge $((8 << 20)) ]
}
if room_in_memory; then
  TEESQL_TEST_FOLDER=$(mktemp -d /dev/shm/teesql-XXXX)
  export TEESQL_TEST_FOLDER
  chmod 711 "$TEESQL_TEST_FOLDER"
  trap 'rm -rf "$TEESQL_TEST_FOLDER"' EXIT
fi

summaries=()
broken=0
# build FOLDER SETUP-OPTIONS…
build () {
  local folder=$1; shift
  if [ ! -f "$folder/build.ninja" ]; then meson setup "$folder" --werror "$@" >"$folder.log" 2>&1 || return; fi
  ninja -C "$folder" >"$folder.log" 2>&1
}
# run FOLDER STATUS SUITES…: STATUS is the build's
run () {
  local folder=$1 status=$2 suites=(); shift 2
  if [ "$status" != 0 ]; then
    grep -E -A12 'FAILED|ERROR|error:' "$folder.log" | head -60
    broken=1
    return
  fi
  for suite; do suites+=(--suite "$suite"); done
  # one more than there are processors: most of them wait
  meson test -C "$folder" --no-rebuild --print-errorlogs --num-processes $(($(nproc) + 1)) "${suites[@]}" || true
  summaries+=("$folder/meson-logs/testlog.junit.xml")
}

echo "== plain build"
build "$base/build-test" -Dbuildtype=debugoptimized
status=$?
# the second one is made of what time the first one's tests leave
(renice -n 19 $BASHPID >/dev/null; build "$base/build-asan" -Dbuildtype=debug -Db_sanitize=address,undefined) &
asan=$!
run "$base/build-test" $status unit plugin fuzz style integration threat

echo "== address and undefined-behaviour sanitizers"
wait $asan
run "$base/build-asan" $? unit plugin fuzz threat

tests/count.py "${summaries[@]}"
result=$?
[ $broken -eq 0 ] || { echo "a build failed" >&2; exit 1; }
exit $result
