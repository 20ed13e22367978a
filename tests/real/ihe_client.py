"""fhirpy and IHE: $ihe-pix (ITI-83), $match (ITI-119), a document bundle (ITI-65), found and fetched (ITI-66 to 68)."""

import base64
import hashlib
import json
import ssl
import urllib.request
import uuid

from common import CA, FHIR, RUN, TOKEN, check, eventually, need, patient, refused
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA")
client = SyncFHIRClient(FHIR, authorization=f"Bearer {TOKEN}", requests_config={"verify": CA})
SYSTEM, OTHER = "urn:example:real", f"urn:example:ihe-{RUN}"
MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"

known = patient(f"Ihe{RUN}", f"ihe-{RUN}")
known["identifier"].append({"system": OTHER, "value": "7"})
anna = client.resource("Patient", **known)
anna.save()


def pix(**params):
    return client.execute("Patient/$ihe-pix", method="get", params=params)


told = pix(sourceIdentifier=f"{SYSTEM}|ihe-{RUN}", targetSystem=OTHER)
check("ihe pix", [one["valueIdentifier"]["value"] for one in told["parameter"]] == ["7"], f"got {told}")
told = pix(sourceIdentifier=f"{OTHER}|7")
ids = [one["valueReference"]["reference"] for one in told["parameter"] if one["name"] == "targetId"]
check("ihe pix id", ids == [f"Patient/{anna.id}"], f"got {told}")
refused("ihe pix of nobody", lambda: pix(sourceIdentifier=f"{OTHER}|8"), ResourceNotFound)
refused("ihe pix of no domain", lambda: pix(sourceIdentifier="urn:example:nowhere|8"), OperationOutcome)

match = client.execute("Patient/$match", data=patient(f"Ihe{RUN}", f"ihe-{RUN}"))
grade = match["entry"][0]["search"]["extension"][0]["valueCode"]
check("ihe match", (grade, match["entry"][0]["resource"]["id"]) == ("certain", anna.id), f"got {match}")
bare = {"resourceType": "Patient", "name": known["name"], "birthDate": known["birthDate"]}
match = client.execute("Patient/$match", data=bare)
grade = match["entry"][0]["search"]["extension"][0]["valueCode"]
check("ihe match by name", grade == "probable", f"got {match}")

content = f"%PDF-1.4 of run {RUN}".encode()
document, binary, mine = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
subject = {"reference": f"Patient/{anna.id}"}
sent = {
    "List": (mine, {
        "extension": [{"url": f"{MHD}ihe-sourceId", "valueIdentifier": {"value": "urn:oid:1.2.3"}}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"}],
        "status": "current", "mode": "working", "subject": subject, "date": "2026-11-26T10:00:00Z",
        "code": {"coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "entry": [{"item": {"reference": document}}],
    }),
    "DocumentReference": (document, {
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
        "status": "current", "subject": subject, "date": "2026-11-26T10:00:00Z",
        "content": [{"attachment": {
            "contentType": "application/pdf", "url": binary, "size": len(content),
            "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
        }}],
    }),
    "Binary": (binary, {"contentType": "application/pdf", "data": base64.b64encode(content).decode()}),
}


def bundle():
    entries = [
        {"fullUrl": url, "resource": {"resourceType": kind, **body}, "request": {"method": "POST", "url": kind}}
        for kind, (url, body) in sent.items()
    ]
    profile = [f"{MHD}IHE.MHD.Minimal.ProvideBundle"]
    return {"resourceType": "Bundle", "meta": {"profile": profile}, "type": "transaction", "entry": entries}


wrong = json.loads(json.dumps(bundle()))
wrong["entry"][1]["resource"]["content"][0]["attachment"]["size"] = 1
refused("ihe wrong size", lambda: client.execute("", data=wrong), OperationOutcome)
answer = client.execute("", data=bundle())
check("ihe provide", all(one["response"]["status"].startswith("201") for one in answer["entry"]), f"got {answer}")

lists = client.resources("List").search(patient=anna.id, code="submissionset", status="current")
eventually("ihe submissions", lists.fetch, lambda all: len(all) == 1)
found = client.resources("DocumentReference").search(patient=anna.id, status="current", date__ge="2026-11-26").fetch()
check("ihe documents", len(found) == 1, f"{len(found)} found")
for name in ["category", "type", "facility", "setting", "format", "event", "security-label"]:
    client.execute("DocumentReference", method="get", params={"patient": anna.id, name: "x"})
client.execute("DocumentReference", method="get", params={"patient.identifier": f"{OTHER}|7", "period": "ge2026"})
check("ihe document search parameters", True)
url = found[0]["content"][0]["attachment"]["url"]
request = urllib.request.Request(f"{FHIR.rstrip('/')}/{url}")
request.add_header("authorization", f"Bearer {TOKEN}")
request.add_header("accept", "application/pdf")
with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=CA)) as raw:
    check("ihe document", raw.read() == content, "the bytes are others")
