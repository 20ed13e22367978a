#!/usr/bin/env bash
# rsyslog with mutual TLS as a sender of syslog: every line must be in the record, none missing, each
# readable, under the feed that its certificate is bound to.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
lines=2000
work="$(mktemp -d)"
server="" sender=""
finish() {
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    [ -z "$sender" ] || { kill -9 "$sender"; wait "$sender"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
rsyslogd="$(command -v rsyslogd || echo /usr/sbin/rsyslogd)"
[ -x "$rsyslogd" ] || { echo "failed: rsyslogd is not there; run setup.sh" >&2; exit 1; }

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
for name in salus sender; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$work/$name.key" \
        -out "$work/$name.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
        >"$work/$name.ext"
    openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
        -CAcreateserial -days 2 -extfile "$work/$name.ext" -out "$work/$name.pem" 2>/dev/null
done
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[signals]
batch_wait_ms = 50
batch_lines_max = 500
[signals.syslog.tls]
listen = ["127.0.0.1:0"]
certificate = "$work/salus.pem"
key = "$work/salus.key"
client_authorities = "$work/ca.pem"
[[signals.syslog.feed]]
name = "rsyslog"
subjects = ["sender"]
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; echo "failed: the server ended" >&2; exit 1; }
    sleep 0.1
done
port="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["syslog"][0].rsplit(":", 1)[1])' "$work/ready")"
for number in $(seq "$lines"); do echo "line $number of the sender"; done >"$work/input.log"
cat >"$work/rsyslog.conf" <<CONF
global(workDirectory="$work"
    defaultNetstreamDriverCAFile="$work/ca.pem"
    defaultNetstreamDriverCertFile="$work/sender.pem"
    defaultNetstreamDriverKeyFile="$work/sender.key")
module(load="imfile" mode="inotify")
input(type="imfile" file="$work/input.log" tag="real" freshStartTail="off")
action(type="omfwd" target="127.0.0.1" port="$port" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format"
    TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1"
    StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"
    queue.type="linkedList" action.resumeRetryCount="-1")
CONF
"$rsyslogd" -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid" >"$work/rsyslog.log" 2>&1 &
sender=$!
capture() {
    "$salus" capture --config "$work/salus.toml" --format json --feed rsyslog --last 100 \
        --reason 'the test counts lines' || true
}
for _ in $(seq 120); do
    capture >"$work/captured"
    found="$(grep -c ' real: ' "$work/captured" || true)"
    [ "$found" -ge "$lines" ] && break
    sleep 0.5
done
python3 - "$work/captured" "$lines" <<'CHECK'
import json, re, sys
messages = json.load(open(sys.argv[1]))["messages"]
wanted = int(sys.argv[2])
lines = [line for message in messages for line in message["lines"]]
assert not any("not understood" in line for line in lines), [l for l in lines if "not understood" in l][:3]
numbers = [int(found[1]) for line in lines if (found := re.search(r"line (\d+) of the sender", line))]
assert numbers == list(range(1, wanted + 1)), (len(numbers), numbers[:5], numbers[-5:])
print(f"ok {len(numbers)} lines of rsyslog over TLS in {len(messages)} entries, in their order")
CHECK
