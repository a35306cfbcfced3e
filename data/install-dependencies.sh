#!/bin/bash
# install-dependencies.sh [build|authority|test]: what building (and the tests' Trust Authority, and testing) needs, from the
# distribution's packages.
# Installs as root or through sudo; otherwise prints the one line to run and exits 1.
set -euo pipefail

# dpkg-dev tells meson where this distribution keeps libraries
build=(gcc dpkg-dev meson ninja-build pkg-config git ca-certificates curl
       libglib2.0-dev libgnutls28-dev libsoup-3.0-dev libjson-glib-dev libpq-dev nettle-dev libsecp256k1-dev libzstd-dev libseccomp-dev)
# to run it here: PostgreSQL 17 comes from get-postgresql.sh, which on Debian 12 needs patchelf
run=(libglib2.0-bin patchelf python3 jq util-linux)
test=(go-md2man clang clang-format libclang-rt-dev g++ universal-ctags python3-cryptography npm nodejs haproxy iproute2
      ceph-common ceph-mon ceph-osd radosgw awscli rclone)

want=("${build[@]}" "${run[@]}")
[ "${1:-build}" = authority ] && want+=(python3-cryptography)
[ "${1:-build}" = test ] && want+=("${test[@]}")

missing=()
for package in "${want[@]}"; do
  # a tool that is there by other means (a node of one's own) needs no package
  case $package in
    nodejs) command -v node >/dev/null && continue ;;
    npm) command -v npm >/dev/null && continue ;;
  esac
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "These packages are missing. Run this once, then start again:" >&2
    echo "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi
echo "Installing ${missing[*]}" >&2
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
