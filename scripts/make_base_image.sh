#!/usr/bin/env bash
# Makes a stand-in for the base of the image, the first that the Dockerfile names, out of Debian's packages: for tests of the image
# where no registry of images is in reach. It is for tests alone, and is not what a published image is built upon.
# - It needs root, buildah and mmdebstrap, a mirror of Debian and pip's index; a minute. Nothing where there is a base already.
# - It is tagged when it is whole: when pip in it, by the certificates and the index of this machine's pip, has fetched a wheel.
# With --storage-driver it only says how buildah can keep images here: "overlay", or "vfs" where the kernel has no overlay for it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() {
  echo "make_base_image: $*" >&2
}

fail() {
  say "$1; the tests of the image that runs will skip"
  exit 1
}

command -v buildah >/dev/null || fail 'there is no buildah'
[ "$(id -u)" = 0 ] || fail 'it takes root'

if [ -z "${STORAGE_DRIVER:-}" ]; then
  STORAGE_DRIVER="$(buildah info --format '{{.store.GraphDriverName}}' 2>/dev/null)" || STORAGE_DRIVER=vfs
fi
export STORAGE_DRIVER BUILDAH_ISOLATION=chroot
[ "${1:-}" != --storage-driver ] || { echo "$STORAGE_DRIVER"; exit 0; }

base="$(sed -nE 's/^FROM (\S+).*/\1/p' Dockerfile | head -n 1)"
version="$(sed -nE 's/^python:([0-9]+\.[0-9]+)-.*/\1/p' <<<"$base")"
declare -A suite_of=([3.13]=trixie)
suite="${suite_of[$version]:-}"
[ -n "$suite" ] || fail "no Debian is known here that has Python for $base"

if buildah inspect --type image "$base" >/dev/null 2>&1; then
  say "$base is here already"
  exit 0
fi

for program in mmdebstrap tar; do
  command -v "$program" >/dev/null || fail "there is no $program"
done

setting_of_pip() { # as this machine's pip has it from its files or its environment
  local variable
  variable="PIP_$(tr '[:lower:]-' '[:upper:]_' <<<"$1")"
  [ -n "${!variable:-}" ] && { echo "${!variable}"; return; }
  python3 -m pip config get "global.$1" 2>/dev/null || true
}

certificates="$(setting_of_pip cert)"
certificates="${certificates:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}"
index="$(setting_of_pip index-url)"
wheel="$(sed -nE 's/^([a-z0-9-]+==[^ ;]+).*/\1/p' requirements-build.lock | head -n 1)"

work="$(mktemp -d)"
container="$(buildah from scratch)"
trap 'buildah rm "$container" >/dev/null; rm -rf "$work"' EXIT
root="$(buildah mount "$container")"
packages="python$version,python$version-venv,python3-pip,ca-certificates"
say "unpacking $suite"
timeout 900 mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  "$suite" "$work/base.tar" || fail "$suite cannot be had"
tar --extract --file="$work/base.tar" --directory="$root"
: >"$root/etc/resolv.conf" # which is of this machine

ln -sf "/usr/bin/python$version" "$root/usr/local/bin/python"
ln -sf "/usr/bin/python$version" "$root/usr/local/bin/python3"
if [ -e "$certificates" ]; then
  cp -L "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
fi
{
  echo '[global]'
  echo 'cert = /etc/ssl/certs/ca-certificates.crt'
  [ -z "$index" ] || echo "index-url = $index"
} >"$root/etc/pip.conf"
buildah config --cmd python3 \
  --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 "$container"

timeout 120 buildah run "$container" -- \
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest /tmp/fetched "$wheel" || fail 'pip in it reaches no index'
rm -rf "$root/tmp/fetched" "$root/root/.cache"
buildah commit --quiet "$container" "docker.io/library/$base" >/dev/null
say "$base is a stand-in made of $suite, after $SECONDS seconds"
