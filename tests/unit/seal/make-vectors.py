#!/usr/bin/python3
"""make-vectors.py > vectors.json: known answers of docs/sealed-format.md from the Python implementation, so that the C one has something
to disagree with. Everything in them is fixed: a second run writes the same bytes."""

import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../harness"))
import unseal  # noqa: E402

KMS_KEY = bytes(range(32))
CLUSTER = bytes(range(0x40, 0x60))
WHOLE = 4096  # larger objects are given by their digest


def pattern(size):
    """byte i = (i + i / 251) mod 256, so that no two segments are alike"""
    return bytes((i + i // 251) & 0xFF for i in range(size))


def salt(name):
    return hashlib.sha256(b"salt of " + name.encode()).digest()


def sealed(name, size, **fields):
    fields = {"simulated": False, "epoch": 0, "cluster_id": CLUSTER, "system_identifier": 0, "timeline": 0, "backup_id": bytes(16), **fields, "name": name}
    key = unseal.epoch_key(KMS_KEY, CLUSTER, fields["epoch"])
    data = unseal.seal_object(pattern(size), key, salt(name), fields)
    row = {k: v.hex() if isinstance(v, bytes) else v for k, v in fields.items()}
    row["system_identifier"] = str(row["system_identifier"])  # JSON readers lose bits beyond 2^53
    row.update(salt=salt(name).hex(), plain_size=size, sealed_size=len(data), sealed_sha256=hashlib.sha256(data).hexdigest())
    if len(data) <= WHOLE:
        row["sealed"] = data.hex()
    return row


def recovery(epoch, simulated, scalar, ephemeral):
    private, once = ec.derive_private_key(scalar, ec.SECP256R1()), ec.derive_private_key(ephemeral, ec.SECP256R1())
    data = unseal.seal_recovery(unseal.epoch_key(KMS_KEY, CLUSTER, epoch), private.public_key(), once, CLUSTER, epoch, simulated)
    none = serialization.NoEncryption()
    pem = {form.name.lower(): private.private_bytes(serialization.Encoding.PEM, form, none).decode()
           for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)}
    return {"epoch": epoch, "simulated": simulated, "pkcs8": pem["pkcs8"], "sec1": pem["traditionalopenssl"], "ephemeral": f"{ephemeral:064x}",
            "public": private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
            "id": unseal.recipient_hash(private.public_key()).hex()[:16], "sealed": data.hex()}


def main():
    root = "v1/" + CLUSTER.hex() + "/00000001-0123456789abcdef/"
    mib = unseal.SEGMENT
    vectors = {
        "kms_key": KMS_KEY.hex(), "cluster_id": CLUSTER.hex(),
        "objects": [
            sealed("a", 0),
            sealed("a/b", 1, epoch=1, simulated=True),
            sealed(root + "catalog/0000000000000001", 700),
            sealed(root + "wal/00000003/00000003000000010000002A", 100, system_identifier=2**64 - 2, timeline=3, epoch=2**32 - 1),
            sealed(root + "base/" + "0123456789abcdef" * 2 + "/base.00000", 1000, system_identifier=7300000000000000001, timeline=1,
                   backup_id=bytes.fromhex("0123456789abcdef" * 2), epoch=7),
            sealed("n" * 512, 10),
            sealed("segment/full", mib),
            sealed("segment/one-more", mib + 1),
            sealed("segment/two-full", 2 * mib, timeline=1),
            sealed("segment/three", 2 * mib + 77, simulated=True),
        ],
        "recovery": [
            recovery(0, False, 0x0123456789ABCDEF << 128 | 0x42, 0xFEDCBA9876543210 << 160 | 0x1F),
            recovery(9, True, 1, 2),
            recovery(1, False, int.from_bytes(hashlib.sha256(b"recipient").digest(), "big") >> 1, int.from_bytes(hashlib.sha256(b"once").digest(), "big") >> 1),
        ],
    }
    json.dump(vectors, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
