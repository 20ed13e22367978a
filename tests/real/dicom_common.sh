# What the scripts that speak DICOM share; they source it with their arguments. It makes a folder that goes in the end, with
# all that was started, and begins and ends nothing by itself. Needs `SALUS` as the first argument.
salus="$(realpath "$1")"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
python="$home/venv/bin/python"
work="$(mktemp -d)"
server="" orthanc="" started=()

port() { python3 "$here/free_port.py"; }
failed() { echo "failed: $*" >&2; tail -n 20 "$work/said" >&2 || true; exit 1; }
# Ends one by its id, and waits for it.
end() { kill "$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; }
finish() {
    for one in "${started[@]}" $orthanc; do end "$one"; done
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
needs() { for tool in "$@"; do command -v "$tool" >/dev/null || failed "$tool is not there; run setup.sh"; done; }

# Until somebody listens there.
listens() { for _ in $(seq 100); do (echo >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && break; sleep 0.1; done; }

# serve COMMAND...: salus by `$work/salus.toml`, until it says that it is ready.
serve() {
    "$salus" "$@" --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
        >"$work/ready" 2>"$work/said" &
    server=$!
    says '[ -s "$work/ready" ]'
}
# Until that is true, while the server runs.
says() {
    for _ in $(seq 1200); do
        eval "$1" && return
        kill -0 "$server" 2>/dev/null || failed "the server ended"
        sleep 0.1
    done
    failed "not in time: $1"
}
ready() { python3 -c 'import json, sys; print(eval(sys.argv[2], {"r": json.loads(open(sys.argv[1]).readline())}))' "$work/ready" "$1"; }
# The server ends, and what it sealed is whole.
ends_whole() {
    end "$server"; server=""
    "$salus" --config "$work/salus.toml" verify >"$work/verified" || failed "$(cat "$work/verified")"
}

# uid NAME FILE
uid() { dcmdump +P "$1" -q "$2" | sed 's/.*\[\(.*\)\].*/\1/'; }

# dcmqrscp at $qr_port, which serves no C-GET and knows SALUS at $own_port; with the series of `$work/files/ct`.
qr_begin() {
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
    started+=($!)
    listens "$qr_port"
    storescu -aet STORE -aec QR 127.0.0.1 "$qr_port" "$work"/files/ct/*.dcm || failed "dcmqrscp took nothing: $(cat "$work/qr.log")"
}

# orthanc_begin MODALITIES: Orthanc at $orthanc_port and $http_port, which knows these.
orthanc_begin() {
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
orthanc_given() {
    curl -sf --data-binary "@$1" "http://127.0.0.1:$http_port/instances" || failed "Orthanc took no picture: $(tail -n 5 "$work/orthanc.log")"
}
