#!/usr/bin/env bash
# A private PostgreSQL cluster for tests: by a Unix socket in its folder and, with TLS alone, on
# 127.0.0.1. Says "ready FOLDER PORT", lives until its standard input ends, leaves nothing behind.
set -euo pipefail

bin="$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)"
[ -n "$bin" ] || { echo "postgresql is not installed: run ./test" >&2; exit 1; }
work="$(mktemp -d /tmp/salus-pg.XXXXXX)"
as=()
if [ "$(id -u)" = 0 ]; then
    # The server refuses to run as root.
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
    chown postgres "$work"
fi
ended() {
    "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap ended EXIT
port="$(python3 "$(dirname "${BASH_SOURCE[0]}")/free_port.py")"

"${as[@]}" "$bin/initdb" -D "$work/data" -U salus -A trust -E UTF8 --no-sync >"$work/initdb.log" 2>&1 ||
    { cat "$work/initdb.log" >&2; exit 1; }
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$work/server.key" -out "$work/server.csr" 2>/dev/null
openssl x509 -req -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$work/server.pem" 2>/dev/null
chmod 644 "$work/ca.pem"
[ "$(id -u)" != 0 ] || chown postgres "$work/server.key" "$work/server.pem"
chmod 755 "$work"
printf 'local all all trust\nhostssl all all 127.0.0.1/32 trust\n' >"$work/data/pg_hba.conf"
cat >>"$work/data/postgresql.conf" <<EOC
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work'
ssl = on
ssl_cert_file = '$work/server.pem'
ssl_key_file = '$work/server.key'
max_connections = 200
EOC
"${as[@]}" "$bin/pg_ctl" -D "$work/data" -l "$work/data/log" -w -t 120 start >/dev/null ||
    { cat "$work/data/log" >&2; exit 1; }
echo "ready $work $port"
cat >/dev/null
