#!/bin/bash
# run.sh [--full]: builds twice (plain; address and undefined-behaviour sanitizers) and runs every test on both.
# Last line: N passed, N failed, N skipped, over all cases. --full adds the long ones.
set -uo pipefail
cd "$(dirname "$0")/.."
export TEESQL_FULL=0
case ${1:-} in
  '') ;;
  --full) TEESQL_FULL=1 ;;
  *) sed -n '2,3s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0; exit 2 ;;
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

summaries=()
broken=0
# run FOLDER TITLE SUITES… -- SETUP-OPTIONS…
run () {
  local folder=$1 title=$2; shift 2
  local suites=()
  while [ "$1" != -- ]; do suites+=(--suite "$1"); shift; done
  shift
  echo "== $title"
  if [ ! -f "$folder/build.ninja" ]; then meson setup "$folder" --werror "$@" >"$folder.log" 2>&1 || { cat "$folder.log"; broken=1; return; }; fi
  if ! ninja -C "$folder" >"$folder.log" 2>&1; then
    grep -E -A12 'FAILED|error:' "$folder.log" | head -60
    broken=1
    return
  fi
  meson test -C "$folder" --no-rebuild --print-errorlogs "${suites[@]}" || true
  summaries+=("$folder/meson-logs/testlog.junit.xml")
}

run "$base/build-test" "plain build" unit plugin fuzz style integration threat -- -Dbuildtype=debugoptimized
run "$base/build-asan" "address and undefined-behaviour sanitizers" unit plugin fuzz threat -- -Dbuildtype=debug -Db_sanitize=address,undefined

tests/count.py "${summaries[@]}"
result=$?
[ $broken -eq 0 ] || { echo "a build failed" >&2; exit 1; }
exit $result
