#!/usr/bin/env bash
# A CA, a certificate over gRPC with mTLS, OpenSSL's word for it, and the storage API behind such a certificate: everything below
# .quickstart/, nothing left running.
# Another place: QUICKSTART_DIRECTORY; other ports: CHANCERY_GRPC_PORT, CHANCERY_HTTP_PORT, CHANCERY_ENROLLMENT_PORT,
# CHANCERY_APISERVER_SECURE_PORT. Where one of them is taken, free ones are used.
set -euo pipefail
cd "$(dirname "$0")/.."

directory="${QUICKSTART_DIRECTORY:-.quickstart}"
server=''
apiserver=''

run() { # shows a command as you would type it, then its output
  printf '\n$ %s\n' "$*"
  "$@"
}

stop_servers() {
  for process in $apiserver $server; do
    kill -TERM "$process" 2>/dev/null || true
    wait "$process" || true
  done
  server=''
  apiserver=''
}

give_up() {
  echo "quickstart: $1" >&2
  for log in serve.log apiserver.log; do
    [ -s "$directory/$log" ] && sed "s/^/  $log: /" "$directory/$log" >&2
  done
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

wait_until_ready() { # process, its output, and how the last line begins that it writes once it listens everywhere
  for _ in $(seq 150); do
    kill -0 "$1" 2>/dev/null || give_up 'a server stopped by itself'
    if grep -q "^$3" "$2"; then return 0; fi
    sleep 0.2
  done
  give_up 'a server was not ready after 30 seconds'
}

if [ -e "$directory" ] && [ ! -e "$directory/serve.out" ]; then
  give_up "$directory exists and is not from a quickstart; name another with QUICKSTART_DIRECTORY"
fi
for program in openssl curl; do
  command -v "$program" >/dev/null || give_up "$program is missing; install it (Debian: apt install $program)"
done
trap stop_servers EXIT

rm -rf "$directory"
mkdir -m 700 "$directory"
directory="$(cd "$directory" && pwd)"
export CHANCERY_HOME="$directory"
read -r grpc_port http_port enrollment_port secure_port < <(
  choose_ports "${CHANCERY_GRPC_PORT:-8112}" "${CHANCERY_HTTP_PORT:-8111}" "${CHANCERY_ENROLLMENT_PORT:-8113}" \
    "${CHANCERY_APISERVER_SECURE_PORT:-8443}"
)
export CHANCERY_GRPC_PORT="$grpc_port" CHANCERY_HTTP_PORT="$http_port" CHANCERY_ENROLLMENT_PORT="$enrollment_port"
export CHANCERY_APISERVER_SECURE_PORT="$secure_port"
cd "$directory"

run ca-cli init

printf '\n$ ca-cli serve &\n'
ca-cli serve >serve.out 2>serve.log &
server=$!
wait_until_ready "$server" serve.out enrollment
cat serve.out

run ca-cli sign --cn web --dns web.example.com --ip 127.0.0.1 | tee sign.out
id="$(sed -n 's/^id: *//p' sign.out)"

printf '\n$ ca-cli fetch %s > fetched.pem\n' "$id"
ca-cli fetch "$id" >fetched.pem

run openssl verify -x509_strict -CAfile web/ca.crt -untrusted fetched.pem fetched.pem

run ca-cli list
run ca-cli revoke "$id" --reason superseded --yes
run ca-cli status

printf '\n$ ca-cli apiserver --authorization-skip-lookup &\n'
ca-cli apiserver --authorization-skip-lookup >apiserver.out 2>apiserver.log &
apiserver=$!
wait_until_ready "$apiserver" apiserver.out apiserver
cat apiserver.out

export CHANCERY_P12_PASSPHRASE=quickstart
printf '\n$ export CHANCERY_P12_PASSPHRASE=quickstart url=https://localhost:%s/apis/wardle.example.com/v1alpha1\n' "$secure_port"
url="https://localhost:$secure_port/apis/wardle.example.com/v1alpha1"
run ca-cli sign --cn development --org system:masters --p12 -o name 2>&1
run ca-cli sign --cn somebody --p12 -o name 2>&1
printf '{"metadata": {"name": "first"}, "spec": {"reference": "other"}}' >flunder.json

ask() { # asks as you would type it, prints the status and a line end
  printf '\n$ curl -sS -o answer.json -w %%{http_code} --cacert web/ca.crt %s\n' "$*" | sed "s,$url,\$url,"
  curl -sS -o answer.json -w '%{http_code}\n' --cacert web/ca.crt "$@"
}

masters=(--cert-type P12 --cert development/tls.p12:quickstart)
ask "${masters[@]}" -H Content-Type:application/json -d @flunder.json "$url/namespaces/default/flunders"
ask --cert-type P12 --cert somebody/tls.p12:quickstart "$url/flunders"
ask "$url/flunders"

stop_servers
printf '\nThe authority is stopped and stays in %s; to run it again:\n  CHANCERY_HOME=%s .venv/bin/ca-cli serve\n' "$directory" "$directory"
