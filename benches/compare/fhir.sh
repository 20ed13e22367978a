#!/usr/bin/env bash
# FHIR R4 over HTTP: Salus beside helios-hfs on SQLite. The first run builds helios-hfs, which takes
# half an hour to an hour on two cores; later runs use what was built. It is built
# for R4 and SQLite, without its own pages.
set -euo pipefail

[ $# -ge 3 ] || { echo "usage: $0 SALUS LOAD BUNDLES.ndjson [SECONDS [RUNS]]   (see README.md)" >&2; exit 2; }
salus="$(realpath "$1")"
load="$(realpath "$2")"
bundles="$(realpath "$3")"
seconds="${4:-10}"
runs="${5:-3}"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"

if [ ! -x "$home/hfs/bin/hfs" ]; then
    echo "building helios-hfs 0.2.7; this takes an hour or two"
    CARGO_TARGET_DIR="$home/hfs-target" nice cargo install helios-hfs --locked --version 0.2.7 \
        --no-default-features --features R4,sqlite --root "$home/hfs"
fi

# paths BASE [CURL OPTIONS]: reads of patients that are there, for the driver.
paths() {
    local base="$1"
    shift
    curl -fsS "$@" -H 'Accept: application/fhir+json' "$base/Patient?_count=100" |
        python3 -c 'import json, sys; [print("/Patient/" + e["resource"]["id"]) for e in json.load(sys.stdin)["entry"]]'
}

# spent: milliseconds of processor time that the server has taken until now.
spent() { awk -v ticks="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / ticks }' "/proc/$last/stat"; }

# row NAME WHAT COMMAND...: the driver's line into the table, with the server's processor time for each unit of it.
row() {
    local name="$1" what="$2" before line
    shift 2
    before="$(spent)"
    line="$("$@")"
    printf '%s %s %s %s %s %s %s\n' "$name" "$what" "$(figure per_second <<<"$line")" "$(figure p50_ms <<<"$line")" \
        "$(figure p99_ms <<<"$line")" "$(figure errors <<<"$line")" \
        "$(awk -v from="$before" -v to="$(spent)" -v units="$(figure units <<<"$line")" \
            'BEGIN { print units ? (to - from) / units : 0 }')" >>"$work/rows"
}

# measure NAME BASE TRUST...: transactions, then reads, then the mix of 60 % reads, 25 updates, 10 creates, 5 deletes.
measure() {
    local name="$1" base="$2"
    shift 2
    row "$name" resources-written "$load" fhir "$base" 4 "$bundles" "$@"
    if [ $# -gt 0 ]; then
        paths "$base" --cacert "$1" -H "Authorization: Bearer $2" >"$work/$name.paths"
    else
        paths "$base" >"$work/$name.paths"
    fi
    row "$name" patients-read "$load" get "$base" 16 "$seconds" "$work/$name.paths" "$@"
    row "$name" crud-mix "$load" mix "$base" 16 "$seconds" "$@"
}

# helios BASE-PORT RUN: started on an empty database. What each run wrote is left until the end: while a file system
# still remembers many files as just deleted, making new ones is slow.
helios() {
    local port="$1" data="$work/hfs-$2"
    mkdir -p "$data"
    (
        cd "$data"
        export HFS_BASE_URL="http://127.0.0.1:$port" HFS_AUDIT_BACKEND=file
        export HFS_AUDIT_FILE_PATH="$data/audit.ndjson"
        exec "$home/hfs/bin/hfs" --host 127.0.0.1 --port "$port" --database-url fhir.db --data-dir data --log-level error
    ) >"$work/hfs.out" 2>&1 &
    last=$!
    running+=("$last")
    for _ in $(seq 600); do
        curl -fsS "http://127.0.0.1:$port/metadata" >/dev/null 2>&1 && return
        kill -0 "$last" 2>/dev/null || { cat "$work/hfs.out" >&2; failed "helios-hfs ended"; }
        sleep 0.1
    done
    failed "helios-hfs did not begin"
}

for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    port="$(free_port)"
    helios "$port" "$run"
    measure helios-hfs "http://127.0.0.1:$port"
    stop_last

    data="$work/salus-$run"
    printf '[web]\nrequests_per_source_max = 0\nrequests_per_client_max = 0\n' >"$work/salus.toml"
    start salus "$salus" --config "$work/salus.toml" serve --format json --data "$data" --listen 127.0.0.1:0 --mllp 127.0.0.1:0
    base="$(figure fhir <"$work/salus.out")"
    token="$("$salus" client add bench --scope 'system/*.cruds' --data "$data" --format json | figure token)"
    measure salus "$base" "$(find "$data" -name certificate.pem)" "$token"
    stop_last
done

python3 "$here/table.py" <"$work/rows"
