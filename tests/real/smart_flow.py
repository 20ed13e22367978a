"""SMART App Launch by other people's clients: fhirclient (PyPI) with a code and as a backend
service, fhirclient (npm) on a server of its own. The person at the console is `console.py`."""

import json
import os
import subprocess
import time
import uuid

import jwt
import requests
from common import CA, FHIR, RUN, TOKEN, check, eventually, failed, need, refused
from console import ROOT, administrator, agree, person, sign_in
from cryptography.hazmat.primitives.asymmetric import ec
from fhirclient import client
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException
from smart_page import page_app

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA", "SALUS_SETUP", "SALUS_BINARY", "SALUS_DATA")
HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.environ.get("SALUS_REAL_HOME") or os.path.expanduser("~/.cache/salus/real")
WARD = f"S{RUN}"


def register(client_id, *options):
    command = [os.environ["SALUS_BINARY"], "--data", os.environ["SALUS_DATA"], "client", "add", client_id]
    done = subprocess.run(command + list(options), capture_output=True, text=True)
    if done.returncode:
        failed(f"client add {client_id}", done.stderr)


def put(resource):
    url = f"{FHIR}/{resource['resourceType']}/{resource['id']}"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/fhir+json"}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.put(url, json=resource, headers=headers, verify=CA)
    if answer.status_code not in (200, 201):
        failed("put", f"{url}: {answer.status_code} {answer.text[:300]}")


def hospital():
    put({"resourceType": "Location", "id": WARD.lower(), "name": "Ward", "identifier": [{"value": WARD}],
         "status": "active", "physicalType": {"coding": [{
             "system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "wa"}]}})
    put({"resourceType": "Practitioner", "id": f"dr-{RUN}", "identifier": [{"value": f"P{RUN}"}]})
    for who in ("in", "out"):
        pid = f"{who}-{RUN}"
        subject = {"reference": f"Patient/{pid}"}
        put({"resourceType": "Patient", "id": pid, "name": [{"family": f"Launch{who}"}]})
        put({"resourceType": "Observation", "id": f"o-{pid}", "status": "final", "code": {"text": "x"},
             "subject": subject})
        if who == "in":
            put({"resourceType": "Encounter", "id": f"e-{pid}", "status": "in-progress",
                 "class": {"code": "IMP"}, "subject": subject, "period": {"start": "2026-11-01"},
                 "location": [{"location": {"reference": f"Location/{WARD.lower()}"}, "status": "active"}]})


def trusting(smart):
    smart.server.session.trust_env = False
    smart.server.session.verify = CA
    return smart


def code_flow():
    redirect = "https://app.example/cb"
    register("python-app", "--redirect-uri", redirect, *scopes("launch/patient", "openid", "fhirUser",
             "profile", "offline_access", "patient/*.rs", "patient/*.read"))
    wanted = "launch/patient openid fhirUser offline_access patient/*.read"
    settings = {"app_id": "python-app", "api_base": FHIR, "redirect_uri": redirect, "scope": wanted}
    smart = trusting(client.FHIRClient(settings=settings))
    url = smart.authorize_url
    check("fhirclient authorize url", url and url.startswith(f"{ROOT}/oauth/authorize?"), url)
    nurse = sign_in("nora")
    answer = agree(nurse, url, f"in-{RUN}")
    smart.handle_callback(answer)
    check("fhirclient is ready after the callback", smart.ready and smart.patient_id == f"in-{RUN}", smart.patient_id)
    check("fhirclient reads its patient", smart.patient.name[0].family == "Launchin")
    found = [one.id for one in Observation.where(struct={}).perform_resources(smart.server)]
    check("fhirclient finds its patient's observations alone", found == [f"o-in-{RUN}"], str(found))
    refused("fhirclient does not see another patient", lambda: Patient.read(f"out-{RUN}", smart.server),
            FHIRNotFoundException)
    old = smart.server.auth.refresh_token
    check("fhirclient refreshes", smart.reauthorize() and smart.server.auth.refresh_token != old)
    check("fhirclient reads with the new token", Patient.read(f"in-{RUN}", smart.server).id == f"in-{RUN}")
    reuse = smart.server.session.post(f"{ROOT}/oauth/token", data={
        "grant_type": "refresh_token", "refresh_token": old, "client_id": "python-app"})
    check("an old refresh token is refused", reuse.status_code == 400 and reuse.json()["error"] == "invalid_grant")
    # fhirclient would try to refresh by itself, and fail.
    token = smart.server.auth.access_token
    late = smart.server.session.get(f"{FHIR}/Patient/in-{RUN}", headers={"Authorization": f"Bearer {token}"})
    check("and ends the family", late.status_code == 401, str(late.status_code))


def scopes(*all_of_them):
    return [part for scope in all_of_them for part in ("--scope", scope)]


def backend():
    key = ec.generate_private_key(ec.SECP384R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    path = os.path.join(os.environ["SALUS_DATA"], f"{RUN}.jwks.json")
    with open(path, "w") as file:
        json.dump({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "ES384"}]}, file)
    register("python-bulk", "--jwks-file", path, *scopes("system/Patient.rs"))

    def assertion():
        claims = {"iss": "python-bulk", "sub": "python-bulk", "aud": f"{ROOT}/oauth/token",
                  "exp": int(time.time()) + 200, "jti": uuid.uuid4().hex}
        return jwt.encode(claims, key, algorithm="ES384", headers={"kid": "k1"})

    settings = {"app_id": "python-bulk", "api_base": FHIR, "scope": "system/Patient.rs", "jwt_token": assertion()}
    smart = trusting(client.FHIRClient(settings=settings))
    smart.prepare()
    smart.authorize()
    check("fhirclient backend service reads", Patient.read(f"out-{RUN}", smart.server).id == f"out-{RUN}")
    again = trusting(client.FHIRClient(settings=settings))
    again.prepare()
    try:
        again.authorize()
        failed("a replayed assertion", "it was taken")
    except Exception as error:  # fhirclient wraps requests' errors
        check("a replayed assertion is refused", "400" in str(error) or "401" in str(error) or "token" in str(error), str(error))


def node():
    with subprocess.Popen(["node", f"{HERE}/smart_app.mjs"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "NODE_EXTRA_CA_CERTS": CA, "SALUS_REAL_HOME": HOME}) as app:
        port = int(app.stdout.readline())
        place = f"http://127.0.0.1:{port}"
        register("node-app", "--redirect-uri", f"{place}/cb", "--launch-url", f"{place}/launch",
                 *scopes("launch", "openid", "fhirUser", "patient/*.rs"))
        nurse = sign_in("nora")
        page = nurse.get(f"{ROOT}/oauth/launch?patient=in-{RUN}")
        check("the app stands on the patient's page", "node-app" in page.text.lower())
        from console import csrf
        sent = nurse.post(f"{ROOT}/oauth/launch", allow_redirects=False,
                          data={"csrf": csrf(page), "client": "node-app", "patient": f"in-{RUN}"})
        mine = requests.Session()
        mine.trust_env = False
        to = mine.get(sent.headers["Location"], allow_redirects=False).headers["Location"]
        answer = agree(nurse, to)
        told = mine.get(answer).json()
        app.terminate()
    check("npm fhirclient knows patient and person", told.get("patient") == f"in-{RUN}"
          and told.get("user", "").endswith(f"Practitioner/dr-{RUN}"), str(told))
    check("npm fhirclient reads its patient", told.get("family") == "Launchin", str(told))
    check("npm fhirclient finds its patient's observations alone", told.get("found") == [f"o-in-{RUN}"], str(told))


hospital()
person(administrator(), "nora", "nurse", WARD, f"P{RUN}")
eventually("the nurse's ward has its patient",
           lambda: f"in-{RUN}" in sign_in("nora").get(f"{ROOT}/patients").text, lambda seen: seen)
code_flow()
backend()
node()
page_app(register, scopes)
