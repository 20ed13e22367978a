#!/usr/bin/env bash
# A server that speaks S3 (moto), for tests, on 127.0.0.1. Says "ready PORT", lives until its
# standard input ends, keeps everything in memory.
set -euo pipefail

home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
[ -x "$home/venv/bin/moto_server" ] || { echo "moto is not installed: run ./test" >&2; exit 1; }
port="$(python3 "$(dirname "${BASH_SOURCE[0]}")/free_port.py")"
"$home/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >/dev/null 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until curl -s -o /dev/null "http://127.0.0.1:$port/moto-api/"; do
    kill -0 "$server" 2>/dev/null || { echo "moto did not start" >&2; exit 1; }
    sleep 0.2
done
echo "ready $port"
cat >/dev/null
