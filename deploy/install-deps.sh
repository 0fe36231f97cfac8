#!/bin/bash
# Installs what luot is built and tested with: Debian 12's packages, and npm's by `npm ci`. Safe to run
# again: what is there already is left alone, and when all is there it ends at once.
#
# usage: deploy/install-deps.sh [--runtime]
#   --runtime  only what deploy/quickstart.sh needs: no Chromium, no clang, no load generator

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(
  build-essential cmake ninja-build pkg-config ccache
  libboost1.81-dev libboost-json1.81-dev libboost-test1.81-dev
  libhiredis-dev prometheus-cpp-dev libspdlog-dev libfmt-dev libsodium-dev libre2-dev
  libtomlplusplus-dev libcli11-dev libxxhash-dev libhowardhinnant-date-dev libutf8proc-dev
  libidn2-dev zlib1g-dev libzstd-dev libmaxminddb-dev libjemalloc-dev
  redis-server nginx-light python3 python3-yaml curl ca-certificates tzdata util-linux
  dpkg-dev file
)
test_packages=(
  redis-tools python3-redis openssl nghttp2-client chromium clang clang-format clang-tidy libclang-rt-14-dev wrk git zstd
  prometheus prometheus-alertmanager mmdebstrap buildah lintian dpkg-dev systemd python3-seccomp
)
services=(redis-server nginx prometheus prometheus-alertmanager)

say() { echo "install-deps: $*"; }
die() { echo "install-deps: $*" >&2; exit 1; }

packages=("${build_packages[@]}" "${test_packages[@]}")
case "${1-}" in
  '') ;;
  --runtime) packages=("${build_packages[@]}") ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "install-deps: unknown option $1 (try --help)" >&2; exit 2 ;;
esac

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# A node of another origin will do if it is not too old.
has_node() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null
}

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
has_node || missing+=(nodejs npm)

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a service as soon as it is installed. luot runs its own Redis, and the demo its own
# nginx: services that come only now stay off, those that were here before are not touched.
policy=/usr/sbin/policy-rc.d
remove_policy() { as_root rm -f "$policy"; }

if [ ${#missing[@]} -gt 0 ]; then
  . /etc/os-release 2>/dev/null || true
  [ "${ID-}" = debian ] && [ "${VERSION_ID-}" = 12 ] ||
    die "this is ${PRETTY_NAME-not Debian}: luot is built on Debian 12 (bookworm). Missing: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
    die "run it as root, or install sudo. Missing: ${missing[*]}"

  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  new_services=()
  for service in "${services[@]}"; do
    [ -e "/lib/systemd/system/$service.service" ] || new_services+=("$service")
  done
  if [ ! -e "$policy" ]; then
    trap remove_policy EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi

  output=$(mktemp)
  quietly() { "$@" >"$output" 2>&1 || { tail -n 15 "$output" >&2; rm -f "$output"; die "$1 $2 failed, see above"; }; }
  apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get "$@"; }
  quietly apt update -q
  quietly apt install -y -q --no-install-recommends "${missing[@]}"
  rm -f "$output"

  for service in "${new_services[@]}"; do
    if [ -e "/lib/systemd/system/$service.service" ] && command -v systemctl >/dev/null; then
      as_root systemctl disable --quiet "$service" 2>/dev/null || true
    fi
  done
fi

# npm's packages, as the owner of the tree when this was called with sudo.
lock=$(sha256sum "$root/package-lock.json" "$root/package.json" | sha256sum | cut -d' ' -f1)
stamp=$root/node_modules/.luot-lock
if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  say "installing npm's packages into node_modules"
  owner=$(stat -c %U "$root")
  as_owner() {
    if [ "$(id -u)" -eq 0 ] && [ "$owner" != root ] && [ "$owner" != UNKNOWN ]; then
      runuser -u "$owner" -- "$@"
    else
      "$@"
    fi
  }
  (cd "$root" && as_owner npm ci --include=dev --loglevel=error >/dev/null) || die "npm ci failed, see above"
  echo "$lock" | as_owner tee "$stamp" >/dev/null
fi

say "all there"
