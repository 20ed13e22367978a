#!/usr/bin/env bash
# Runs every script against the server that the variables in README.md name; exits 1 if one fails.
set -uo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
python="$home/venv/bin/python"
export NODE_EXTRA_CA_CERTS="${SALUS_CA:?SALUS_CA is not set: see README.md}"
export PYTHONDONTWRITEBYTECODE=1
wrong=0
run() {
    echo "# $*"
    timeout 300 "$@" || { echo "failed $1 $2"; wrong=1; }
}
run "$python" "$here/python_hl7.py"
run "$python" "$here/hl7apy_sender.py"
run "$python" "$here/fhirpy_client.py"
run "$python" "$here/fhirclient_client.py"
run "$python" "$here/everything.py"
run "$python" "$here/fhir_resources.py" 10
run "$python" "$here/ihe_client.py"
run node "$here/kit_client.mjs"
run node "$here/medplum_client.mjs"
run "$python" "$here/smart_flow.py"
run bash "$here/verify_log.sh"
run bash "$here/schemathesis.sh"
exit "$wrong"
