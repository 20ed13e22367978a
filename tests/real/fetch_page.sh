#!/usr/bin/env bash
# Images fetched from dcmqrscp by order of people at a page of the demo hospital, in headless Chromium (fetch_page.py).
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SALUS [FOLDER FOR PICTURES]" >&2; exit 2; }
salus="$(realpath "$1")"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
python="$home/venv/bin/python"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
shots="${2:-$work}"
server="" qr=""
port() { python3 "$(dirname "${BASH_SOURCE[0]}")/free_port.py"; }
finish() {
    [ -z "$qr" ] || { kill "$qr"; wait "$qr"; } 2>/dev/null || true
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
failed() { echo "failed: $*" >&2; tail -n 20 "$work/said" >&2; exit 1; }

"$python" "$here/dicom_files.py" "$work/files"
qr_port="$(port)" own_port="$(port)"
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[dicom]
listen = ["127.0.0.1:$own_port"]
authority = "STSALUS"
answer_ms = 10000
[[dicom.feed]]
name = "archive"
calling = ["QR"]
[[dicom.destination]]
title = "QR"
host = "127.0.0.1"
port = $qr_port
feed = "archive"
CONF
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
storescu -aet STORE -aec QR 127.0.0.1 "$qr_port" "$work"/files/ct/*.dcm || failed "dcmqrscp took nothing"
"$salus" demo --speed 0 --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 1200); do
    grep -q 'the hospital is open' "$work/said" && break
    kill -0 "$server" 2>/dev/null || failed "the server ended"
    sleep 0.1
done
study="$(dcmdump +P StudyInstanceUID -q "$work/files/ct/0000.dcm" | sed 's/.*\[\(.*\)\].*/\1/')"
SALUS_READY="$(head -n 1 "$work/ready")" SALUS_SHOTS="$shots" PYTHONDONTWRITEBYTECODE=1 \
    timeout 300 python3 "$here/fetch_page.py" "$study" || failed "pages"
