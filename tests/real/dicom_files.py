"""Writes the pictures that dicom.sh sends: a CT series, one of another patient under the same UID, one for
Orthanc, one to be pulled from it, and some that lie."""

import copy
import pathlib
import sys

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

to = pathlib.Path(sys.argv[1])
count = int(sys.argv[2]) if len(sys.argv) > 2 else 5
(to / "ct").mkdir(parents=True)
base = dcmread(get_testdata_file("CT_small.dcm"))
base.PatientID = "4711"
base.PatientName = "Müller^Jörg"
base.SpecificCharacterSet = "ISO_IR 100"
base.StudyInstanceUID = generate_uid()
base.SeriesInstanceUID = generate_uid()
for number in range(count):
    slice = copy.deepcopy(base)
    slice.InstanceNumber = number + 1
    slice.SOPInstanceUID = slice.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    slice.save_as(to / "ct" / f"{number:04}.dcm")
slice.PatientID = "4712"
slice.save_as(to / "other.dcm")
slice.PatientID = "4713"
slice.PatientName = "Orthanc^Otto"
slice.StudyInstanceUID = generate_uid()
slice.SOPInstanceUID = slice.file_meta.MediaStorageSOPInstanceUID = generate_uid()
slice.save_as(to / "orthanc.dcm")
slice.PatientID = "4714"
slice.PatientName = "Elsewhere^Else"
slice.StudyInstanceUID = "2.25.501"
slice.SOPInstanceUID = slice.file_meta.MediaStorageSOPInstanceUID = generate_uid()
slice.save_as(to / "pull.dcm")
