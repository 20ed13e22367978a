"""fhir.resources (PyPI, R4B models): every resource that the server answers, of every type of its
CapabilityStatement, is read by somebody else's models."""

import importlib
import json
import sys

import requests
from common import CA, FHIR, TOKEN, check, need, ok

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA")
least = int(sys.argv[1]) if len(sys.argv) > 1 else 1
# Enough of each type to see its forms.
most = 400
# R4B (4.3.0) defines these anew; the rest is as in R4 (4.0.1).
CHANGED = {"Evidence", "EvidenceVariable", "MedicinalProductInteraction", "EvidenceReport"}

def as_it_knows(node):
    """Its models have no `_value[x]` of an Extension (FHIR R4 section 2.4.1 has): such a value is left out, and told."""
    global unknown
    if isinstance(node, list):
        return [as_it_knows(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: as_it_knows(one) for key, one in node.items() if not ("url" in node and key.startswith("_value"))}
    unknown += len(node) - len(kept)
    return kept


unknown = 0
web = requests.Session()
web.trust_env = False
web.verify = CA
web.headers["Authorization"] = f"Bearer {TOKEN}"


def model(kind):
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    return getattr(module, kind)


def get(url):
    answer = web.get(url, timeout=60)
    check_quietly(answer.status_code == 200, f"GET {url} is {answer.status_code}: {answer.text[:200]}")
    return answer.text


def check_quietly(holds, why):
    if not holds:
        check("fhir.resources", False, why)


statement = model("CapabilityStatement").model_validate_json(get(f"{FHIR}/metadata"))
kinds = [one.type for one in statement.rest[0].resource]
check("fhir.resources reads the statement", len(kinds) == 146, f"{len(kinds)} types")
bundles, count, seen = model("Bundle"), 0, []
for kind in kinds:
    if kind in CHANGED:
        continue
    url, of_kind = f"{FHIR}/{kind}?_count=100", 0
    while url and of_kind < most:
        try:
            page = bundles.model_validate_json(json.dumps(as_it_knows(json.loads(get(url)))))
        except ValueError as why:
            check("fhir.resources", False, f"{kind}: {why}"[:600])
        of_kind += sum(1 for one in page.entry or [] if one.resource.__resource_type__ == kind)
        url = next((link.url for link in page.link or [] if link.relation == "next"), None)
    if of_kind:
        seen.append(kind)
        count += of_kind
check("fhir.resources reads everything", len(seen) >= least, f"only {seen}")
ok(f"fhir.resources: {count} resources of {len(seen)} types, {unknown} values it has no place for: {', '.join(seen)}")
