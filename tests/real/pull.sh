#!/usr/bin/env bash
# Studies pulled from PACS that are somebody else's: Orthanc by C-GET and by C-MOVE, dcmqrscp of dcmtk by C-MOVE, which
# is chosen by itself where C-GET is not served, and pynetdicom, which sends for others too. Everything is there once,
# and what is told is what came.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/dicom_common.sh"
needs storescu dcmqrscp dcmdump

"$python" "$here/dicom_files.py" "$work/files"
qr_port="$(port)" orthanc_port="$(port)" http_port="$(port)" mover_port="$(port)" own_port="$(port)"
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[dicom]
listen = ["127.0.0.1:$own_port"]
authority = "STELLA"
answer_ms = 10000
move_still_ms = 20000
[[dicom.feed]]
name = "archive"
calling = ["QR", "ORTHANC", "MOVER"]
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
[[dicom.destination]]
title = "MOVER"
host = "127.0.0.1"
port = $mover_port
feed = "archive"
CONF
serve serve

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
study="$(uid StudyInstanceUID "$work/files/ct/0000.dcm")"

# dcmqrscp, which serves no C-GET here: C-MOVE is chosen by itself.
qr_begin
pulls QR "$study" auto 1 0 5 0
pulls QR "$study" auto 1 5 0 0

if command -v Orthanc >/dev/null; then
    # It knows where SALUS is in the second round alone.
    orthanc_begin ''
    orthanc_given "$work/files/pull.dcm" >"$work/stored"
    pulls ORTHANC 2.25.501 move 1 0 0 1
    grep -q "it knows no\|was not sent" "$work/pulled" || failed "it is not told why: $(cat "$work/pulled")"
    end "$orthanc"
    orthanc_begin "\"salus\": [\"SALUS\", \"127.0.0.1\", $own_port]"
    pulls ORTHANC 2.25.501 move 1 0 1 0
    orthanc_given "$work/files/orthanc.dcm" >"$work/stored"
    pulls ORTHANC "$(uid StudyInstanceUID "$work/files/orthanc.dcm")" get 1 0 1 0
fi

# pynetdicom, which says for which C-MOVE it sends: what it sends for another's is its own and is taken, so that the UID
# is there when the object that was asked for comes; the other object came.
"$python" "$here/pynetdicom_mover.py" "$mover_port" "$own_port" >"$work/moved" 2>&1 &
started+=($!)
listens "$mover_port"
pulls MOVER 2.25.700 auto 1 0 1 1
[ "$(cat "$work/moved")" = 0000 ] || failed "what is another's was refused: $(cat "$work/moved")"

ends_whole
echo "ok pulled from dcmqrscp (C-MOVE), pynetdicom (C-MOVE)$([ -n "$orthanc" ] && echo ", Orthanc (C-GET, C-MOVE)")"
