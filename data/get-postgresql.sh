#!/bin/bash
# get-postgresql.sh: finds PostgreSQL 17, or fetches it, and prints the folder of its programs. Nothing else goes to stdout.
#
#   1. $TEESQL_PG_BINDIR, when set
#   2. the distribution's, when it is installed, or when root asks and apt knows postgresql-17 (Debian 13)
#   3. a private prefix made of Debian 13's packages, for Debian 12 or a user without root: needs patchelf and an apt that has
#      been updated once. Nothing of the machine changes. It cannot be moved: its programs name their loader by absolute path.
#
# The prefix is ${XDG_CACHE_HOME:-$HOME/.cache}/teesql/pg17; for root, whose home other users cannot enter though PostgreSQL runs
# as one of them, /var/cache/teesql/pg17.
set -euo pipefail
umask 022
export LC_ALL=C

major=17
suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
native=/usr/lib/postgresql/$major/bin

say () { printf 'get-postgresql: %s\n' "$*" >&2; }
fail () { say "$1"; [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2; exit 1; }

# what a package manager says is worth reading when it fails
quietly () {
  local said
  said=$("$@" 2>&1 </dev/null) || { printf '%s\n' "$said" >&2; return 1; }
}

is_17 () { [ -x "$1/postgres" ] && [ -x "$1/psql" ] && case $("$1/postgres" --version 2>/dev/null) in *"(PostgreSQL) $major."*) ;; *) false ;; esac; }

# Others can enter every folder above $1: PostgreSQL refuses to run as root, so its user must get there.
is_passable () {
  local at=$1
  while [ "$at" != / ]; do
    [ ! -e "$at" ] || case $(stat -c %a "$at") in *[1357]) ;; *) return 1 ;; esac
    at=$(dirname "$at")
  done
}

choose_prefix () {
  prefix=${XDG_CACHE_HOME:-$HOME/.cache}/teesql/pg$major
  if [ "$(id -u)" -eq 0 ] && ! is_passable "$prefix"; then
    prefix=/var/cache/teesql/pg$major
  fi
}

# --- the distribution's -----------------------------------------------------------------------------------------------

install_native () {
  local conf=/etc/postgresql-common/createcluster.conf fresh=
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
  # read to the end: under pipefail a reader that leaves early would turn a yes into a no
  apt-cache policy postgresql-$major 2>/dev/null | grep 'Candidate: [0-9]' >/dev/null || return 1
  say "installing postgresql-$major of this distribution"
  export DEBIAN_FRONTEND=noninteractive
  # without this the package would start a server of its own on port 5432
  dpkg -s postgresql-common >/dev/null 2>&1 || fresh=yes
  quietly apt-get -qq -y install --no-install-recommends postgresql-common
  if [ -n "$fresh" ] && [ -f "$conf" ]; then
    sed -i 's/^[# ]*create_main_cluster *=.*/create_main_cluster = false/' "$conf"
    say "set create_main_cluster = false in $conf"
  fi
  quietly apt-get -qq -y install --no-install-recommends postgresql-$major
  is_17 "$native"
}

# --- the private prefix -----------------------------------------------------------------------------------------------

# An apt of its own: other lists, another status, the machine's mirror and Debian's keys.
make_apt () {
  local site
  site=$(apt-get indextargets --format '$(LABEL) $(SITE)' 'Created-By: Packages' 2>/dev/null | awk '$1 == "Debian" && !n++ { print $2 }')
  [ -n "$site" ] || fail "apt knows no Debian archive here" "run apt-get update once, as root"
  [ -r "$keyring" ] || fail "$keyring is missing" "install debian-archive-keyring"
  apt_dir=$prefix/.apt
  rm -rf "$apt_dir"
  mkdir -p "$apt_dir"/{etc/sources.list.d,etc/preferences.d,etc/trusted.gpg.d,lists/partial,archives/partial}
  : >"$apt_dir/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$site" "$suite" >"$apt_dir/etc/sources.list"
  local arch; arch=$(dpkg --print-architecture)
  apt_options=(
    -o "Dir::Etc=$apt_dir/etc" -o "Dir::Etc::main=/etc/apt/apt.conf" -o "Dir::Etc::parts=/etc/apt/apt.conf.d"
    -o "Dir::State=$apt_dir" -o "Dir::State::status=$apt_dir/status" -o "Dir::Cache=$apt_dir"
    -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o APT::Install-Recommends=false -o APT::Sandbox::User=
    -o Debug::NoLocking=1 -o Acquire::Languages=none -o Acquire::AllowInsecureRepositories=false)
}

# What the programs load, and nothing that only serves an installed system, Perl or the compiler of expressions.
list_packages () {
  apt-get "${apt_options[@]}" -s install postgresql-$major postgresql-client-$major | awk '/^Inst / { print $2 }' |
    grep -E "^(postgresql-$major|postgresql-client-$major|zlib1g|lib.+)$" |
    grep -Ev '^lib(llvm|z3|perl|io-pty|ipc-run|json|text|gdbm|db5|debconf|proc2|semanage|sepol|pam-modules|c-l10n|crypt-dev|attr|bsd0|md0)'
}

extract_packages () {
  local deb dir
  mkdir -p "$prefix/root/usr"
  for dir in bin sbin lib lib64; do                                             # merged /usr, as in Debian 13
    mkdir -p "$prefix/root/usr/$dir"
    ln -s "usr/$dir" "$prefix/root/$dir"
  done
  for deb in "$apt_dir"/archives/*.deb; do dpkg-deb -x "$deb" "$prefix/root"; done
  rm -rf "$prefix"/root/usr/share/{doc,man,locale,lintian,bug} "$prefix"/root/usr/lib/postgresql/$major/lib/{bitcode,llvmjit*,pgxs}
}

is_elf () { [ -f "$1" ] && [ "$(head -c 4 "$1" | tail -c 3)" = ELF ]; }

# Each program gets the prefix's own loader, and looks for libraries nowhere else.
bind_programs () {
  local program loader libs missing
  loader=$(find "$prefix/root/usr" -name 'ld-linux-*.so.*' | head -n 1)
  libs=$(dirname "$(find "$prefix/root/usr/lib" -name libc.so.6 | head -n 1)")
  for program in "$prefix/root/usr/lib/postgresql/$major/bin/"*; do
    ! is_elf "$program" || patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libs" "$program"
  done
  missing=$(for program in "$prefix/root/usr/lib/postgresql/$major/"{bin,lib}/*; do
    ! is_elf "$program" || "$loader" --library-path "$libs" --list "$program" 2>/dev/null || true
  done | awk -v root="$prefix/" '/=>/ && index ($3, root) != 1 { print $1 }' | sort -u)
  [ -z "$missing" ] || fail "libraries outside the prefix: $missing"
}

make_prefix () {
  local stamp=$prefix/complete
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "PostgreSQL $major is not here, and neither is apt" "set TEESQL_PG_BINDIR"
  mkdir -p "$prefix"
  exec 9>"$prefix/lock"
  flock 9                                                                       # two callers at once: the second finds it made
  bindir=$prefix/root/usr/lib/postgresql/$major/bin
  if [ -f "$stamp" ] && is_17 "$bindir"; then return; fi
  command -v patchelf >/dev/null || fail "patchelf is missing" "apt-get install patchelf"
  say "making a private prefix in $prefix"
  rm -rf "$prefix/root" "$stamp"
  make_apt
  apt-get "${apt_options[@]}" -qq update >&2
  local packages; mapfile -t packages < <(list_packages)
  [ ${#packages[@]} -gt 10 ] || fail "apt could not resolve postgresql-$major of $suite"
  (cd "$apt_dir/archives" && apt-get "${apt_options[@]}" -qq download "${packages[@]}" >&2)
  extract_packages
  bind_programs
  rm -rf "$apt_dir"
  is_17 "$bindir" || fail "the programs in $bindir do not run"
  "$bindir/postgres" --version >"$stamp"
}

# --- which ------------------------------------------------------------------------------------------------------------

bindir=${TEESQL_PG_BINDIR:-}
if [ -n "$bindir" ]; then
  is_17 "$bindir" || fail "TEESQL_PG_BINDIR=$bindir holds no PostgreSQL $major"
elif is_17 "$native"; then
  bindir=$native
else
  choose_prefix
  if [ -f "$prefix/complete" ] && is_17 "$prefix/root/usr/lib/postgresql/$major/bin"; then
    bindir=$prefix/root/usr/lib/postgresql/$major/bin
  elif install_native; then
    bindir=$native
  else
    make_prefix
  fi
fi
printf '%s\n' "$bindir"
