#!/usr/bin/env bash
# FHIR Subscriptions with other people's programs (subscriptions.mjs), against a Salus of its own that
# lets notifications go to the receiver there.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

port="$(python3 -c 'import socket
one = socket.socket(); one.bind(("127.0.0.1", 0)); print(one.getsockname()[1])')"
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[web.subscriptions]
endpoints = ["http://127.0.0.1:$port/hook"]
retry_ms = 50
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; echo "failed: the server ended"; exit 1; }
    sleep 0.1
done
fhir="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["fhir"])' "$work/ready")"
token="$("$salus" client add real --scope 'system/*.cruds' --config "$work/salus.toml" --format json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
NODE_EXTRA_CA_CERTS="$(find "$work/data" -name certificate.pem)" SALUS_FHIR="$fhir" SALUS_TOKEN="$token" \
    timeout 120 node "$here/subscriptions.mjs" "$port" || { tail -n 20 "$work/said" >&2; exit 1; }
kill -TERM "$server"
wait "$server" || { echo "failed: the server exited with $?"; exit 1; }
server=""
