#!/usr/bin/env bash
# C-STORE of CT slices over one association by dcmtk's storescu as it is: Salus, which answers after the
# commit, beside Orthanc (Debian).
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SALUS [SLICES [RUNS]]   (see README.md)" >&2; exit 2; }
salus="$(realpath "$1")"
slices="${2:-300}"
runs="${3:-3}"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"
command -v storescu >/dev/null && command -v Orthanc >/dev/null || failed "install dcmtk and orthanc"
if [ ! -x "$home/dicom/bin/python" ]; then
    echo "installing pydicom"
    python3 -m venv "$home/dicom"
    "$home/dicom/bin/pip" install -q --disable-pip-version-check pydicom==3.0.1 numpy
fi
"$home/dicom/bin/python" "$here/../../tests/real/dicom_files.py" "$work/files" "$slices"

# measure NAME TITLE PORT: seconds and slices a second.
measure() {
    local begin end
    begin="$(date +%s.%N)"
    storescu -aet TOOL -aec "$2" 127.0.0.1 "$3" +sd "$work/files/ct" >"$work/said" 2>&1 || failed "$(cat "$work/said")"
    end="$(date +%s.%N)"
    python3 -c 'import sys; t = float(sys.argv[3]) - float(sys.argv[2]); print(f"{sys.argv[1]}: {t:.2f} s, {int(sys.argv[4]) / t:.0f} slices a second")' \
        "$1" "$begin" "$end" "$slices"
}

for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    rm -rf "$work/data" "$work/orthanc"
    cat >"$work/salus.toml" <<CONF
data = "$work/data"
[dicom]
listen = ["127.0.0.1:0"]
[[dicom.feed]]
name = "tool"
calling = ["TOOL"]
CONF
    start salus "$salus" serve --format json --config "$work/salus.toml" --listen 127.0.0.1:0 --mllp 127.0.0.1:0
    port="$(python3 -c 'import json, sys; print(json.load(sys.stdin)["dicom"][0].rsplit(":", 1)[1])' <"$work/salus.out")"
    measure salus SALUS "$port"
    stop_last

    port="$(free_port)"
    http="$(free_port)"
    cat >"$work/orthanc.json" <<CONF
{"StorageDirectory": "$work/orthanc", "IndexDirectory": "$work/orthanc", "HttpPort": $http, "DicomPort": $port,
 "DicomAet": "ORTHANC", "RemoteAccessAllowed": false, "Plugins": []}
CONF
    Orthanc "$work/orthanc.json" >"$work/orthanc.out" 2>&1 &
    running+=($!)
    last=$!
    until curl -sf "http://127.0.0.1:$http/system" >/dev/null; do sleep 0.1; done
    measure orthanc ORTHANC "$port"
    stop_last
done
