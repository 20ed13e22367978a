"""Looks at what dicom.sh sent through the FHIR door."""

import sys
import time

import requests

base, token, orthanc = sys.argv[1:]
say = {"Authorization": f"Bearer {token}"}


def found(query):
    answer = requests.get(f"{base}/{query}", headers=say, verify=False, timeout=30)
    answer.raise_for_status()
    return [entry["resource"] for entry in answer.json().get("entry", [])]


requests.packages.urllib3.disable_warnings()
patients, studies = [], []
for _ in range(100):
    patients = found("Patient?identifier=4711")
    studies = found(f"ImagingStudy?patient={patients[0]['id']}") if patients else []
    if studies and studies[0]["numberOfInstances"] == 5:
        break
    time.sleep(0.1)
if len(patients) != 1 or patients[0]["name"][0]["family"] != "Müller":
    sys.exit(f"the patient: {patients}")
if len(studies) != 1 or studies[0]["numberOfInstances"] != 5 or studies[0]["numberOfSeries"] != 1:
    sys.exit(f"the study: {studies}")
if found("Patient?identifier=4712"):
    sys.exit("the patient of the other picture is on a chart")
if orthanc == "with":
    otto = found("Patient?identifier=4713")
    if len(otto) != 1 or otto[0]["name"][0]["family"] != "Orthanc":
        sys.exit(f"the patient of Orthanc's picture: {otto}")
print("the chart has them")
