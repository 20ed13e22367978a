#!/usr/bin/env bash
# Starts a fresh Salus on free ports, runs every script against it, and stops it; then the scripts
# that start one of their own.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# The people of these scripts have passwords only; people.py shows the other factors.
printf '[web]\nsecond_factor = "optional"\n' >"$work/salus.toml"
"$salus" --config "$work/salus.toml" serve --format json --data "$work/data" --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; echo "failed: the server ended" >&2; exit 1; }
    sleep 0.1
done
ready() {
    python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))[sys.argv[2]]
print(value[0] if isinstance(value, list) else value)' "$work/ready" "$1"
}
token="$("$salus" client add real --scope 'system/*.cruds' --data "$work/data" --format json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"

SALUS_FHIR="$(ready fhir)" SALUS_MLLP="$(ready mllp)" SALUS_TOKEN="$token" \
    SALUS_CA="$(find "$work/data" -name certificate.pem)" SALUS_DATA="$work/data" \
    SALUS_SETUP="$(ready setup)" SALUS_BINARY="$salus" "$here/run.sh" ||
    { tail -n 20 "$work/said" >&2; exit 1; }

kill -TERM "$server"
code=0
wait "$server" || code=$?
server=""
[ "$code" = 0 ] || { echo "failed: the server exited with $code after SIGTERM"; exit 1; }
echo "ok the server exited with 0 after SIGTERM"

"$here/audit.sh" "$salus"
"$here/signals.sh" "$salus"
"$here/atna.sh" "$salus"
"$here/routes.sh" "$salus"
"$here/dicom.sh" "$salus"
"$here/pull.sh" "$salus"
"$here/fetch_page.sh" "$salus"
"$here/subscriptions.sh" "$salus"
"$here/demo.sh" "$salus"
"$here/tls.sh" "$salus"
"$here/softhsm.sh" "$salus"
