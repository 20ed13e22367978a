"""Checks a C2SP tlog-proof of an entry with aics-tlog: aics_proof.py PROOF ENTRY KEYFILE."""

import base64
import sys

import aics_tlog

proof, entry, key = (open(name, "rb").read() for name in sys.argv[1:4])
head, checkpoint = proof.decode().split("\n\n", 1)
kind, *lines = [line for line in head.split("\n") if not line.startswith("extra ")]
assert kind == "c2sp.org/tlog-proof@v1", kind
index = int(lines[0].removeprefix("index "))
path = [base64.b64decode(line, validate=True) for line in lines[1:]]
log = aics_tlog.parse_vkey(key.decode().strip())
note = aics_tlog.parse_note(checkpoint)
if not aics_tlog.verify_checkpoint(note, log).log_ok:
    sys.exit("failed aics-tlog: the checkpoint is not signed by this log")
head = aics_tlog.parse_checkpoint(note.text)
if not aics_tlog.verify_inclusion(aics_tlog.leaf_hash(entry), index, head.size, path, head.root):
    sys.exit("failed aics-tlog: the entry is not at this index")
print(f"ok aics-tlog proof of {index} in {head.size}")
