"""A log of somebody else's, witnessed by Salus: aics_log.py FOLDER make|feed URL VKEY CAFILE."""

import base64
import pathlib
import ssl
import sys

import aics_tlog
from aics_witness import feeder
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "aics.test/log"
folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
seed = folder / "seed"
if not seed.exists():
    seed.write_bytes(Ed25519PrivateKey.generate().private_bytes_raw())
key = Ed25519PrivateKey.from_private_bytes(seed.read_bytes())


def head(tree, size):
    head = aics_tlog.Checkpoint(ORIGIN, size, tree.root(size))
    return aics_tlog.sign_checkpoint(head, key, ORIGIN).to_bytes()


def refused(client, tree, size):
    try:
        client.submit(head(tree, size), tree.consistency_proof)
    except (feeder.WitnessRejected, feeder.WitnessConflict) as why:
        return why
    sys.exit("failed: it was cosigned")


if sys.argv[2] == "make":
    print(aics_tlog.format_vkey(aics_tlog.vkey_from_ed25519(ORIGIN, key.public_key())))
    sys.exit()
url, vkey, authorities = sys.argv[3:6]
context = ssl.create_default_context(cafile=authorities)
context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a self-signed certificate has no authority
client = feeder.WitnessClient(url, vkey, ssl_context=context, max_attempts=1)
log = aics_tlog.MerkleTree([bytes([n]) for n in range(20)])
fork = aics_tlog.MerkleTree([bytes([n if n < 4 else n + 100]) for n in range(20)])
for size in (5, 12, 12):
    line = client.submit(head(log, size), log.consistency_proof)
    assert line.startswith("\u2014 "), line
    print("cosigned", size)
assert refused(client, fork, 15).status == 422
print("fork refused")
other = feeder.WitnessClient(url, vkey, ssl_context=context, max_attempts=1)
assert refused(other, log, 9).known_size == 12
print("rollback refused")
