"""pydicom reads what `salus deidentify` made of its own test files: by the profile, and with the same pixels."""

import json
import pathlib
import subprocess
import sys
import tempfile

from pydicom import dcmread
from pydicom.data import get_testdata_files

salus = sys.argv[1]
work = pathlib.Path(tempfile.mkdtemp())
NAMES = ["PatientName", "PatientID", "InstitutionName", "ReferringPhysicianName", "PatientAddress"]


def failed(why):
    sys.exit(f"failed: {why}")


def pixels(dataset):
    return dataset.get("PixelData", b"") if dataset.file_meta.TransferSyntaxUID.is_compressed else None


def check(source, name):
    before, after = dcmread(source), dcmread(work / "out" / name)
    if after.PatientIdentityRemoved != "YES" or after.LongitudinalTemporalInformationModified != "MODIFIED":
        failed(f"{source}: it does not say what was done")
    codes = [item.CodeValue for item in after.DeidentificationMethodCodeSequence]
    if codes != ["113100", "113107"]:
        failed(f"{source}: {codes}")
    if after.SOPInstanceUID != after.file_meta.MediaStorageSOPInstanceUID or not after.SOPInstanceUID.startswith("2.25."):
        failed(f"{source}: {after.SOPInstanceUID}")
    private = [one.tag for one in after.iterall() if one.tag.is_private]
    if private:
        failed(f"{source}: {private}")
    if pixels(before) != pixels(after):
        failed(f"{source}: other pixels")
    if "PixelData" in before and pixels(before) is None and len(before.PixelData) != len(after.PixelData):
        failed(f"{source}: pixels of another length")
    said = {one.tag: str(one.value) for one in after.iterall() if one.VR not in ("SQ", "OB", "OW")}
    for keyword in NAMES:
        was = str(before.get(keyword, ""))
        if len(was) > 4 and any(was in value for value in said.values()):
            failed(f"{source}: {keyword} `{was}` is in it")


files = [path for path in get_testdata_files("*.dcm")]
done = subprocess.run(
    [salus, "--data", work / "none", "--format", "json", "deidentify", *files, "--to", work / "out", "--dates", "shift",
     "--pixels-looked-at"],
    stdout=subprocess.PIPE, check=False,
)
report = json.loads(done.stdout)
left = [one for one in report["files"] if "to" in one]
for one in left:
    check(one["file"], one["to"])
if len(left) < 35:
    failed(f"only {len(left)} of {len(files)} left: {report['files']}")
print(f"ok pydicom reads {len(left)} de-identified files; {report['refused']} did not leave")
