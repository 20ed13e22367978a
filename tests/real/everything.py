"""All of the sample data through the server's own doors: what was accepted comes back with the same
meaning, and what was refused is counted by its reason.

SALUS_EVERY=N takes every Nth of the synthetic patients (1: all of them, which takes minutes)."""

import collections
import json
import lzma
import os
import pathlib
import socket
import sys

import requests
from common import CA, FHIR, TOKEN, check, host_and_port, need, ok

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA", "SALUS_MLLP")
here = pathlib.Path(__file__).resolve()
data = pathlib.Path(os.environ.get("SALUS_SHARED_DATA", here.parents[3] / "shared" / "data"))
every = int(os.environ.get("SALUS_EVERY", "40"))
if not data.is_dir():
    ok("everything: there is no sample data beside the sources")
    sys.exit(0)

web = requests.Session()
# The environment may name other certificates to trust.
web.trust_env = False
web.verify = CA
web.headers.update({"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/fhir+json"})


def post(bundle):
    body = json.dumps(bundle).encode() if isinstance(bundle, dict) else bundle
    return web.post(FHIR, data=body, timeout=300)


def meaning(resource):
    """The resource without what the server sets."""
    kept = {key: value for key, value in resource.items() if key not in ("id", "meta")}
    profile = resource.get("meta", {}).get("profile")
    return kept | ({"profile": profile} if profile else {})


def linked(resource, names):
    """The resource with references to entries of its bundle by their new names."""
    if isinstance(resource, dict):
        return {key: linked(value, names) for key, value in resource.items()}
    if isinstance(resource, list):
        return [linked(value, names) for value in resource]
    if isinstance(resource, str):
        return names.get(resource, resource)
    return resource


def read_back(places):
    """What is there now, in batches of reads."""
    for start in range(0, len(places), 500):
        some = places[start : start + 500]
        entries = [{"request": {"method": "GET", "url": place}} for place in some]
        answer = post({"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
        for entry in answer["entry"]:
            yield entry.get("resource")


patients = resources = 0
refused = collections.Counter()
different = []
with lzma.open(data / "fhir" / "synthea-r4-615-bundles.ndjson.xz") as lines:
    for number, line in enumerate(lines):
        # The first two are the hospitals and practitioners that all others refer to.
        if number > 1 and number % every:
            continue
        sent = json.loads(line)
        answer = post(line)
        if answer.status_code != 200:
            refused[answer.json()["issue"][0].get("diagnostics", answer.text)[:120]] += 1
            continue
        places = [
            entry["response"]["location"].split("/fhir/")[-1].split("/_history")[0]
            for entry in answer.json()["entry"]
        ]
        names = dict(zip((entry.get("fullUrl") for entry in sent["entry"]), places))
        for entry, place, found in zip(sent["entry"], places, read_back(places)):
            wanted = meaning(linked(entry["resource"], names))
            got = meaning(found or {})
            if got != wanted:
                parts = [key for key in got | wanted if got.get(key) != wanted.get(key)]
                different.append({place: {key: (got.get(key), wanted.get(key)) for key in parts}})
        patients += 1
        resources += len(places)
print(f"{patients} bundles, {resources} resources accepted and read back; refused: {dict(refused)}")
check("everything: synthetic patients are accepted", not refused, str(dict(refused)))
check("everything: they come back with the same meaning", not different, str(different[:2])[:1500])
check("everything: there were some", patients > 10 and resources > 3_000, f"{patients}")


def wants_answer(message):
    """Whether the sender asks for one (MSH-15 and MSH-16, HL7 v2.5.1 section 2.9.3)."""
    header = message[message.find(b"MSH") :].split(b"\r")[0]
    asked = header.split(header[3:4])[14:16]
    return not asked or not any(asked) or b"AL" in asked


def answer_to(line, message):
    line.sendall(b"\x0b" + message + b"\x1c\r")
    if not wants_answer(message):
        return "none asked for"
    got = b""
    while not got.endswith(b"\x1c\r"):
        more = line.recv(65536)
        if not more:
            return "closed"
        got += more
    msa = [part for part in got.split(b"\r") if part.lstrip(b"\x0b").startswith(b"MSA")]
    return msa[0].split(msa[0][3:4])[1].decode() if msa else "no MSA"


codes = collections.Counter()
odd = []
line = socket.create_connection(host_and_port(), timeout=60)
files = sorted(path for path in (data / "hl7").rglob("*.hl7"))
for path in files:
    message = path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r").strip(b"\r") + b"\r"
    try:
        code = answer_to(line, message)
    except TimeoutError:
        code = "silent"
    codes[code] += 1
    if code not in ("AA", "CA", "none asked for"):
        odd.append((path.name, code))
    if code in ("closed", "silent"):
        line = socket.create_connection(host_and_port(), timeout=60)
print(f"{len(files)} HL7 v2 messages: {dict(codes)}; not acknowledged: {odd[:20]}")
check("everything: HL7 v2 messages are acknowledged", not odd, str(odd[:20]))
check("everything: there were many", len(files) > 300, f"{len(files)}")
