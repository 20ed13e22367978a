"""hl7apy: builds messages from its own model, sends them over a socket, parses the answers."""

import socket

from common import AUTHORITY, CA, FACILITY, FHIR, RUN, SYSTEM, TOKEN
from common import check, eventually, host_and_port, need, ok
from fhirpy import SyncFHIRClient
from hl7apy.core import Message
from hl7apy.parser import parse_message

need("SALUS_FHIR", "SALUS_TOKEN", "SALUS_CA", "SALUS_MLLP")
mrn = f"HA{RUN}"


def head(message, kind, control):
    message.msh.msh_3 = "HL7APY"
    message.msh.msh_4 = FACILITY
    message.msh.msh_5 = "SALUS"
    message.msh.msh_6 = FACILITY
    message.msh.msh_7 = "20260301120000+0000"
    message.msh.msh_9 = kind
    message.msh.msh_10 = control
    message.msh.msh_11 = "P"
    message.msh.msh_12 = "2.5.1"
    message.msh.msh_18 = "UNICODE UTF-8"


def person(pid, family):
    pid.pid_1 = "1"
    pid.pid_3 = f"{mrn}^^^{AUTHORITY}^MR"
    pid.pid_5 = f"{family}^Thị Hương"
    pid.pid_7 = "19900512"
    pid.pid_8 = "F"


def receive(stream):
    buffer = b""
    while not buffer.endswith(b"\x1c\r"):
        part = stream.recv(65536)
        if not part:
            break
        buffer += part
    return buffer


def send(stream, message):
    stream.sendall(message.to_mllp().encode("utf-8"))
    return receive(stream)


def acknowledged(name, raw, control):
    answer = parse_message(raw.strip(b"\x0b\x1c\r").decode("utf-8") + "\r", find_groups=False)
    code, echoed = answer.msa.msa_1.value, answer.msa.msa_2.value
    check(name, (code, echoed) == ("AA", control), f"got {code} for {echoed}")


admit = Message("ADT_A01", version="2.5.1")
head(admit, "ADT^A01^ADT_A01", f"{RUN}A")
admit.evn.evn_2 = "20260301120000+0000"
person(admit.pid, "Nguyễn")
admit.pv1.pv1_2 = "I"
admit.pv1.pv1_3 = f"MED2^105^B^{FACILITY}"
admit.pv1.pv1_19 = f"VA{RUN}^^^{AUTHORITY}^VN"
allergy = admit.add_segment("AL1")
allergy.al1_1 = "1"
allergy.al1_2 = "DA"
allergy.al1_3 = "91936005^Penicillin^SCT"
allergy.al1_4 = "SV"

rename = Message("ADT_A01", version="2.5.1")
head(rename, "ADT^A08^ADT_A01", f"{RUN}B")
rename.evn.evn_2 = "20260301120500+0000"
person(rename.pid, "Nguyễn-Åberg")
rename.pv1.pv1_2 = "I"
rename.pv1.pv1_3 = f"MED2^105^B^{FACILITY}"
rename.pv1.pv1_19 = f"VA{RUN}^^^{AUTHORITY}^VN"

with socket.create_connection(host_and_port(), timeout=30) as stream:
    acknowledged("hl7apy admit acknowledged", send(stream, admit), f"{RUN}A")
    acknowledged("hl7apy update acknowledged", send(stream, rename), f"{RUN}B")

client = SyncFHIRClient(FHIR, authorization=f"Bearer {TOKEN}", requests_config={"verify": CA})
found = eventually(
    "hl7apy patient in the chart",
    lambda: client.resources("Patient").search(identifier=f"{SYSTEM}|{mrn}").fetch(),
    lambda all: len(all) == 1 and all[0]["name"][0]["family"] == "Nguyễn-Åberg",
)[0]
eventually(
    "hl7apy allergy in the chart",
    lambda: client.resources("AllergyIntolerance").search(patient=found.id).fetch(),
    lambda all: len(all) == 1,
)
eventually(
    "hl7apy search without accents",
    lambda: [one.id for one in client.resources("Patient").search(name="nguyen", identifier=f"{SYSTEM}|{mrn}").fetch()],
    lambda ids: ids == [found.id],
)
ok("hl7apy")
