#!/usr/bin/env bash
# Builds the fuzz targets with the stable compiler and lets one of them look for inputs that break
# something.
#
#   fuzz/run.sh TARGET [SECONDS]     one target for SECONDS (60 unless told)
#   fuzz/run.sh --minimize TARGET    keeps of what was found the least that covers as much, in fuzz/corpus
#   fuzz/run.sh --replay             every target over its kept corpus, once
#
# Begins with fuzz/corpus/TARGET, the demo's messages and, where it is at hand, ../shared/data. What it finds is
# under $SALUS_FUZZ (~/.cache/salus/fuzz): found/TARGET, and crash-* or timeout-* if something broke; then it exits with 1.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${SALUS_FUZZ:-$HOME/.cache/salus/fuzz}"
targets=(hl7 mllp fhir mask syslog rule audit dicom picture multipart)
# What a build knows of the code that ran, as libFuzzer reads it; overflow checks and debug assertions as in a test.
cover="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks --cfg fuzzing"

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }

built() {
    local host
    host="$(rustc -vV | sed -n 's/^host: //p')"
    # A target of its own keeps the flags from build scripts and macros, which run without the fuzzer.
    RUSTFLAGS="$cover" cargo build --quiet --release --target "$host" --manifest-path "$here/Cargo.toml" \
        --target-dir "$out/build" --bin "$1"
    echo "$out/build/$host/release/$1"
}

# The folders that a target begins with.
seeds() {
    local data="$here/../../shared/data" folder
    local -a folders=("$here/corpus/$1")
    case "$1" in
        hl7 | mllp | rule) folders+=("$data/hl7" "$here/../demo/hl7") ;;
        fhir) folders+=("$data/fhir") ;;
        dicom | picture) folders+=("$data/dicom") ;;
        mask) folders+=("$data/deid") ;;
        syslog) folders+=("$data/watch") ;;
    esac
    for folder in "${folders[@]}"; do
        [ ! -d "$folder" ] || echo "$folder"
    done
}

known() { printf '%s\n' "${targets[@]}" | grep -qx -- "${1:-}" || usage; }

case "${1:-}" in
    --replay)
        for target in "${targets[@]}"; do
            [ -d "$here/corpus/$target" ] || continue
            program="$(built "$target")"
            "$program" -runs=0 -timeout=10 "$here/corpus/$target" >"$out/$target.replay" 2>&1 ||
                { tail -n 20 "$out/$target.replay" >&2; exit 1; }
            echo "$target: $(find "$here/corpus/$target" -type f | wc -l) inputs, nothing found"
        done
        ;;
    --minimize)
        known "${2:-}"
        [ "$2" != mask ] || { echo "mask: its inputs come from texts that are not ours; none is kept" >&2; exit 2; }
        program="$(built "$2")"
        fewer="$(mktemp -d)"
        mkdir -p "$here/corpus/$2"
        "$program" -merge=1 -use_counters=0 -max_len=4096 -timeout=10 "$fewer" "$out/found/$2" "$here/corpus/$2" >/dev/null 2>&1
        rm -rf "${here:?}/corpus/$2"
        mv "$fewer" "$here/corpus/$2"
        echo "$2: $(find "$here/corpus/$2" -type f | wc -l) inputs kept"
        ;;
    "" | -*) usage ;;
    *)
        known "$1"
        program="$(built "$1")"
        mkdir -p "$out/found/$1"
        mapfile -t from < <(seeds "$1")
        "$program" -max_total_time="${2:-60}" -timeout=60 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
            -artifact_prefix="$out/$1-" "$out/found/$1" "${from[@]}"
        ;;
esac
