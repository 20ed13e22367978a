#!/usr/bin/env bash
# Installs what the tests with other people's programs need, in one folder under $HOME.
# Quick when it has run before. Prints nothing but what it does; exits 1 if something is missing.
set -euo pipefail

home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
stamp="$home/.ready-10"
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$home"

need_apt=()
for pair in go:golang-go chromium:chromium chromedriver:chromium-driver python3:python3 node:nodejs npm:npm curl:curl openssl:openssl softhsm2-util:softhsm2 setpriv:util-linux restic:restic storescu:dcmtk Orthanc:orthanc; do
    command -v "${pair%%:*}" >/dev/null || need_apt+=("${pair#*:}")
done
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog ] || need_apt+=(golang-golang-x-mod-dev)
command -v rsyslogd >/dev/null || [ -x /usr/sbin/rsyslogd ] || need_apt+=(rsyslog)
[ -n "$(find /usr/lib -name lmnsd_gtls.so -print -quit 2>/dev/null)" ] || need_apt+=(rsyslog-gnutls)
[ -n "$(find /usr/lib/postgresql -maxdepth 2 -name bin -print -quit 2>/dev/null)" ] || need_apt+=(postgresql)
python3 -c 'import venv, ensurepip' 2>/dev/null || need_apt+=(python3-venv)
if [ ${#need_apt[@]} -gt 0 ]; then
    echo "installing ${need_apt[*]}"
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${need_apt[@]}" >"$home/apt.log" 2>&1 ||
        { tail -n 5 "$home/apt.log" >&2; exit 1; }
fi

# aics-tlog wants Python 3.12 or newer; everything else is content with 3.9.
newest_python() {
    local found
    for found in python3.14 python3.13 python3.12 \
        "$HOME"/.pyenv/versions/3.14*/bin/python3 "$HOME"/.pyenv/versions/3.13*/bin/python3 \
        "$HOME"/.pyenv/versions/3.12*/bin/python3 python3; do
        if command -v "$found" >/dev/null 2>&1 && "$found" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            echo "$found"
            return
        fi
    done
}

if [ ! -e "$stamp" ]; then
    python="$(newest_python)"
    echo "making a Python environment with $("$python" --version)"
    "$python" -m venv "$home/venv"
    "$home/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
    if "$home/venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
        "$home/venv/bin/pip" install -q --disable-pip-version-check 'aics-tlog==0.2.1' 'aics-witness==0.1.0'
    else
        echo "aics-tlog needs Python 3.12 or newer: the log is checked with golang.org/x/mod alone, and no other program witnesses it"
    fi
    echo "installing fhir-kit-client, fhirclient, oidc-provider, @medplum/core, @medplum/hl7 and ws"
    npm install --silent --no-audit --no-fund --prefix "$home/npm" fhir-kit-client@2.0.3 fhirclient@2.6.3 oidc-provider@9.13.3 @medplum/core@5.0.10 @medplum/hl7@5.0.10 ws@8.23.0
fi

if [ "$here/verifylog/main.go" -nt "$home/verifylog" ]; then
    echo "building the log verifier with $(go version | cut -d' ' -f3)"
    (cd "$here/verifylog" && GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode GOCACHE="$home/gocache" \
        go build -o "$home/verifylog" main.go)
fi
touch "$stamp"
