#!/usr/bin/env bash
# FHIR R4 over HTTP: Salus beside helios-hfs on SQLite. The first run builds helios-hfs, which takes
# an hour or two on two cores and 4 GB of memory; later runs use what was built.
set -euo pipefail

[ $# -ge 3 ] || { echo "usage: $0 SALUS LOAD BUNDLES.ndjson [SECONDS]   (see README.md)" >&2; exit 2; }
salus="$(realpath "$1")"
load="$(realpath "$2")"
bundles="$(realpath "$3")"
seconds="${4:-10}"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"

if [ ! -x "$home/hfs/bin/hfs" ]; then
    echo "building helios-hfs 0.2.7; this takes an hour or two"
    CARGO_TARGET_DIR="$home/hfs-target" nice cargo install helios-hfs --locked --version 0.2.7 --root "$home/hfs"
fi

# paths BASE [CURL OPTIONS]: reads of patients that are there, for the driver.
paths() {
    local base="$1"
    shift
    curl -fsS "$@" -H 'Accept: application/fhir+json' "$base/Patient?_count=100" |
        python3 -c 'import json, sys; [print("/Patient/" + e["resource"]["id"]) for e in json.load(sys.stdin)["entry"]]'
}

# measure NAME BASE TRUST...: transactions, then reads.
rows=()
measure() {
    local name="$1" base="$2" line
    shift 2
    line="$("$load" fhir "$base" 4 "$bundles" "$@")"
    rows+=("$name resources-written $(figure per_second <<<"$line") $(figure p50_ms <<<"$line") $(figure p99_ms <<<"$line") $(figure errors <<<"$line")")
    if [ $# -gt 0 ]; then
        paths "$base" --cacert "$1" -H "Authorization: Bearer $2" >"$work/$name.paths"
    else
        paths "$base" >"$work/$name.paths"
    fi
    line="$("$load" get "$base" 16 "$seconds" "$work/$name.paths" "$@")"
    rows+=("$name patients-read $(figure per_second <<<"$line") $(figure p50_ms <<<"$line") $(figure p99_ms <<<"$line") $(figure errors <<<"$line")")
}

port="$(free_port)"
mkdir -p "$work/hfs"
(
    cd "$work/hfs"
    export HFS_UI_ENABLED=false HFS_BASE_URL="http://127.0.0.1:$port" HFS_AUDIT_BACKEND=file
    export HFS_AUDIT_FILE_PATH="$work/hfs/audit.ndjson"
    exec "$home/hfs/bin/hfs" --host 127.0.0.1 --port "$port" --database-url fhir.db --data-dir data --log-level error
) >"$work/hfs.out" 2>&1 &
last=$!
running+=("$last")
for _ in $(seq 600); do
    curl -fsS "http://127.0.0.1:$port/metadata" >/dev/null 2>&1 && break
    kill -0 "$last" 2>/dev/null || { cat "$work/hfs.out" >&2; failed "helios-hfs ended"; }
    sleep 0.1
done
measure helios-hfs "http://127.0.0.1:$port"
stop_last

start salus "$salus" serve --format json --data "$work/data" --listen 127.0.0.1:0 --mllp 127.0.0.1:0
base="$(figure fhir <"$work/salus.out")"
token="$("$salus" client add bench --scope 'system/*.cruds' --data "$work/data" --format json | figure token)"
measure salus "$base" "$(find "$work/data" -name certificate.pem)" "$token"
stop_last

printf '%s\n' "${rows[@]}" | python3 -c '
import sys
rows = [line.split() for line in sys.stdin]
rate = {(name, what): float(per_second) for name, what, per_second, *_ in rows}
print("\nserver      what                per second   p50 ms   p99 ms  errors  Salus is")
for name, what, per_second, p50, p99, errors in rows:
    ratio = rate["salus", what] / float(per_second) if float(per_second) else 0
    times = "" if name == "salus" else f"{ratio:8.2f} x"
    print(f"{name:<12}{what:<20}{float(per_second):>10.0f}{float(p50):>9.2f}{float(p99):>9.2f}{errors:>8}{times:>10}")
'
