#!/usr/bin/env bash
# A ward pack of the demo hospital in headless Chromium, from file:// with the network off, Salus gone:
# milliseconds from the click on "open" until the charts are there, its size, its patients.
# The tests' browser must be installed: tests/real/setup.sh.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SALUS [RUNS]" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"
python="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}/venv/bin/python"
drive="$here/../../tests/real/pack.py"

mkdir "$work/packs" "$work/shots"
printf '[[packs]]\nward = "*"\nfolders = ["%s/packs"]\nevery_ms = 1000\n' "$work" >"$work/salus.toml"
start demo "$salus" --config "$work/salus.toml" demo --speed 0 --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    --data "$work/data" --format json
export SALUS_SHOTS="$work/shots" SALUS_READY
SALUS_READY="$(head -n 1 "$work/demo.out")"
until grep -q "the hospital is open" "$work/demo.out" "$work/demo.err"; do
    kill -0 "$last" 2>/dev/null || failed "the demo ended"
    sleep 0.2
done
"$python" "$drive" card "$work/packs" >&2
stop_last
for _ in $(seq "${2:-5}"); do
    "$python" "$drive" open "$work/packs" | grep "opened from file"
done
