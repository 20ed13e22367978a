"""fhirpy: create, read, update, conditional create, search, include, paging, delete."""

from common import CA, FHIR, RUN, TOKEN, check, eventually, need, observation, ok, patient, refused
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, OperationOutcome, ResourceNotFound

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA")
trust = {"verify": CA}
client = SyncFHIRClient(FHIR, authorization=f"Bearer {TOKEN}", requests_config=trust)
family = f"Fhirpy{RUN}"

created = client.resource("Patient", **patient(family, f"py-{RUN}"))
created.save()
check("fhirpy create", created.id and created["meta"]["versionId"], "no id or version came back")

read = client.reference("Patient", created.id).to_resource()
check("fhirpy read", read["name"][0]["given"] == ["Zoë"], f"name is {read['name']}")

read["gender"] = "other"
read.save()
again = client.reference("Patient", created.id).to_resource()
check("fhirpy update", again["gender"] == "other", f"gender is {again['gender']}")
check("fhirpy versions differ", again["meta"]["versionId"] != created["meta"]["versionId"])

found = eventually(
    "fhirpy search by name",
    lambda: client.resources("Patient").search(name=family.lower()).fetch(),
    lambda all: [one.id for one in all] == [created.id],
)
by_id = client.resources("Patient").search(identifier=f"urn:example:real|py-{RUN}").first()
check("fhirpy search by identifier", by_id is not None and by_id.id == created.id)

same, is_new = (
    client.resources("Patient")
    .search(identifier=f"urn:example:real|py2-{RUN}")
    .update(client.resource("Patient", **patient(f"{family}B", f"py2-{RUN}")))
)
check("fhirpy conditional update creates", is_new, "status was not 201")
eventually(
    "fhirpy conditional update is seen",
    lambda: client.resources("Patient").search(identifier=f"urn:example:real|py2-{RUN}").fetch(),
    lambda all: len(all) == 1,
)
same, is_new = (
    client.resources("Patient")
    .search(identifier=f"urn:example:real|py2-{RUN}")
    .update(client.resource("Patient", **patient(f"{family}C", f"py2-{RUN}")))
)
check("fhirpy conditional update updates", not is_new, "status was 201 again")

for value in range(60, 67):
    client.resource("Observation", **observation(created.id, value)).save()
mine = client.resources("Observation").search(patient=created.id)
eventually("fhirpy seven observations", lambda: len(mine.fetch_all()), lambda count: count == 7)
pages = mine.limit(3).fetch_all()
check("fhirpy paging", len({one.id for one in pages}) == 7, f"{len(pages)} came over the pages")
values = [one["valueQuantity"]["value"] for one in mine.sort("-date").fetch_all()]
check("fhirpy sort", values == sorted(values, reverse=True), f"order is {values}")

bundle = mine.include("Observation", "subject").limit(2).fetch_raw()
kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
check("fhirpy include", kinds.count("Patient") == 1 and kinds.count("Observation") == 2, f"got {kinds}")
modes = {(entry["resource"]["resourceType"], entry["search"]["mode"]) for entry in bundle["entry"]}
check("fhirpy search modes", modes == {("Patient", "include"), ("Observation", "match")}, f"got {modes}")

whole = client.execute(f"Patient/{created.id}/$everything", method="get")
check("fhirpy everything", len(whole["entry"]) == 8, f"{len(whole['entry'])} entries")
check("fhirpy validate", again.is_valid(), "a good patient is said to be wrong")
wrong = client.resource("Patient", **{**patient(family, "x"), "gender": "banana"})
check("fhirpy validate says no", not wrong.is_valid(), "a wrong patient is said to be good")

refused(
    "fhirpy unknown parameter is refused",
    lambda: client.resources("Patient").search(shoesize=42).fetch(),
    OperationOutcome,
)
refused(
    "fhirpy bad resource is refused",
    lambda: client.resource("Patient", gender="banana").save(),
    OperationOutcome,
)
stranger = SyncFHIRClient(FHIR, authorization="Bearer forged", requests_config=trust)
refused("fhirpy forged token", lambda: stranger.resources("Patient").fetch(), AuthorizationError)

for one in mine.fetch_all():
    one.delete()
again.delete()
refused(
    "fhirpy deleted is gone",
    lambda: client.reference("Patient", created.id).to_resource(),
    ResourceNotFound,
)
eventually(
    "fhirpy deleted is not found",
    lambda: client.resources("Patient").search(name=family.lower(), _id=created.id).fetch(),
    lambda all: all == [],
)
ok("fhirpy")
