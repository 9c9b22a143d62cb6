#!/usr/bin/env bash
# Fetches prometheus and promtool for the tests that let them judge alerts and dashboard: Debian's package, unpacked into the cache
# (or where CHANCERY_TEST_PROMETHEUS says) without installing it, so that no service starts. Nothing happens where they are there.
set -euo pipefail

place="${CHANCERY_TEST_PROMETHEUS:-${XDG_CACHE_HOME:-$HOME/.cache}/chancery/prometheus}"
[ -x "$place/prometheus" ] && [ -x "$place/promtool" ] && exit 0

for program in apt-get dpkg-deb; do
  command -v "$program" >/dev/null 2>&1 || { echo "no $program: put prometheus and promtool into $place" >&2; exit 1; }
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
timeout 120 apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb --extract prometheus_*.deb unpacked
mkdir -p "$place"
for program in prometheus promtool; do
  install -m 0755 "unpacked/usr/bin/$program" "$place/$program.new"
  mv "$place/$program.new" "$place/$program"
done
