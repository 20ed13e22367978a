#!/usr/bin/env bash
# The audit trail against a real receiver: rsyslog with mutual TLS, stopped and started again while
# accesses go on. Every event must be in its file, none missing, each well-formed XML.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
server="" receiver=""
finish() {
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    [ -z "$receiver" ] || { kill -9 "$receiver"; wait "$receiver"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
rsyslogd="$(command -v rsyslogd || echo /usr/sbin/rsyslogd)"
[ -x "$rsyslogd" ] || { echo "failed: rsyslogd is not there; run setup.sh" >&2; exit 1; }

# An authority, the receiver's certificate, ours.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
for name in receiver client; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$work/$name.key" \
        -out "$work/$name.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
        >"$work/$name.ext"
    openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
        -CAcreateserial -days 2 -extfile "$work/$name.ext" -out "$work/$name.pem" 2>/dev/null
done
port="$(python3 "$(dirname "${BASH_SOURCE[0]}")/free_port.py")"
cat >"$work/rsyslog.conf" <<CONF
global(workDirectory="$work" maxMessageSize="256k"
    defaultNetstreamDriver="gtls"
    defaultNetstreamDriverCAFile="$work/ca.pem"
    defaultNetstreamDriverCertFile="$work/receiver.pem"
    defaultNetstreamDriverKeyFile="$work/receiver.key")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")
template(name="whole" type="string" string="%msg%\n")
input(type="imtcp" port="$port" address="127.0.0.1")
action(type="omfile" file="$work/received" template="whole" flushOnTXEnd="on")
CONF
start_receiver() {
    "$rsyslogd" -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid" >>"$work/rsyslog.log" 2>&1 &
    receiver=$!
}
stop_receiver() {
    kill -TERM "$receiver"
    wait "$receiver" 2>/dev/null || true
    receiver=""
}
start_receiver

cat >"$work/salus.toml" <<CONF
data = "$work/data"
[audit.export]
to = "tls://localhost:$port"
authorities = "$work/ca.pem"
certificate = "$work/client.pem"
key = "$work/client.key"
confirm_events = 20
retry_ms = 100
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; echo "failed: the server ended" >&2; exit 1; }
    sleep 0.1
done
fhir="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["fhir"])' "$work/ready")"
token="$("$salus" client add real --scope 'system/*.cruds' --config "$work/salus.toml" --format json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
export SALUS_FHIR="$fhir" SALUS_TOKEN="$token" SALUS_CA="$work/data/certificate.pem"
SALUS_CA="$(find "$work/data" -name certificate.pem)"
export SALUS_RECEIVED="$work/received"

python3 "$here/audit_check.py" work 60
stop_receiver
python3 "$here/audit_check.py" work 60
start_receiver
python3 "$here/audit_check.py" work 60
stop_receiver
start_receiver
python3 "$here/audit_check.py" arrived || { tail -n 20 "$work/said" "$work/rsyslog.log" >&2; exit 1; }
