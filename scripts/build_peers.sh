#!/usr/bin/env bash
# Builds the certificate authorities from which docs/migrate.md leads away, for its tests: step-ca with step, and cfssl, from the Go
# modules that tests/servers/peers/*/go.mod name, into the cache directory where the tests look for them.
# - Three minutes on two cores; nothing where it is done already. What was compiled before the time was up is kept by Go.
# - Programs appear when they are whole. Two runs at once build once.
# - Without Go, its modules or enough time it says so and succeeds: the tests that need them skip.
# Another limit than 15 minutes: BUILD_PEERS_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/../tests/servers/peers"

limit="${BUILD_PEERS_SECONDS:-900}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/chancery/peers"
unfinished=''

say() {
  echo "build_peers: $*"
}

do_without() {
  say "$1; the tests that need them will skip"
  exit 0
}

within_limit() { # runs a command for as long as is left; 124 says that it was not long enough
  local left=$((limit - SECONDS))
  [ "$left" -gt 0 ] || return 124
  timeout --foreground --kill-after=10 "$left" nice -n 10 "$@"
}

build() { # the directory of a go.mod: all that it calls a tool
  local name="$1" sum said status=0
  sum="$(sha256sum "$name/go.mod" | cut -c1-16)"
  if [ -d "$cache/$name-$sum" ]; then
    say "$name is in $cache/$name-$sum already"
    return
  fi
  say "compiling $name"
  mkdir "$unfinished/$name"
  said="$(cd "$name" && within_limit env CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$unfinished/$name/" tool 2>&1)" || status=$?
  case "$status:$said" in
    0:*) mv "$unfinished/$name" "$cache/$name-$sum" ;;
    124:*) do_without "$limit seconds were not enough; what is compiled so far is kept for the next run" ;;
    *'SECURITY ERROR'* | *'checksum mismatch'* | *'go.sum'*)
      echo "$said" >&2
      exit 1
      ;;
    *) do_without "$name cannot be built ($(tail -n 1 <<<"$said"))" ;;
  esac
  say "$name is in $cache/$name-$sum after $SECONDS seconds"
}

command -v go >/dev/null || do_without 'there is no Go toolchain'
command -v flock >/dev/null || do_without 'there is no flock (util-linux)'
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --timeout "$limit" 9 || do_without "another run has been at it for $limit seconds"
rm -rf "$cache"/unfinished.* # of runs that were killed: whoever holds the lock is alone
unfinished="$(mktemp -d "$cache/unfinished.XXXXXX")"
trap 'rm -rf "$unfinished"' EXIT
build cfssl
build step
