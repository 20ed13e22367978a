"""fhirclient (SMART): capabilities, create, read, update, search, include, paging, delete."""

from common import CA, FHIR, RUN, TOKEN, check, eventually, need, observation, ok, patient, refused
from fhirclient import client
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException
from requests import HTTPError

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA")
smart = client.FHIRClient(settings={"app_id": "salus-real", "api_base": FHIR})
server = smart.server
server.session.trust_env = False  # otherwise REQUESTS_CA_BUNDLE counts before `verify`
server.session.verify = CA
server.session.headers["Authorization"] = f"Bearer {TOKEN}"
family = f"Smart{RUN}"

capability = server.capabilityStatement
check("fhirclient capability", capability.fhirVersion == "4.0.1", f"it says {capability.fhirVersion}")
kinds = {resource.type for resource in capability.rest[0].resource}
check("fhirclient capability lists Patient", {"Patient", "Observation"} <= kinds, f"it lists {kinds}")

made = Patient(patient(family, f"smart-{RUN}")).create(server)
patient_id = made["id"] if made else None
check("fhirclient create", patient_id, f"the answer was {made}")

read = Patient.read(patient_id, server)
check("fhirclient read", read.name[0].family == family and read.birthDate.isostring == "1980-02-29")

read.gender = "unknown"
read.update(server)
check("fhirclient update", Patient.read(patient_id, server).gender == "unknown")

search = Patient.where(struct={"family": family})
eventually(
    "fhirclient search",
    lambda: [one.id for one in search.perform_resources(server)],
    lambda ids: ids == [patient_id],
)

for value in range(70, 77):
    Observation(observation(patient_id, value)).create(server)
mine = Observation.where(struct={"subject": f"Patient/{patient_id}", "_count": "3"})


def over_pages():
    found = []
    for bundle in mine.perform_iter(server):
        found += [entry.resource.id for entry in bundle.entry or []]
    return found


ids = eventually("fhirclient paging", over_pages, lambda ids: len(set(ids)) == 7)
check("fhirclient pages do not overlap", len(ids) == len(set(ids)), f"{len(ids)} came")

included = Observation.where(struct={"subject": f"Patient/{patient_id}", "_include": "Observation:subject"})
bundle = included.perform(server)
found = [entry.resource.resource_type for entry in bundle.entry]
check("fhirclient include", found.count("Patient") == 1 and found.count("Observation") == 7, f"got {found}")

transaction = Bundle(
    {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
                "resource": patient(f"{family}T", f"smart-t-{RUN}"),
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "resource": {
                    **observation("x", 80),
                    "subject": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
                },
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    }
)
answer = server.post_json("", transaction.as_json()).json()
places = [entry["response"]["location"] for entry in answer["entry"]]
check("fhirclient transaction", len(places) == 2 and all(places), f"got {answer}")
other = next(place.split("/")[-3] for place in places if "Patient/" in place)
eventually(
    "fhirclient transaction reference resolved",
    lambda: len(Observation.where(struct={"patient": other}).perform_resources(server)),
    lambda count: count == 1,
)

refused(
    "fhirclient unknown parameter is refused",
    lambda: Patient.where(struct={"shoesize": "42"}).perform(server),
    HTTPError,
)
for one in ids:
    Observation.read(one, server).delete(server)
Patient.read(patient_id, server).delete(server)
refused("fhirclient deleted is gone", lambda: Patient.read(patient_id, server), FHIRNotFoundException, HTTPError)
ok("fhirclient")
