#!/usr/bin/env bash
# A CA, a certificate over gRPC with mTLS, and OpenSSL's word for it: everything below .quickstart/, nothing left running.
# Another place: QUICKSTART_DIRECTORY; other ports: CHANCERY_GRPC_PORT, CHANCERY_HTTP_PORT, CHANCERY_ENROLLMENT_PORT. Where one of
# them is taken, free ones are used.
set -euo pipefail
cd "$(dirname "$0")/.."

directory="${QUICKSTART_DIRECTORY:-.quickstart}"
server=''

run() { # shows a command as you would type it, then its output
  printf '\n$ %s\n' "$*"
  "$@"
}

stop_server() {
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
  server=''
}

give_up() {
  echo "quickstart: $1" >&2
  [ -s "$directory/serve.log" ] && sed 's/^/  serve.log: /' "$directory/serve.log" >&2
  exit 1
}

choose_ports() { # those given, or free ones where somebody listens already
  python - "$@" <<'PYTHON'
import socket
import sys

ports = [int(port) for port in sys.argv[1:]]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


if not all(map(is_free, ports)):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in ports]
    ports = [probe.getsockname()[1] for probe in probes]
print(*ports)
PYTHON
}

wait_until_ready() {
  for _ in $(seq 150); do
    kill -0 "$server" 2>/dev/null || give_up 'the server stopped by itself'
    if grep -q '^enrollment' serve.out; then return 0; fi # its last line, written once it listens everywhere
    sleep 0.2
  done
  give_up 'the server was not ready after 30 seconds'
}

if [ -e "$directory" ] && [ ! -e "$directory/serve.out" ]; then
  give_up "$directory exists and is not from a quickstart; name another with QUICKSTART_DIRECTORY"
fi
command -v openssl >/dev/null || give_up 'openssl is missing; install it (Debian: apt install openssl)'
trap stop_server EXIT

rm -rf "$directory"
mkdir -m 700 "$directory"
directory="$(cd "$directory" && pwd)"
export CHANCERY_HOME="$directory"
read -r grpc_port http_port enrollment_port < <(
  choose_ports "${CHANCERY_GRPC_PORT:-8112}" "${CHANCERY_HTTP_PORT:-8111}" "${CHANCERY_ENROLLMENT_PORT:-8113}"
)
export CHANCERY_GRPC_PORT="$grpc_port" CHANCERY_HTTP_PORT="$http_port" CHANCERY_ENROLLMENT_PORT="$enrollment_port"
cd "$directory"

run ca-cli init

printf '\n$ ca-cli serve &\n'
ca-cli serve >serve.out 2>serve.log &
server=$!
wait_until_ready
cat serve.out

run ca-cli sign --cn web --dns web.example.com --ip 127.0.0.1 | tee sign.out
id="$(sed -n 's/^id: *//p' sign.out)"

printf '\n$ ca-cli fetch %s > fetched.pem\n' "$id"
ca-cli fetch "$id" >fetched.pem

run openssl verify -x509_strict -CAfile web/ca.crt -untrusted fetched.pem fetched.pem
run openssl x509 -in fetched.pem -noout -issuer -subject -ext subjectAltName,extendedKeyUsage

run ca-cli list
run ca-cli revoke "$id" --reason superseded --yes
run ca-cli status

stop_server
printf '\nThe authority is stopped and stays in %s; to run it again:\n  CHANCERY_HOME=%s .venv/bin/ca-cli serve\n' "$directory" "$directory"
