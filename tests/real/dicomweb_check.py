"""dicomweb-client looks for what dicom.sh sent, and fetches it."""

import io
import pathlib
import sys

import numpy
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

base, token, files, writer = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
sent = {one.SOPInstanceUID: one for one in map(dcmread, sorted((files / "ct").glob("*.dcm")))}
first = next(iter(sent.values()))
study, series = first.StudyInstanceUID, first.SeriesInstanceUID
requests.packages.urllib3.disable_warnings()
session = requests.Session()
session.trust_env, session.verify = False, False
session.headers["Authorization"] = f"Bearer {token}"
client = DICOMwebClient(url=base, session=session)


def fail(why):
    sys.exit(f"failed: {why}")


found = client.search_for_studies(search_filters={"PatientID": "4711"})
if [one["0020000D"]["Value"] for one in found] != [[study]]:
    fail(f"studies: {found}")
if found[0]["00100010"]["Value"][0]["Alphabetic"] != "Müller^Jörg":
    fail(f"the name: {found}")
if [one["0020000E"]["Value"][0] for one in client.search_for_series(study)] != [series]:
    fail("series")
found = client.search_for_instances(study, series)
if {one["00080018"]["Value"][0] for one in found} != set(sent):
    fail("instances")
if len(client.search_for_instances(study, limit=2)) != 2 or len(client.search_for_instances(study, offset=3)) != 2:
    fail("pages")
got = client.retrieve_study(study)
if {one.SOPInstanceUID for one in got} != set(sent):
    fail("the study")
for one in got:
    if one.PixelData != sent[one.SOPInstanceUID].PixelData or one.PatientName != first.PatientName:
        fail("an object came back otherwise than it was sent")
said = client.retrieve_series_metadata(study, series)
if len(said) != 5 or said[0]["00280010"]["Value"] != [first.Rows]:
    fail(f"metadata: {said[:1]}")
[frame] = client.retrieve_instance_frames(study, series, first.SOPInstanceUID, frame_numbers=[1])
if frame != first.PixelData:
    fail("the frame")
picture = client.retrieve_instance_rendered(study, series, first.SOPInstanceUID, media_types=("image/png",))
from PIL import Image

seen = numpy.asarray(Image.open(io.BytesIO(picture)))
if seen.shape != (first.Rows, first.Columns) or seen.max() < 200 or seen.min() > 50:
    fail(f"the picture: {seen.shape} {seen.min()} {seen.max()}")
# What is compressed: a JPEG is shown as it is, of others no picture is made, and that is said.
for filters, code in [({"PatientID": "4MR1"}, None), ({"Modality": "CT"}, None)]:
    for one in client.search_for_instances(search_filters=filters, limit=50):
        uids = [one[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
        url = "{}/studies/{}/series/{}/instances/{}/thumbnail".format(base, *uids)
        answer = session.get(url, headers={"Accept": "image/*"})
        if answer.status_code not in (200, 404, 406):
            fail(f"a thumbnail: {answer.status_code} {answer.text}")
try:
    client.search_for_studies(search_filters={"InstitutionName": "x"})
    fail("a filter was left out")
except requests.HTTPError as error:
    if error.response.status_code != 400:
        raise
# Stored over the web: a new study, the same once more, and other bytes under a UID that is there.
storing = requests.Session()
storing.trust_env, storing.verify = False, False
storing.headers["Authorization"] = f"Bearer {writer}"
store = DICOMwebClient(url=base, session=storing)
new = [dcmread(files / "ct" / path.name) for path in sorted((files / "ct").glob("*.dcm"))]
for number, one in enumerate(new):
    one.StudyInstanceUID, one.SeriesInstanceUID = "2.25.401", "2.25.402"
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"2.25.403{number}"
for _ in range(2):
    told = store.store_instances(new)
    if len(told.ReferencedSOPSequence) != len(new) or "FailedSOPSequence" in told:
        fail(f"stored: {told}")
got = client.retrieve_study("2.25.401")
if {one.SOPInstanceUID: one.PixelData for one in got} != {one.SOPInstanceUID: one.PixelData for one in new}:
    fail("what was stored came back otherwise")
new[0].PixelData = bytes(len(new[0].PixelData))
try:
    store.store_instances(new[:1])
    fail("other bytes under the same UID were taken")
except requests.HTTPError as error:
    [failed] = error.response.json()["00081198"]["Value"]
    if error.response.status_code != 409 or failed["00081197"]["Value"] != [0x0111]:
        raise
try:
    client.store_instances(new[1:2])
    fail("who may only read stored")
except requests.HTTPError as error:
    if error.response.status_code != 403:
        raise
print("dicomweb-client found and fetched what was sent")
