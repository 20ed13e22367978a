"""Objects whose pixels are compressed are stored over the web, and their pictures are held against the samples that
another decoder finds: of lossless JPEG those that went in (dcmtk, gdcm), of twelve bits those of dcmtk, of JPEG 2000 those of OpenJPEG (by Pillow)."""

import io
import pathlib
import subprocess
import sys

import numpy
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array
from pydicom.uid import generate_uid

base, token, work, writer = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
requests.packages.urllib3.disable_warnings()


def session(token):
    made = requests.Session()
    made.trust_env, made.verify = False, False
    made.headers["Authorization"] = f"Bearer {token}"
    return made


def named(name):
    """A file of pydicom as an object of patient 4711, under UIDs of its own."""
    one = dcmread(get_testdata_file(name))
    one.PatientID, one.PatientName = "4711", "Müller^Jörg"
    one.SpecificCharacterSet = "ISO_IR 100"
    one.StudyInstanceUID, one.SeriesInstanceUID = "2.25.601", "2.25.602"
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    return one


def shades(one, samples):
    """What a picture of grey samples is, by PS3.3 section C.11.2.1.2; colours are as they are."""
    if samples.ndim == 3:
        return samples
    first = lambda value: float(value if not hasattr(value, "__getitem__") or isinstance(value, str) else value[0])
    values = samples * (float(one.get("RescaleSlope", 1)) or 1.0) + float(one.get("RescaleIntercept", 0))
    if "WindowCenter" in one:
        center, width = first(one.WindowCenter), first(one.WindowWidth)
        begin, width = center - 0.5 - (width - 1) / 2, max(width - 1, 1)
    else:
        begin, width = values.min(), max(values.max() - values.min(), 1)
    return numpy.floor(numpy.clip((values - begin) / width, 0, 1) * 255 + 0.5)


store, look = DICOMwebClient(url=base, session=session(writer)), DICOMwebClient(url=base, session=session(token))
# Each object, what its picture is, and how far a sample may be off: lossy ones are rounded otherwise.
all = []
for name in ("CT_small.dcm", "MR_small.dcm"):
    plain = named(name)
    expected = shades(plain, pixel_array(plain, raw=True).astype("f8"))
    for options in [["+e1"], *(["+el", "+sv", str(number)] for number in range(1, 8))]:
        plain.SOPInstanceUID = plain.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        plain.save_as(work / "plain.dcm")
        subprocess.run(["dcmcjpeg", *options, work / "plain.dcm", work / "packed.dcm"], check=True)
        all.append((f"{name} {' '.join(options)}", dcmread(work / "packed.dcm"), expected, 0))
for name, off in [
    ("MR_small_jp2klossless.dcm", 0), ("693_J2KI.dcm", 0), ("J2K_pixelrep_mismatch.dcm", 0), ("JPEG2000.dcm", 1),
    ("SC_rgb_gdcm_KY.dcm", 0), ("examples_jpeg2k.dcm", 0),
]:
    one = named(name)
    all.append((name, one, shades(one, pixel_array(one, raw=True).astype("f8")), off))
# By gdcm, of the same pixels as by run lengths.
all.append(("SC_rgb_jpeg_gdcm.dcm", named("SC_rgb_jpeg_gdcm.dcm"), pixel_array(named("SC_rgb_rle.dcm"), raw=True), 0))
# Of twelve bits, with loss: what dcmtk unpacks.
one = named("JPGExtended.dcm")
one.save_as(work / "packed.dcm")
subprocess.run(["dcmdjpeg", work / "packed.dcm", work / "plain.dcm"], check=True)
all.append(("JPGExtended.dcm", one, shades(one, pixel_array(dcmread(work / "plain.dcm"), raw=True).astype("f8")), 1))

for said, one, expected, off in all:
    told = store.store_instances([one])
    if "FailedSOPSequence" in told:
        sys.exit(f"{said} was not stored: {told}")
    uids = (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
    picture = look.retrieve_instance_rendered(*uids, media_types=("image/png",))
    seen = numpy.asarray(Image.open(io.BytesIO(picture))).astype("f8")
    if seen.shape != expected.shape or numpy.abs(seen - expected).max() > off:
        sys.exit(f"{said}: {seen.shape} {expected.shape} {numpy.abs(seen - expected).max()}")
    if len(sys.argv) > 5:
        (pathlib.Path(sys.argv[5]) / f"{said.replace(' ', '_')}.png").write_bytes(picture)
print(f"{len(all)} pictures of JPEG and JPEG 2000")
