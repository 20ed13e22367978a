#!/usr/bin/env bash
# The demo hospital's resources in somebody else's models (fhir_resources.py), against a demo of its own.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
work="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

"$salus" demo --speed 0 --data "$work/data" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 1200); do
    grep -q 'the hospital is open' "$work/said" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; echo "failed: the server ended"; exit 1; }
    sleep 0.1
done
fhir="$(python3 -c 'import json, sys; print(json.loads(open(sys.argv[1]).readline())["url"] + "/fhir")' "$work/ready")"
token="$("$salus" client add real --scope 'system/*.rs' --data "$work/data" --format json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
SALUS_CA="$(find "$work/data" -name certificate.pem)" SALUS_FHIR="$fhir" SALUS_TOKEN="$token" \
    PYTHONDONTWRITEBYTECODE=1 timeout 200 "$home/venv/bin/python" "$here/fhir_resources.py" 8 ||
    { tail -n 20 "$work/said" >&2; exit 1; }
kill -TERM "$server"
wait "$server" || { echo "failed: the server exited with $?"; exit 1; }
server=""
