#!/usr/bin/env bash
# openssl s_client against a running server: which versions are spoken, and a new certificate while
# an old connection goes on.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
work="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
failed() {
    echo "failed tls: $1"
    exit 1
}
pair() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -subj "/CN=$2" -addext "subjectAltName=DNS:localhost" \
        -keyout "$1.key" -out "$1.pem" 2>/dev/null
}
# A sender's authority, and the same server certificate for HTTPS and MLLP.
pair "$work/sender" "sender"
pair "$work/server" "first"
cat >"$work/salus.toml" <<EOF
data = "$work/data"
[https]
listen = "127.0.0.1:0"
certificate = "$work/server.pem"
key = "$work/server.key"
[mllp]
listen = []
[mllp.tls]
listen = ["127.0.0.1:0"]
certificate = "$work/server.pem"
key = "$work/server.key"
client_authorities = "$work/sender.pem"
EOF
"$salus" serve --config "$work/salus.toml" --format json >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; failed "the server ended"; }
    sleep 0.1
done
ready() {
    python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))[sys.argv[2]]
print(value[0] if isinstance(value, list) else value)' "$work/ready" "$1"
}
https="$(ready url)"
https="${https#https://}"
mllp="$(ready mllp)"
client() {
    local address="$1"
    shift
    timeout 20 openssl s_client -connect "$address" -servername localhost "$@" \
        -cert "$work/sender.pem" -key "$work/sender.key" </dev/null 2>&1 || true
}

for door in "HTTPS $https" "MLLP $mllp"; do
    name="${door% *}"
    address="${door#* }"
    client "$address" -tls1_3 | grep -q "TLSv1.3, Cipher is TLS_" || failed "$name: 1.3 is not spoken"
    client "$address" -tls1_2 | grep -q "TLSv1.2, Cipher is ECDHE" || failed "$name: 1.2 is not spoken"
    client "$address" | grep -q "TLSv1.3, Cipher is" || failed "$name: 1.3 is not preferred"
    # SECLEVEL=0: openssl itself would refuse to offer 1.1 otherwise.
    said="$(client "$address" -tls1_1 -cipher 'DEFAULT:@SECLEVEL=0')"
    if grep -q "Cipher is [A-Z]*-" <<<"$said" || ! grep -qE "alert|protocol version|Cipher is \(NONE\)" <<<"$said"; then
        failed "$name: 1.1: $said"
    fi
    for weak in AES128-SHA AES256-GCM-SHA384 ECDHE-ECDSA-AES128-SHA; do
        client "$address" -tls1_2 -cipher "$weak:@SECLEVEL=0" | grep -q "Cipher is (NONE)" ||
            failed "$name: $weak is taken"
    done
    echo "ok openssl $name: 1.3 preferred, 1.2 taken, 1.1 and weak ciphers refused"
done

# An old connection, kept open through the renewal.
mkfifo "$work/in"
openssl s_client -connect "$https" -servername localhost -quiet <"$work/in" >"$work/old" 2>/dev/null &
old=$!
exec 9>"$work/in"
asked=$'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
printf '%s' "$asked" >&9
alive() {
    for _ in $(seq 200); do
        [ "$(grep -c alive "$work/old")" -ge "$1" ] && return
        sleep 0.1
    done
    failed "the old connection does not answer"
}
alive 1
subject() {
    openssl s_client -connect "$1" -servername localhost -cert "$work/sender.pem" \
        -key "$work/sender.key" </dev/null 2>/dev/null | openssl x509 -noout -subject
}
served() {
    for _ in $(seq 200); do
        subject "$1" | grep -q "$2" && return
        sleep 0.1
    done
    failed "$1 does not serve $2"
}
said() {
    for _ in $(seq 200); do
        grep -q "$1" "$work/said" && return
        sleep 0.1
    done
    failed "it does not say '$1'"
}
echo broken >"$work/server.pem"
kill -HUP "$server"
said "HTTPS: the new certificate cannot be used; the old one goes on"
said "MLLP: the new certificate cannot be used; the old one goes on"
served "$https" first
served "$mllp" first
echo "ok openssl: a broken certificate leaves the old one"
pair "$work/server" "second"
kill -HUP "$server"
served "$https" second
served "$mllp" second
printf '%s' "$asked" >&9
alive 2
echo "ok openssl: a new certificate is served, and the old connection goes on"
pair "$work/server" "third"
served "$https" third
echo "ok openssl: a new certificate is noticed without a signal"
exec 9>&-
kill "$old" 2>/dev/null || true
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=""
[ "$code" = 0 ] || failed "the server exited with $code"
