#!/bin/sh
# Every public header, alone, in the folder layout of an installation, as strangers will compile it.
set -u
source=${TEESQL_TEST_SOURCE:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/teesql"
cp "$source"/core/base/teesql/*.h "$source"/core/sdk/teesql/*.h "$work/teesql/"
flags=$(pkg-config --cflags gio-2.0 | sed 's/-I/-isystem /g')
strict='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
n=0
failed=0

check () { # NAME COMMAND...
  name=$1; shift
  n=$((n + 1))
  if "$@" > "$work/out" 2>&1; then
    echo "ok $n - $name"
  else
    failed=1
    echo "not ok $n - $name"
    sed 's/^/# /' "$work/out"
  fi
}

skip () {
  n=$((n + 1))
  echo "ok $n - $1 # SKIP no such compiler"
}

for header in "$work"/teesql/*.h; do
  base=$(basename "$header")
  printf '#include <teesql/%s>\nint main (void)\n{\n  return 0;\n}\n' "$base" > "$work/alone.c"
  cp "$work/alone.c" "$work/alone.cc"
  for cc in gcc clang; do
    if command -v $cc > /dev/null; then
      check "$base in C11 with $cc" $cc -std=c11 $strict -I"$work" $flags -fsyntax-only "$work/alone.c"
    else
      skip "$base in C11 with $cc"
    fi
  done
  if command -v g++ > /dev/null; then
    check "$base in C++17" g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -I"$work" $flags -fsyntax-only "$work/alone.cc"
  else
    skip "$base in C++17"
  fi
done
echo "1..$n"
exit $failed
