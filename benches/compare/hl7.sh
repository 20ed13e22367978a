#!/usr/bin/env bash
# HL7 v2 over MLLP: Salus, which answers after the commit, beside two receivers that store nothing.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 SALUS LOAD [SECONDS [RUNS]]   (see README.md)" >&2; exit 2; }
salus="$(realpath "$1")"
load="$(realpath "$2")"
seconds="${3:-10}"
runs="${4:-3}"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"

if [ ! -d "$home/npm/node_modules/@medplum/hl7" ]; then
    echo "installing @medplum/hl7"
    npm install --silent --no-audit --no-fund --prefix "$home/npm" @medplum/hl7@4.5.2
fi
if [ ! -x "$home/venv/bin/python" ]; then
    echo "installing python-hl7"
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install -q --disable-pip-version-check hl7==0.4.5
fi

# measure NAME ADDRESS: figures at 1, 16 and 128 connections into the table.
measure() {
    local name="$1" address="$2" connections line
    for connections in 1 16 128; do
        line="$("$load" mllp "$address" "$connections" "$seconds")"
        printf '%s %s-connections %s %s %s %s\n' "$name" "$connections" "$(figure per_second <<<"$line")" \
            "$(figure p50_ms <<<"$line")" "$(figure p99_ms <<<"$line")" "$(figure errors <<<"$line")" >>"$work/rows"
    done
}

for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    port="$(free_port)"
    start medplum node "$here/medplum.mjs" "$home" "$port"
    measure medplum "127.0.0.1:$port"
    stop_last

    port="$(free_port)"
    start python-hl7 "$home/venv/bin/python" "$here/python_server.py" "$port"
    measure python-hl7 "127.0.0.1:$port"
    stop_last

    rm -rf "$work/data"
    start salus "$salus" serve --format json --data "$work/data" --listen 127.0.0.1:0 --mllp 127.0.0.1:0
    address="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["mllp"][0])' <"$work/salus.out")"
    measure salus "$address"
    stop_last
done

python3 "$here/table.py" <"$work/rows"
