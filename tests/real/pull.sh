#!/usr/bin/env bash
# Studies pulled from PACS that are somebody else's: Orthanc by C-GET and by C-MOVE, dcmqrscp of dcmtk by C-MOVE, which
# is chosen by itself where C-GET is not served. Everything is there once, and what is told is what came.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
python="$home/venv/bin/python"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
server="" orthanc="" qr=""
port() { python3 "$(dirname "${BASH_SOURCE[0]}")/free_port.py"; }
finish() {
    for one in "$qr" "$orthanc"; do [ -z "$one" ] || { kill "$one"; wait "$one"; } 2>/dev/null || true; done
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
failed() { echo "failed: $*" >&2; tail -n 20 "$work/said" >&2; exit 1; }
for tool in storescu dcmqrscp dcmdump; do
    command -v "$tool" >/dev/null || failed "$tool is not there; run setup.sh"
done

"$python" "$here/dicom_files.py" "$work/files"
qr_port="$(port)" orthanc_port="$(port)" http_port="$(port)" own_port="$(port)"
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[dicom]
listen = ["127.0.0.1:$own_port"]
authority = "STELLA"
answer_ms = 10000
move_still_ms = 20000
[[dicom.feed]]
name = "archive"
calling = ["QR", "ORTHANC"]
[[dicom.destination]]
title = "QR"
host = "127.0.0.1"
port = $qr_port
feed = "archive"
[[dicom.destination]]
title = "ORTHANC"
host = "127.0.0.1"
port = $orthanc_port
feed = "archive"
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || failed "the server ended"
    sleep 0.1
done

# Pulls; the counts must be those.
pulls() {
    from="$1" study="$2" by="$3" series="$4" there="$5" came="$6" lacking="$7"
    "$salus" --config "$work/salus.toml" --format json pull --from "$from" --study "$study" --by "$by" \
        --reason 'prior images of the other house' >"$work/pulled" 2>"$work/why" || true
    python3 - "$work/pulled" "$series" "$there" "$came" "$lacking" <<'PY' || failed "$from $by: $(cat "$work/pulled" "$work/why")"
import json, sys
told = json.load(open(sys.argv[1]))
wanted = [int(one) for one in sys.argv[2:]]
sys.exit([told["series"], told["there"], told["came"], len(told["lacking"])] != wanted)
PY
}
uid() { dcmdump +P "$1" -q "$2" | sed 's/.*\[\(.*\)\].*/\1/'; }
study="$(uid StudyInstanceUID "$work/files/ct/0000.dcm")"

# dcmqrscp, which serves no C-GET here: C-MOVE is chosen by itself.
mkdir "$work/qr"
cat >"$work/qr.cfg" <<CONF
NetworkTCPPort  = $qr_port
MaxPDUSize      = 16384
MaxAssociations = 16
HostTable BEGIN
salus = (SALUS, 127.0.0.1, $own_port)
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QR $work/qr RW (100, 1024mb) ANY
AETable END
CONF
dcmqrscp --disable-get -c "$work/qr.cfg" >"$work/qr.log" 2>&1 &
qr=$!
for _ in $(seq 100); do (echo >"/dev/tcp/127.0.0.1/$qr_port") 2>/dev/null && break; sleep 0.1; done
storescu -aet STORE -aec QR 127.0.0.1 "$qr_port" "$work"/files/ct/*.dcm || failed "dcmqrscp took nothing: $(cat "$work/qr.log")"
pulls QR "$study" auto 1 0 5 0
pulls QR "$study" auto 1 5 0 0

if command -v Orthanc >/dev/null; then
    # It knows where SALUS is in the second round alone.
    begin() {
        cat >"$work/orthanc.json" <<CONF
{"Name": "test", "StorageDirectory": "$work/orthanc", "IndexDirectory": "$work/orthanc",
 "HttpPort": $http_port, "DicomPort": $orthanc_port, "DicomCheckCalledAet": true, "DicomAlwaysAllowStore": true,
 "DicomAlwaysAllowFind": true, "DicomAlwaysAllowGet": true, "DicomAlwaysAllowMove": true, "DicomAet": "ORTHANC",
 "RemoteAccessAllowed": false, "Plugins": [], "DicomModalities": {$1}}
CONF
        Orthanc "$work/orthanc.json" >"$work/orthanc.log" 2>&1 &
        orthanc=$!
        for _ in $(seq 300); do curl -sf "http://127.0.0.1:$http_port/system" >/dev/null && break; sleep 0.1; done
    }
    give() {
        curl -sf --data-binary "@$1" "http://127.0.0.1:$http_port/instances" >"$work/stored" ||
            failed "Orthanc took no picture to be pulled"
    }
    begin ''
    give "$work/files/pull.dcm"
    pulls ORTHANC 2.25.501 move 1 0 0 1
    grep -q "it knows no\|was not sent" "$work/pulled" || failed "it is not told why: $(cat "$work/pulled")"
    kill "$orthanc"; wait "$orthanc" 2>/dev/null || true
    begin "\"salus\": [\"SALUS\", \"127.0.0.1\", $own_port]"
    pulls ORTHANC 2.25.501 move 1 0 1 0
    give "$work/files/orthanc.dcm"
    pulls ORTHANC "$(uid StudyInstanceUID "$work/files/orthanc.dcm")" get 1 0 1 0
fi
kill "$server"; wait "$server" || true; server=""
"$salus" --config "$work/salus.toml" verify >"$work/verified" || failed "$(cat "$work/verified")"
echo "ok pulled from dcmqrscp (C-MOVE)$([ -n "$orthanc" ] && echo ", Orthanc (C-GET, C-MOVE)")"
