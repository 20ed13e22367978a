#!/usr/bin/env bash
# Messages passed on to receivers of other people's: python-hl7 over TLS with client certificates,
# hl7apy, which closes after each answer, and @medplum/hl7 in enhanced mode. The receivers come up
# late, and one is ended and started again meanwhile. Each must get every message, each patient's in
# their order.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
python="$home/venv/bin/python"
work="$(mktemp -d)"
server="" receivers="" medplum=""
finish() {
    for one in "$server" "$receivers" "$medplum"; do
        [ -z "$one" ] || { kill -9 "$one"; wait "$one"; } 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
failed() {
    echo "failed routes: $1"
    tail -n 5 "$work/said" "$work/receivers.log" "$work/medplum.log" >&2 2>/dev/null || true
    exit 1
}

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
read -r tls plain node < <(python3 -c 'import socket
found = [socket.socket() for _ in range(3)]
for one in found: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in found])')
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[routes]
retry_ms = 50
retry_max_ms = 500
[[routes.route]]
name = "python-hl7"
to = "mllps://localhost:$tls"
authorities = "$work/ca.pem"
certificate = "$work/client.pem"
key = "$work/client.key"
[[routes.route]]
name = "hl7apy"
to = "mllp://127.0.0.1:$plain"
[[routes.route]]
name = "medplum"
to = "mllp://127.0.0.1:$node"
application_ack = true
changes = ['set MSH-15 to "AL"', 'set MSH-16 to "AL"']
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || failed "the server ended"
    sleep 0.1
done
mllp="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["mllp"][0])' "$work/ready")"

# How many each route has delivered.
taken() {
    "$salus" route list --config "$work/salus.toml" --format json | python3 -c 'import json, sys
found = {one["name"]: one for one in json.load(sys.stdin)}
print(*[found.get(name, {}).get("taken", -1) for name in ("python-hl7", "hl7apy", "medplum")])' || true
}
until_taken() {
    for _ in $(seq 600); do
        [ "$(taken)" = "$1" ] && return
        sleep 0.1
    done
    "$salus" route list --config "$work/salus.toml" >&2 || true
    failed "not delivered in time: $(taken), and not $1"
}
send() {
    python3 - "$mllp" "$1" "$2" <<'PY' || failed "salus did not take a message"
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
with socket.create_connection((host, int(port)), timeout=30) as link:
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        text = (f"MSH|^~\\&|LAB|GH|SALUS|GH|20260301101500+0000||ORU^R01^ORU_R01|R{number:03}|P|2.5\r"
                f"PID|1||P{number % 7}^^^GH^MR||Test^One||19500101|M\r"
                f"OBR|1||F{number}|2823-3^K^LN|||20260301101000+0000\r"
                "OBX|1|NM|2823-3^K^LN||4.1|mmol/L|||||F\r")
        link.sendall(b"\x0b" + text.encode() + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += link.recv(4096)
        assert b"MSA|AA" in answer, answer
PY
}
start_receivers() {
    "$python" "$here/receivers.py" "$work" "$tls" "$plain" >>"$work/receivers.log" 2>&1 &
    receivers=$!
}

until_taken "0 0 0"
send 0 40
start_receivers
SALUS_REAL_HOME="$home" node "$here/receiver.mjs" "$work" "$node" >"$work/medplum.log" 2>&1 &
medplum=$!
until_taken "40 40 40"
echo "ok what waited was delivered once the receivers were there"
kill -9 "$receivers"
wait "$receivers" 2>/dev/null || true
send 40 80
until_taken_medplum() {
    for _ in $(seq 600); do
        [ "$(taken | cut -d' ' -f3)" = "$1" ] && return
        sleep 0.1
    done
    failed "medplum was held up by the others"
}
until_taken_medplum 80
echo "ok one receiver that is away holds up no other"
start_receivers
until_taken "80 80 80"
python3 - "$work" <<'PY' || failed "not what was sent"
import pathlib, sys
for name in ("python-hl7", "hl7apy", "medplum"):
    lines = pathlib.Path(sys.argv[1], name).read_text().split("\n")[:-1]
    first = list(dict.fromkeys(lines))
    wanted = {f"R{number:03} P{number % 7}" for number in range(80)}
    assert set(first) == wanted, (name, wanted ^ set(first))
    for patient in range(7):
        own = [line for line in first if line.endswith(f" P{patient}")]
        assert own == sorted(own), (name, own)
    print(f"ok {name} has every message, each patient's in their order ({len(lines) - 80} came twice)")
PY
kill -TERM "$server"
wait "$server" || failed "the server exited with $?"
server=""
