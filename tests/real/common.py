"""What the scripts share: the server's address, and how they speak."""

import os
import sys
import time
import uuid

FHIR = os.environ.get("SALUS_FHIR", "").rstrip("/")
TOKEN = os.environ.get("SALUS_TOKEN", "")
CA = os.environ.get("SALUS_CA", "")
MLLP = os.environ.get("SALUS_MLLP", "")
FACILITY = os.environ.get("SALUS_FACILITY", "STSALUS")
AUTHORITY = os.environ.get("SALUS_AUTHORITY", "STSALUS")
SYSTEM = f"urn:salus:authority:{AUTHORITY}"
RUN = uuid.uuid4().hex[:10]


def ok(name):
    print(f"ok {name}", flush=True)


def failed(name, why):
    print(f"failed {name}: {why}", flush=True)
    sys.exit(1)


def check(name, holds, why=""):
    if not holds:
        failed(name, why or "it does not hold")
    ok(name)


def need(*names):
    for name in names:
        if not os.environ.get(name):
            failed("environment", f"`{name}` is not set: see README.md")


def refused(name, call, *kinds):
    """Passes if `call` raises one of `kinds`."""
    try:
        answer = call()
    except kinds:
        ok(name)
        return
    failed(name, f"nothing was raised; the answer was {answer!r}"[:300])


def eventually(name, look, wanted, wait=20.0):
    """Looks until `wanted(what was seen)`; what was written may be folded a moment later."""
    end = time.monotonic() + wait
    while True:
        seen = look()
        if wanted(seen):
            ok(name)
            return seen
        if time.monotonic() > end:
            failed(name, f"after {wait:.0f} s it is still {seen!r}"[:300])
        time.sleep(0.1)


def host_and_port():
    host, _, port = MLLP.rpartition(":")
    return host, int(port)


def patient(family, mrn):
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:example:real", "value": mrn}],
        "name": [{"family": family, "given": ["Zoë"]}],
        "gender": "female",
        "birthDate": "1980-02-29",
    }


def observation(patient_id, value):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": f"2026-03-01T10:{value % 60:02d}:00Z",
        "valueQuantity": {
            "value": value,
            "unit": "/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
    }
