"""pynetdicom sends files of many transfer syntaxes as they are, and data sets that lie."""

import pathlib
import sys
from io import BytesIO

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
import still
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

host, port = sys.argv[1], int(sys.argv[2])
names = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm",
    "JPEG2000.dcm", "JPEG-lossy.dcm", "MR_small_jpeg_ls_lossless.dcm", "image_dfl.dcm", "rtplan.dcm",
    "waveform_ecg.dcm", "reportsi.dcm", "693_J2KI.dcm",
]
sent = 0
for name in names:
    path = get_testdata_file(name)
    data = dcmread(path)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ae = AE(ae_title="TOOL")
    ae.add_requested_context(data.SOPClassUID, data.file_meta.TransferSyntaxUID)
    to = ae.associate(host, port, ae_title="SALUS")
    if not to.is_established:
        sys.exit(f"{name}: no association")
    if not to.accepted_contexts:
        sys.exit(f"{name}: the context was not taken")
    status = to.send_c_store(data)
    if status.Status != 0:
        sys.exit(f"{name}: {status.Status:04x}")
    # Once more, in the same association: the same bytes are no second object.
    if to.send_c_store(data).Status != 0:
        sys.exit(f"{name}: once more")
    to.release()
    sent += 1

# A data set that says it is longer than it is; the association survives it.
ae = AE(ae_title="TOOL")
data = dcmread(get_testdata_file("CT_small.dcm"))
ae.add_requested_context(data.SOPClassUID, "1.2.840.10008.1.2.1")
to = ae.associate(host, port, ae_title="SALUS")
lie = C_STORE()
lie.MessageID = 1
lie.AffectedSOPClassUID = data.SOPClassUID
lie.AffectedSOPInstanceUID = "1.2.3.4.5"
lie.Priority = 2
lie.DataSet = BytesIO(b"\x09\x00\x10\x10UN\x00\x00\xf0\xff\xff\xe8x")
# As its own services do: its other thread would take the answer.
to._reactor_checkpoint.clear()
while not to._is_paused:
    pass
to.dimse.send_msg(lie, 1)
_, answer = to.dimse.get_msg(block=True)
to._reactor_checkpoint.set()
if answer.Status != 0xC000:
    sys.exit(f"a lie was answered with {answer.Status:04x}")
if to.send_c_store(data).Status != 0:
    sys.exit("the association did not survive a lie")
to.release()
print(f"{sent} files of many transfer syntaxes, each twice; a lie was refused")
