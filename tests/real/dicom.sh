#!/usr/bin/env bash
# dcmtk, pynetdicom and Orthanc as senders of images, in the clear on this machine and over mutual TLS:
# what they send must be in the record and on the chart, once; who is not bound to a feed is turned away.
# Then they ask for it: C-FIND, C-GET, C-MOVE, each as far as the guard lets them.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/dicom_common.sh"
needs echoscu storescu findscu getscu movescu storescp dcmdump dcmcjpeg dcmdjpeg

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
taker_port="$(port)" store_port="$(port)" pacs_port="$(port)" orthanc_port="$(port)" http_port="$(port)"
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
[[dicom.feed]]
name = "viewer"
calling = ["VIEWER"]
classes = []
queries = ["system/ImagingStudy.rs", "system/Patient.rs"]
destinations = ["TAKER", "STORE"]
[[dicom.feed]]
name = "viewer-tls"
calling = ["SECURE"]
subjects = ["ct1"]
classes = []
queries = ["system/ImagingStudy.rs", "system/Patient.rs"]
[[dicom.feed]]
name = "blind"
calling = ["BLIND"]
queries = ["system/ImagingStudy.rs"]
[[dicom.destination]]
title = "TAKER"
host = "127.0.0.1"
port = $taker_port
[[dicom.destination]]
title = "STORE"
host = "localhost"
port = $store_port
tls = true
authorities = "$work/ca.pem"
certificate = "$work/salus.pem"
key = "$work/salus.key"
[[dicom.destination]]
title = "ORTHANC"
host = "127.0.0.1"
port = $orthanc_port
feed = "tools"
[[routes.route]]
name = "storescp"
to = "dicoms://localhost:$pacs_port"
called = "PACS"
feeds = ["ct"]
modalities = ["CT"]
authorities = "$work/ca.pem"
certificate = "$work/salus.pem"
key = "$work/salus.key"
[[routes.route]]
name = "orthanc"
to = "dicom://127.0.0.1:$orthanc_port"
called = "ORTHANC"
feeds = ["ct"]
CONF
serve serve
plain="$(ready 'r["dicom"][0].rsplit(":", 1)[1]')"
secure="$(ready 'r["dicom"][1].rsplit(":", 1)[1]')"
fhir="$(ready 'r["fhir"]')"

# A PACS to which what comes goes on.
mkdir "$work/pacs"
storescp -aet PACS -od "$work/pacs" +tls "$work/ct1.key" "$work/ct1.pem" +cf "$work/ca.pem" "$pacs_port" \
    >"$work/pacs.log" 2>&1 &
started+=($!)

# Pictures of the two patients, and some that lie.
"$python" "$here/dicom_files.py" "$work/files"

# What leaves without whose it is, pydicom reads.
"$python" "$here/dicom_deid_check.py" "$salus" || failed "de-identified files"

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

# They went on to storescp, each once; another picture under a UID did not.
for _ in $(seq 100); do [ "$(find "$work/pacs" -type f | wc -l)" = 5 ] && break; sleep 0.1; done
[ "$(find "$work/pacs" -type f | wc -l)" = 5 ] || failed "storescp got $(ls "$work/pacs"): $(cat "$work/pacs.log")"
sent="$(for one in "$work"/files/ct/*.dcm; do dcmdump +L +P PixelData "$one" | cksum; done | sort)"
came="$(for one in "$work"/pacs/*; do dcmdump +L +P PixelData "$one" | cksum; done | sort)"
[ "$sent" = "$came" ] || failed "what went on to storescp has other pixels"

# pynetdicom: every syntax it has files of, compressed ones as they are, and liars.
"$python" "$here/pynetdicom_sender.py" 127.0.0.1 "$plain" "$work/files" || failed "pynetdicom"

# Orthanc forwards what it has.
if command -v Orthanc >/dev/null; then
    orthanc_begin "\"salus\": [\"SALUS\", \"127.0.0.1\", $plain]"
    id="$(orthanc_given "$work/files/orthanc.dcm" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["ID"])')"
    curl -sf -d "$id" "http://127.0.0.1:$http_port/modalities/salus/store" >"$work/stored" || failed "Orthanc: $(tail -n 5 "$work/orthanc.log")"
    # What came while it was away waited, and goes on to it.
    count=0
    for _ in $(seq 300); do
        count="$(curl -sf "http://127.0.0.1:$http_port/instances" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')"
        [ "$count" -ge 6 ] && break
        sleep 0.1
    done
    [ "$count" -ge 6 ] || failed "Orthanc has $count instances: $("$salus" --config "$work/salus.toml" route list || true)"
    # What it has and is not here is pulled, once.
    orthanc_given "$work/files/pull.dcm" >"$work/stored"
    for wanted in 1 0; do
        "$salus" --config "$work/salus.toml" --format json pull --from ORTHANC --study 2.25.501 \
            --reason 'prior images of the other house' >"$work/pulled" 2>"$work/why" || failed "pull: $(cat "$work/why")"
        came="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["came"])' "$work/pulled")"
        [ "$came" = "$wanted" ] || failed "pulled $came of $wanted: $(cat "$work/pulled")"
    done
fi

# Asked for again: by pynetdicom at every level, and by dcmtk.
"$python" "$here/pynetdicom_asker.py" 127.0.0.1 "$plain" "$work/files" "$taker_port" || failed "pynetdicom asks"
study="$(uid StudyInstanceUID "$work/files/ct/0000.dcm")"
! findscu -S -aet TOOL -aec SALUS 127.0.0.1 "$plain" -k QueryRetrieveLevel=STUDY -k PatientID=4711 \
    >"$work/why" 2>&1 || failed "a feed without queries was answered"
tls ct1 findscu -v -S -aet SECURE -aec SALUS 127.0.0.1 "$secure" -k QueryRetrieveLevel=STUDY \
    -k 'PatientID=47*' -k StudyInstanceUID -k PatientName >"$work/found" 2>&1 || failed "findscu: $(cat "$work/found")"
grep -q "$study" "$work/found" || failed "findscu: $(cat "$work/found")"
# Under an issuer that the objects do not name: their patient has that number of it, and of no other.
for issuer in STELLA ELSEWHERE; do
    tls ct1 findscu -v -S -aet SECURE -aec SALUS 127.0.0.1 "$secure" -k QueryRetrieveLevel=STUDY -k PatientID=4711 \
        -k "IssuerOfPatientID=$issuer" -k StudyInstanceUID >"$work/found-$issuer" 2>&1 || failed "findscu: $(cat "$work/found-$issuer")"
done
grep -q "$study" "$work/found-STELLA" || failed "findscu by issuer: $(cat "$work/found-STELLA")"
! grep -q "$study" "$work/found-ELSEWHERE" || failed "findscu by another issuer: $(cat "$work/found-ELSEWHERE")"
mkdir "$work/got" "$work/moved"
# getscu and movescu of dcmtk speak no TLS; the destination does.
getscu -S -aet VIEWER -aec SALUS -od "$work/got" 127.0.0.1 "$plain" -k QueryRetrieveLevel=STUDY \
    -k StudyInstanceUID="$study" >"$work/why" 2>&1 || failed "getscu: $(cat "$work/why")"
[ "$(find "$work/got" -type f | wc -l)" = 5 ] || failed "getscu got $(ls "$work/got")"
storescp -aet STORE -od "$work/moved" +tls "$work/ct1.key" "$work/ct1.pem" +cf "$work/ca.pem" "$store_port" \
    >"$work/storescp" 2>&1 &
started+=($!)
listens "$store_port"
movescu -S -aet VIEWER -aec SALUS -aem STORE 127.0.0.1 "$plain" -k QueryRetrieveLevel=STUDY \
    -k StudyInstanceUID="$study" >"$work/why" 2>&1 || failed "movescu: $(cat "$work/why" "$work/storescp")"
[ "$(find "$work/moved" -type f | wc -l)" = 5 ] || failed "movescu: $(cat "$work/why" "$work/storescp")"
end "${started[-1]}"
! movescu -S -aet VIEWER -aec SALUS -aem NOBODY 127.0.0.1 "$plain" -k QueryRetrieveLevel=STUDY \
    -k StudyInstanceUID="$study" >"$work/why" 2>&1 || failed "moved to a destination that is not the feed's"

# On the chart, through FHIR.
token="$("$salus" --config "$work/salus.toml" --format json client add ris --scope 'system/ImagingStudy.rs' --scope 'system/Patient.rs' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
"$python" "$here/dicom_check.py" "$fhir" "$token" "$([ -n "$orthanc" ] && echo with || echo without)" || failed "the chart"
writer="$("$salus" --config "$work/salus.toml" --format json client add plugin --scope 'system/ImagingStudy.cu' --scope 'system/Patient.cu' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
"$python" "$here/dicomweb_check.py" "${fhir%/fhir}/dicomweb" "$token" "$work/files" "$writer" || failed "DICOMweb"
"$python" "$here/dicom_pictures.py" "${fhir%/fhir}/dicomweb" "$token" "$work" "$writer" || failed "pictures"
ends_whole
echo "ok de-identified files, echoscu, storescu, storescp (route over TLS), findscu (plain, TLS), getscu, movescu, pynetdicom, dicomweb-client$([ -n "$orthanc" ] && echo ", Orthanc")"
