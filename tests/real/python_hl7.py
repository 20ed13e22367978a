"""python-hl7: its `mllp_send` sends messages; Salus acknowledges; the patient is found by FHIR."""

import os
import pathlib
import subprocess
import sys
import tempfile

import hl7
from common import AUTHORITY, CA, FACILITY, FHIR, RUN, SYSTEM, TOKEN
from common import check, eventually, host_and_port, need, ok
from fhirpy import SyncFHIRClient

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA", "SALUS_MLLP")
host, port = host_and_port()
mllp_send = pathlib.Path(sys.executable).with_name("mllp_send")
mrn = f"PH{RUN}"


def message(kind, control, *segments):
    head = f"MSH|^~\\&|PYHL7|{FACILITY}|SALUS|{FACILITY}|20260301101500+0000||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
    return "\r".join([head, *segments]) + "\r"


def send(*messages):
    """Sends as `mllp_send --loose` does, and returns the acknowledgements."""
    with tempfile.NamedTemporaryFile("wb", suffix=".hl7", delete=False) as file:
        file.write("\r\n".join(messages).replace("\r\r\n", "\r\n").encode())
    try:
        done = subprocess.run(
            [str(mllp_send), "--loose", "--port", str(port), "--file", file.name, host],
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.unlink(file.name)
    text = done.stdout.decode("utf-8", "replace")
    check("python-hl7 mllp_send ran", done.returncode == 0, f"{text} {done.stderr.decode()}")
    return [part.strip("\x1c\r\n") for part in text.split("\x0b") if "MSH|" in part]


pid = f"PID|1||{mrn}^^^{AUTHORITY}^MR||Müller^Jörg{RUN}||19610412|M|||1 Quay^^Salusport^^10001^^H"
pv1 = f"PV1|1|I|MED1^101^A^{FACILITY}||||P1^House^Greg|||MED|||||||||V{RUN}^^^{AUTHORITY}^VN|||||||||||||||||||||||||20260301100000+0000"
admit = message("ADT^A01^ADT_A01", f"{RUN}1", "EVN|A01|20260301101500+0000", pid, pv1)
result = message(
    "ORU^R01^ORU_R01",
    f"{RUN}2",
    pid,
    pv1,
    f"OBR|1|O{RUN}^WARD|L{RUN}^LAB|2823-3^Potassium^LN|||20260301100500+0000|||||||||||||||20260301101500+0000||CH|F",
    "OBX|1|NM|2823-3^Potassium^LN||6.9|mmol/L^^UCUM|3.5-5.1|HH|||F|||20260301101500+0000",
)

acks = [hl7.parse(text) for text in send(admit, result)]
codes = [(str(ack.segment("MSA")[1]), str(ack.segment("MSA")[2])) for ack in acks]
check("python-hl7 acknowledged", codes == [("AA", f"{RUN}1"), ("AA", f"{RUN}2")], f"got {codes}")
codes = [str(hl7.parse(text).segment("MSA")[1]) for text in send(admit)]
check("python-hl7 resend acknowledged", codes == ["AA"], f"got {codes}")

client = SyncFHIRClient(FHIR, authorization=f"Bearer {TOKEN}", requests_config={"verify": CA})
found = eventually(
    "python-hl7 patient in the chart",
    lambda: client.resources("Patient").search(identifier=f"{SYSTEM}|{mrn}").fetch(),
    lambda all: len(all) == 1,
)[0]
check("python-hl7 name kept", found["name"][0]["family"] == "Müller", f"it is {found['name']}")
potassium = eventually(
    "python-hl7 one result in the chart",
    lambda: client.resources("Observation").search(patient=found.id, code="http://loinc.org|2823-3").fetch(),
    lambda all: len(all) == 1,
)[0]
check("python-hl7 value kept", float(potassium["valueQuantity"]["value"]) == 6.9)
flag = potassium["interpretation"][0]["coding"][0]["code"]
check("python-hl7 flag kept", flag == "HH", f"it is {flag}")
ok("python-hl7")
