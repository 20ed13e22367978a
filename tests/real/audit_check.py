"""Makes accesses, or checks that each of them arrived at the receiver's file. Standard library only."""

import base64
import json
import os
import ssl
import sys
import time
import urllib.request
import xml.etree.ElementTree as xml

FHIR = os.environ["SALUS_FHIR"].rstrip("/")
TOKEN = os.environ["SALUS_TOKEN"]
RECEIVED = os.environ["SALUS_RECEIVED"]
TLS = ssl.create_default_context(cafile=os.environ["SALUS_CA"])
HOSTILE = "O'Brien <&\"> ]]> \u202e =1+1"


def call(path, body=None):
    request = urllib.request.Request(FHIR + path, method="POST" if body else "GET")
    request.add_header("authorization", f"Bearer {TOKEN}")
    if body:
        request.add_header("content-type", "application/fhir+json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, context=TLS) as answer:
        return json.load(answer)


def work(count):
    patient = call("/Patient", {"resourceType": "Patient", "name": [{"family": HOSTILE}]})["id"]
    for number in range(count):
        call(f"/Patient/{patient}")
        if number % 10 == 0:
            call("/Patient?family=" + urllib.request.quote(HOSTILE))
    print(f"ok {count} accesses")


def wanted():
    """The ids of every AuditEvent that there is before this look."""
    ids, path = set(), "/AuditEvent?_sort=date&_count=500"
    while path:
        page = call(path)
        ids |= {entry["resource"]["id"] for entry in page.get("entry", [])}
        links = {link["relation"]: link["url"] for link in page["link"]}
        path = links.get("next", "")[len(FHIR):]
        if len(page.get("entry", [])) < 500:
            break
    return ids


def received():
    ids = []
    if not os.path.exists(RECEIVED):
        return ids
    with open(RECEIVED, encoding="utf-8") as file:
        for line in file.read().splitlines():
            message = xml.fromstring(line[line.index("<?xml"):])
            assert message.tag == "AuditMessage", message.tag
            assert message.find("EventIdentification/EventID").get("codeSystemName") == "DCM"
            details = message.iter("ParticipantObjectDetail")
            event = next(one for one in details if one.get("type") == "event")
            ids.append(base64.b64decode(event.get("value")).decode())
    return ids


def arrived():
    ids, end = wanted(), time.monotonic() + 60
    while True:
        there = received()
        missing = ids - set(there)
        if not missing:
            print(f"ok {len(ids)} events arrived, {len(there) - len(set(there))} of them more than once")
            return
        if time.monotonic() > end:
            print(f"failed: {len(missing)} of {len(ids)} events never arrived, such as {sorted(missing)[:5]}")
            sys.exit(1)
        time.sleep(0.2)


if sys.argv[1] == "work":
    work(int(sys.argv[2]))
else:
    arrived()
