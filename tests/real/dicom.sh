#!/usr/bin/env bash
# dcmtk, pynetdicom and Orthanc as senders of images, in the clear on this machine and over mutual TLS:
# what they send must be in the record and on the chart, once; who is not bound to a feed is turned away.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
python="$home/venv/bin/python"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
server="" orthanc=""
finish() {
    [ -z "$orthanc" ] || { kill "$orthanc"; wait "$orthanc"; } 2>/dev/null || true
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
failed() { echo "failed: $*" >&2; cat "$work/said" >&2; exit 1; }
for tool in echoscu storescu dcmdump; do
    command -v "$tool" >/dev/null || failed "$tool is not there; run setup.sh"
done

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
for name in salus ct1 eve; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$work/$name.key" \
        -out "$work/$name.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
        >"$work/$name.ext"
    openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
        -CAcreateserial -days 2 -extfile "$work/$name.ext" -out "$work/$name.pem" 2>/dev/null
done
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[dicom]
listen = ["127.0.0.1:0"]
authority = "STELLA"
[dicom.tls]
listen = ["127.0.0.1:0"]
certificate = "$work/salus.pem"
key = "$work/salus.key"
client_authorities = "$work/ca.pem"
[[dicom.feed]]
name = "ct"
calling = ["CT1"]
subjects = ["ct1"]
[[dicom.feed]]
name = "tools"
calling = ["TOOL", "ORTHANC"]
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || failed "the server ended"
    sleep 0.1
done
ready() { python3 -c 'import json, sys; print(eval(sys.argv[2], {"r": json.load(open(sys.argv[1]))}))' "$work/ready" "$1"; }
plain="$(ready 'r["dicom"][0].rsplit(":", 1)[1]')"
secure="$(ready 'r["dicom"][1].rsplit(":", 1)[1]')"
fhir="$(ready 'r["fhir"]')"

# Pictures of the two patients, and some that lie.
"$python" "$here/dicom_files.py" "$work/files"

echoscu -aet TOOL -aec SALUS 127.0.0.1 "$plain" || failed "echoscu"
! echoscu -aet EVE -aec SALUS 127.0.0.1 "$plain" 2>"$work/why" || failed "a stranger was let in"
grep -q "Calling AE Title Not Recognized" "$work/why" || failed "$(cat "$work/why")"
! echoscu -aet CT1 -aec SALUS 127.0.0.1 "$plain" 2>/dev/null || failed "a title without its certificate was let in"
tls() { name="$1"; shift; "$@" +tls "$work/$name.key" "$work/$name.pem" +cf "$work/ca.pem"; }
tls ct1 echoscu -aet CT1 -aec SALUS 127.0.0.1 "$secure" || failed "echoscu over TLS"
! tls eve echoscu -aet CT1 -aec SALUS 127.0.0.1 "$secure" 2>/dev/null || failed "another certificate was let in"

# storescu: a series over TLS, the same once more, and then another picture under one of its UIDs.
tls ct1 storescu -aet CT1 -aec SALUS 127.0.0.1 "$secure" "$work"/files/ct/*.dcm || failed "storescu"
tls ct1 storescu -aet CT1 -aec SALUS 127.0.0.1 "$secure" "$work"/files/ct/*.dcm || failed "storescu again"
tls ct1 storescu -v -aet CT1 -aec SALUS 127.0.0.1 "$secure" "$work/files/other.dcm" >"$work/other" 2>&1 || true
grep -qi "0x0*111\|Duplicate SOP Instance\|DuplicateSOPInstance" "$work/other" || failed "$(cat "$work/other")"

# pynetdicom: every syntax it has files of, compressed ones as they are, and liars.
"$python" "$here/pynetdicom_sender.py" 127.0.0.1 "$plain" "$work/files" || failed "pynetdicom"

# Orthanc forwards what it has.
if command -v Orthanc >/dev/null; then
    port=$((20000 + RANDOM % 20000))
    cat >"$work/orthanc.json" <<CONF
{"Name": "test", "StorageDirectory": "$work/orthanc", "IndexDirectory": "$work/orthanc",
 "HttpPort": $port, "DicomPort": $((port + 1)), "DicomAet": "ORTHANC", "RemoteAccessAllowed": false,
 "Plugins": [], "DicomModalities": {"salus": ["SALUS", "127.0.0.1", $plain]}}
CONF
    Orthanc "$work/orthanc.json" >"$work/orthanc.log" 2>&1 &
    orthanc=$!
    for _ in $(seq 300); do curl -sf "http://127.0.0.1:$port/system" >/dev/null && break; sleep 0.1; done
    id="$(curl -sf --data-binary "@$work/files/orthanc.dcm" "http://127.0.0.1:$port/instances" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["ID"])')"
    curl -sf -d "$id" "http://127.0.0.1:$port/modalities/salus/store" >"$work/stored" || failed "Orthanc: $(tail -n 5 "$work/orthanc.log")"
fi

# On the chart, through FHIR.
token="$("$salus" --config "$work/salus.toml" --format json client add ris --scope 'system/ImagingStudy.rs' --scope 'system/Patient.rs' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
"$python" "$here/dicom_check.py" "$fhir" "$token" "$([ -n "$orthanc" ] && echo with || echo without)" || failed "the chart"
kill "$server"; wait "$server" || true; server=""
"$salus" --config "$work/salus.toml" verify >"$work/verified" || failed "$(cat "$work/verified")"
echo "ok echoscu and storescu (plain, TLS), pynetdicom$([ -n "$orthanc" ] && echo ", Orthanc")"
