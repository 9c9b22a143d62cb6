#!/usr/bin/env bash
# Builds a Kubernetes control plane for the tests: etcd, kube-apiserver, kube-controller-manager and kubectl, from the Go modules
# that tests/servers/kubernetes/go.mod names, into the cache directory where the tests look for them.
# - About 12 minutes on two cores; nothing where it is done already. What was compiled before the time was up is kept by Go.
# - All or nothing: the directory appears when everything in it is built. Two runs at once build once.
# - Without Go, its modules or enough time it says so and succeeds: the tests that need the binaries skip.
# Another limit than 40 minutes: BUILD_KUBERNETES_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/../tests/servers/kubernetes"

limit="${BUILD_KUBERNETES_SECONDS:-2400}"
version="$(sed -nE 's,^\s*(require )?k8s.io/kubernetes (v[^ ]+).*,\2,p' go.mod)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/chancery/kubernetes"
built="$cache/$version"
unfinished=''

say() {
  echo "build_kubernetes: $*"
}

do_without() {
  say "$1; the tests that need Kubernetes will skip"
  exit 0
}

within_limit() { # runs a command for as long as is left; 124 says that it was not long enough
  local left=$((limit - SECONDS))
  [ "$left" -gt 0 ] || return 124
  timeout --foreground --kill-after=10 "$left" nice -n 10 "$@"
}

fetch_modules() { # the sources of what is built, each file held to go.sum
  local said status=0
  said="$(within_limit go list -deps "${commands[@]}" 2>&1 >/dev/null)" || status=$?
  case "$status:$said" in
    0:*) ;;
    124:*) do_without "$limit seconds were not enough to fetch the modules" ;;
    *'SECURITY ERROR'* | *'checksum mismatch'* | *'go.sum'*)
      echo "$said" >&2
      exit 1
      ;;
    *) do_without "the modules cannot be had ($(tail -n 1 <<<"$said"))" ;;
  esac
}

compile() { # the binary's name, its package
  local status=0
  say "compiling $1"
  within_limit env CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$unfinished/$1" "$2" || status=$?
  [ "$status" -ne 124 ] || do_without "$limit seconds were not enough; what is compiled so far is kept for the next run"
  [ "$status" -eq 0 ] || exit "$status"
}

if [ -d "$built" ]; then
  say "$version is in $built already"
  exit 0
fi
command -v go >/dev/null || do_without 'there is no Go toolchain'
command -v flock >/dev/null || do_without 'there is no flock (util-linux)'
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --timeout "$limit" 9 || do_without "another run has been at it for $limit seconds"
if [ -d "$built" ]; then
  say "another run has built $version"
  exit 0
fi
rm -rf "$cache"/unfinished.* # of runs that were killed: whoever holds the lock is alone

kubernetes=k8s.io/kubernetes/cmd
etcd=go.etcd.io/etcd/server/v3
commands=("$etcd" "$kubernetes/kube-apiserver" "$kubernetes/kube-controller-manager" "$kubernetes/kubectl")
IFS=. read -r major minor _ <<<"${version#v}"
flags='-s -w'
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
done

unfinished="$(mktemp -d "$cache/unfinished.XXXXXX")"
trap 'rm -rf "$unfinished"' EXIT
fetch_modules
compile etcd "$etcd"
for name in kube-apiserver kube-controller-manager kubectl; do
  compile "$name" "$kubernetes/$name"
done
chmod 755 "$unfinished" # mktemp's 700 would keep other users out
mv "$unfinished" "$built"
say "$version is in $built after $SECONDS seconds"
