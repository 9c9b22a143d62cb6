#!/usr/bin/env bash
# Builds Helm 4 and Helm 3 for the chart's tests, from the Go modules that tests/servers/helm/*/go.mod name, into the cache directory
# where the tests look for them.
# - Three minutes on two cores; nothing where it is done already. What was compiled before the time was up is kept by Go.
# - A program appears when it is whole. Two runs at once build once.
# - Without Go, its modules or enough time it says so and succeeds: the tests that need Helm skip.
# Another limit than 15 minutes: BUILD_HELM_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/../tests/servers/helm"

limit="${BUILD_HELM_SECONDS:-900}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/chancery/helm"
unfinished=''

say() {
  echo "build_helm: $*"
}

do_without() {
  say "$1; the tests that need Helm will skip"
  exit 0
}

within_limit() { # runs a command for as long as is left; 124 says that it was not long enough
  local left=$((limit - SECONDS))
  [ "$left" -gt 0 ] || return 124
  timeout --foreground --kill-after=10 "$left" nice -n 10 "$@"
}

fetch_modules() { # the sources of a package, each file held to go.sum
  local said status=0
  said="$(within_limit go list -deps "$1" 2>&1 >/dev/null)" || status=$?
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

build() { # v3 or v4: the directory of its go.mod, and the end of its module's name
  local module="helm.sh/helm/$1" version flags status=0
  version="$(sed -nE "s,^(require )?\s*$module (v[^ ]+).*,\2,p" "$1/go.mod")"
  if [ -x "$cache/$version/helm" ]; then
    say "$version is in $cache/$version already"
    return
  fi
  local minor
  minor="$(sed -nE 's,^\s*k8s.io/client-go v0\.([0-9]+)\..*,\1,p' "$1/go.mod")"
  flags="-s -w -X $module/internal/version.version=$version"
  for package in pkg/lint/rules pkg/chartutil; do # the cluster that Helm 3 assumes where it asks none; Helm 4 looks at its modules
    flags+=" -X $module/$package.k8sVersionMajor=1 -X $module/$package.k8sVersionMinor=$minor"
  done
  pushd "$1" >/dev/null
  fetch_modules "$module/cmd/helm"
  say "compiling $version"
  within_limit env CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$unfinished/helm" "$module/cmd/helm" || status=$?
  popd >/dev/null
  [ "$status" -ne 124 ] || do_without "$limit seconds were not enough; what is compiled so far is kept for the next run"
  [ "$status" -eq 0 ] || exit "$status"
  mkdir -p "$cache/$version"
  mv "$unfinished/helm" "$cache/$version/helm"
  say "$version is in $cache/$version after $SECONDS seconds"
}

command -v go >/dev/null || do_without 'there is no Go toolchain'
command -v flock >/dev/null || do_without 'there is no flock (util-linux)'
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --timeout "$limit" 9 || do_without "another run has been at it for $limit seconds"
rm -rf "$cache"/unfinished.* # of runs that were killed: whoever holds the lock is alone
unfinished="$(mktemp -d "$cache/unfinished.XXXXXX")"
trap 'rm -rf "$unfinished"' EXIT
build v4
build v3
