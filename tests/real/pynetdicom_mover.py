"""A PACS made of pynetdicom that gives nothing and sends (C-MOVE). While it sends it also sends, for a C-MOVE of a
workstation, an object of another study under a UID that is waited for: that one is its own.

usage: pynetdicom_mover.py PORT TO_PORT
"""

import sys

import still
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

port, to_port = int(sys.argv[1]), int(sys.argv[2])
STUDY, SERIES, INSTANCES = "2.25.700", "2.25.700.1", ["2.25.700.1.1", "2.25.700.1.2"]


def image(instance, study=STUDY, patient="4711"):
    data = dcmread(get_testdata_file("CT_small.dcm"))
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = instance
    data.StudyInstanceUID, data.SeriesInstanceUID, data.PatientID = study, study + ".1", patient
    return data


def find(event):
    asked = event.identifier
    for instance in INSTANCES if asked.QueryRetrieveLevel == "IMAGE" else [""]:
        found = Dataset()
        found.QueryRetrieveLevel = asked.QueryRetrieveLevel
        found.StudyInstanceUID, found.SeriesInstanceUID = STUDY, SERIES
        found.SOPClassUID, found.SOPInstanceUID = CTImageStorage, instance
        yield 0xFF00, found


def move(event):
    own = AE(ae_title="MOVER")
    own.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    to = own.associate("127.0.0.1", to_port, ae_title="SALUS")
    other = image(INSTANCES[0], study="2.25.701", patient="4712")
    print(f"{to.send_c_store(other, originator_aet='WS1', originator_id=7).Status:04x}", flush=True)
    to.release()
    yield "127.0.0.1", to_port
    yield len(INSTANCES)
    for instance in INSTANCES:
        yield 0xFF00, image(instance)


ae = AE(ae_title="MOVER")
ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
ae.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_FIND, find), (evt.EVT_C_MOVE, move)])
