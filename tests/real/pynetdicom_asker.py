"""pynetdicom asks for what dicom.sh sent: C-FIND at every level, C-GET, C-MOVE, C-CANCEL."""

import pathlib
import sys

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
import still
from pynetdicom import AE, StoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelFind as PatientFind,
    PatientRootQueryRetrieveInformationModelGet as PatientGet,
    StudyRootQueryRetrieveInformationModelFind as StudyFind,
    StudyRootQueryRetrieveInformationModelGet as StudyGet,
    StudyRootQueryRetrieveInformationModelMove as StudyMove,
)

host, port, files, store_port = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4])
sent = [dcmread(path) for path in sorted((files / "ct").glob("*.dcm"))]
study, series = sent[0].StudyInstanceUID, sent[0].SeriesInstanceUID


def fail(why):
    sys.exit(f"failed: {why}")


def identifier(level, **keys):
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for key, value in keys.items():
        setattr(asked, key, value)
    return asked


def associate(*classes, title="VIEWER", storage=(), handlers=()):
    ae = AE(ae_title=title)
    for one in classes:
        ae.add_requested_context(one, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    roles = []
    for one, syntaxes in storage:
        ae.add_requested_context(one, syntaxes)
        roles.append(build_role(one, scp_role=True))
    to = ae.associate(host, port, ae_title="SALUS", ext_neg=roles, evt_handlers=list(handlers))
    if not to.is_established:
        fail(f"no association for {title}")
    return to


def find(to, model, asked):
    """Statuses and identifiers of the answers."""
    answers = list(to.send_c_find(asked, model))
    if any(not status for status, _ in answers):
        fail("no answer to a C-FIND")
    found = [one for status, one in answers if status.Status in (0xFF00, 0xFF01)]
    return answers[-1][0].Status, found


to = associate(StudyFind, PatientFind)
for keys, count in [
    (dict(PatientID="4711"), 1),
    (dict(PatientID="4711", StudyDate="20000101-20200101"), 1),
    (dict(PatientID="4711", StudyDate="-19990101"), 0),
    (dict(PatientID="99999"), 0),
    (dict(StudyInstanceUID=study), 1),
    (dict(PatientName="MÜLLER^*", SpecificCharacterSet="ISO_IR 192"), 1),
    (dict(PatientID="4711", ModalitiesInStudy="CT"), 1),
    (dict(PatientID="4711", ModalitiesInStudy="MR"), 0),
]:
    status, found = find(to, StudyFind, identifier("STUDY", **keys))
    if status != 0 or len(found) != count:
        fail(f"{keys}: {status:04x}, {len(found)} matches")
asked = identifier("STUDY", StudyInstanceUID=study, PatientName="", NumberOfStudyRelatedInstances="",
                   ModalitiesInStudy="", InstitutionName="", SpecificCharacterSet="ISO_IR 100")
_, [answer] = find(to, StudyFind, asked)
if answer.PatientName != "Müller^Jörg" or answer.SpecificCharacterSet != "ISO_IR 100":
    fail(f"the answer: {answer}")
if answer.NumberOfStudyRelatedInstances != 5 or answer.ModalitiesInStudy != "CT" or answer.RetrieveAETitle != "SALUS":
    fail(f"the answer: {answer}")
_, found = find(to, StudyFind, identifier("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="CT"))
if [one.SeriesInstanceUID for one in found] != [series]:
    fail(f"series: {found}")
_, found = find(to, StudyFind, identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series,
                                          SOPInstanceUID="", InstanceNumber="", Rows=None))
if sorted(one.SOPInstanceUID for one in found) != sorted(one.SOPInstanceUID for one in sent):
    fail("instances")
if found[0].Rows != sent[0].Rows:
    fail(f"rows: {found[0]}")
_, found = find(to, PatientFind, identifier("PATIENT", PatientID="471*", PatientName="", NumberOfPatientRelatedStudies=""))
if "4711" not in [one.PatientID for one in found] or "4712" in [one.PatientID for one in found]:
    fail(f"patients: {found}")
for asked, wanted in [
    (identifier("SERIES"), 0xA900),
    (identifier("STUDY", InstitutionName="x*"), 0xA900),
    (identifier("HOUSE"), 0xA900),
]:
    status, found = find(to, StudyFind, asked)
    if status != wanted or found:
        fail(f"{asked}: {status:04x}")
# C-CANCEL ends a query and not the association.
asked = identifier("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID="")
answers = to.send_c_find(asked, StudyFind, msg_id=7)
next(answers)
to.send_c_cancel(7, query_model=StudyFind)
statuses = [status.Status for status, _ in answers]
if statuses[-1] not in (0xFE00, 0x0000):
    fail(f"after C-CANCEL: {statuses}")
if find(to, StudyFind, identifier("STUDY", PatientID="4711"))[0] != 0:
    fail("the association did not survive a C-CANCEL")
to.release()

# What the guard does not let be asked is refused, and says so.
to = associate(StudyFind, title="BLIND")
status, found = find(to, StudyFind, identifier("STUDY", PatientID="4711"))
if status != 0x0124 or found:
    fail(f"without scopes: {status:04x}")
to.release()

# C-GET of a study, in another syntax than it is kept in, and of what is compressed.
got = []


def stored(event):
    data = event.dataset
    data.file_meta = event.file_meta
    got.append(data)
    return 0x0000


handlers = [(evt.EVT_C_STORE, stored)]
for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
    got.clear()
    to = associate(StudyGet, storage=[(CTImageStorage, [syntax])], handlers=handlers)
    answers = list(to.send_c_get(identifier("STUDY", StudyInstanceUID=study), StudyGet))
    last = answers[-1][0]
    if last.Status != 0 or last.NumberOfCompletedSuboperations != 5:
        fail(f"C-GET: {last}")
    to.release()
    for before, after in zip(sorted(sent, key=lambda one: one.SOPInstanceUID), sorted(got, key=lambda one: one.SOPInstanceUID)):
        after_meta = after.file_meta.TransferSyntaxUID
        if after_meta != syntax or before.PixelData != after.PixelData or before.PatientName != after.PatientName:
            fail("an object came back otherwise than it was sent")
        before.remove_private_tags(), after.remove_private_tags()
        for element in before:
            # pydicom reads no trailing padding.
            if element.tag.element != 0 and element.tag != 0xFFFCFFFC and after.get(element.tag) != element:
                fail(f"an element came back otherwise: {element}")
got.clear()
# The other side takes no MR: nothing of it is sent, and that is said.
to = associate(StudyFind, PatientGet, storage=[(CTImageStorage, [ExplicitVRLittleEndian])], handlers=handlers)
_, found = find(to, StudyFind, identifier("STUDY", PatientID="4MR1", StudyInstanceUID=""))
answers = list(to.send_c_get(identifier("PATIENT", PatientID="4MR1"), PatientGet))
last = answers[-1][0]
if found and (last.Status != 0xA702 or last.NumberOfFailedSuboperations < 1):
    fail(f"C-GET of what is not taken: {last}")
to.release()

# C-MOVE: to our own listener, and to nobody.
got.clear()
taker = AE(ae_title="TAKER")
taker.supported_contexts = StoragePresentationContexts
server = taker.start_server((host, store_port), block=False, evt_handlers=handlers)
to = associate(StudyMove)
answers = list(to.send_c_move(identifier("SERIES", StudyInstanceUID=study, SeriesInstanceUID=series), "TAKER", StudyMove))
last = answers[-1][0]
if last.Status != 0 or last.NumberOfCompletedSuboperations != 5 or len(got) != 5:
    fail(f"C-MOVE: {last}, {len(got)} objects")
for title in ("EVE", "127.0.0.1"):
    status, _ = list(to.send_c_move(identifier("STUDY", StudyInstanceUID=study), title, StudyMove))[-1]
    if status.Status != 0xA801:
        fail(f"C-MOVE to {title}: {status.Status:04x}")
server.shutdown()
status, _ = list(to.send_c_move(identifier("STUDY", StudyInstanceUID=study), "TAKER", StudyMove))[-1]
if status.Status != 0xA702 or status.NumberOfFailedSuboperations != 5:
    fail(f"C-MOVE to who is away: {status}")
to.release()
print("pynetdicom found and fetched what was sent")
