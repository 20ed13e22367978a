#!/usr/bin/env bash
# Schemathesis (PyPI) reads the server's own OpenAPI document and asks what follows from it, good and
# bad: no answer may be a fault of the server, or one that the document does not have.
# A handful of types stands for the 146, which are all served by the same code.
set -euo pipefail

home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
fhir="${SALUS_FHIR:?SALUS_FHIR is not set: see README.md}"
types="Patient|Observation|Group|Binary|Subscription|ValueSet|CodeSystem|AuditEvent"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
curl -sSf --cacert "$SALUS_CA" "$fhir/openapi.json" -o "$work/openapi.json"
cd "$work"
# A condition may fail (412), or a resource be gone (410), before anybody looks at a bad body.
cat >schemathesis.toml <<'CONF'
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429]
CONF
# What a body must be like beyond its type is FHIR's and not in the document, so that a good body of the
# document may well be refused: `positive_data_acceptance` does not hold.
"$home/venv/bin/schemathesis" run "$work/openapi.json" --url "$fhir" --tls-verify "$SALUS_CA" \
    --header "Authorization: Bearer $SALUS_TOKEN" \
    --include-path-regex "^/((${types})(/.*)?|[-_\$a-z.]*(/\{.*)?)\$" \
    --checks all --exclude-checks positive_data_acceptance \
    --phases examples,coverage,fuzzing --max-examples "${SALUS_EXAMPLES:-8}" --max-time "${SALUS_SECONDS:-100}" \
    --seed 4 --workers 2 --no-shrink --request-timeout 30 --warnings off --continue-on-failure \
    >"$work/said" 2>&1 || { tail -n "${SALUS_LINES:-150}" "$work/said"; echo "failed schemathesis"; exit 1; }
grep -E "Test cases|passed" "$work/said" || true
echo "ok schemathesis"
