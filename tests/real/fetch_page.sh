#!/usr/bin/env bash
# Images fetched from dcmqrscp by order of people at a page of the demo hospital, in headless Chromium (fetch_page.py).
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SALUS [FOLDER FOR PICTURES]" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/dicom_common.sh"
needs storescu dcmqrscp dcmdump
shots="${2:-$work}"

"$python" "$here/dicom_files.py" "$work/files"
qr_port="$(port)" slow_port="$(port)" own_port="$(port)"
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
[[dicom.destination]]
title = "SLOW"
host = "127.0.0.1"
port = $slow_port
feed = "archive"
CONF
# A PACS that takes connections and says nothing.
python3 -c 'import socket, sys; all = socket.create_server(("127.0.0.1", int(sys.argv[1]))); held = [all.accept() for _ in range(99)]' "$slow_port" &
started+=($!)
qr_begin
serve demo --speed 0
says 'grep -q "the hospital is open" "$work/said"'
study="$(uid StudyInstanceUID "$work/files/ct/0000.dcm")"
SALUS_READY="$(head -n 1 "$work/ready")" SALUS_SHOTS="$shots" PYTHONDONTWRITEBYTECODE=1 \
    timeout 300 python3 "$here/fetch_page.py" "$study" || failed "pages"
