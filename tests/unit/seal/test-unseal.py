#!/usr/bin/python3
"""The Python implementation opens what the C one sealed, and refuses what was changed."""

import json
import os
import secrets
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../harness"))
sys.path.insert(0, HERE)
import unseal  # noqa: E402
from tap import case, run  # noqa: E402

VECTORS = os.path.join(HERE, "vectors.json")
SIZES = [0, 1, 1000, unseal.SEGMENT, unseal.SEGMENT + 1, 3 * unseal.SEGMENT]


def pattern(size):
    return bytes((i + i // 251) & 0xFF for i in range(size))


class Samples:
    def __init__(self, folder, program):
        self.folder, self.key = folder, secrets.token_bytes(32)
        self.private = ec.generate_private_key(ec.SECP256R1())
        pem = os.path.join(folder, "public.pem")
        with open(pem, "wb") as f:
            f.write(self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        subprocess.run([program, folder, self.key.hex(), pem], check=True)

    def read(self, name):
        return unseal.read(os.path.join(self.folder, name))


def refused(reason, function, *arguments):
    try:
        function(*arguments)
    except unseal.Refused as found:
        assert str(found) == reason, f"{found}, expected {reason}"
        return
    raise AssertionError(f"not refused: expected {reason}")


@case("Python opens what C sealed, and seals it to the same bytes")
def opens_what_c_sealed(samples):
    for i, size in enumerate(SIZES):
        name = f"sample.{size}"
        expected = {"simulated": i % 2 == 1, "epoch": 5, "cluster_id": bytes(range(0x40, 0x60)), "system_identifier": 2**64 - 2, "timeline": 7,
                    "backup_id": b"\xb1" + bytes(15), "name": name}
        fields, plain = unseal.open_object(samples.read(name), samples.key, expected)
        assert plain == pattern(size), name
        assert unseal.seal_object(plain, samples.key, fields["salt"], fields) == samples.read(name), "sealed again: other bytes"


@case("Python recovers a key that C sealed")
def recovers_what_c_sealed(samples):
    assert unseal.open_recovery(samples.read("recovery"), samples.private) == (5, samples.key)


@case("Python refuses what was changed")
def refuses_what_was_changed(samples):
    data = samples.read("sample.1000")
    for i in range(0, len(data)):
        changed = data[:i] + bytes([data[i] ^ 4]) + data[i + 1:]
        try:
            fields, _ = unseal.open_object(changed, samples.key)
        except (unseal.Refused, UnicodeDecodeError):
            continue
        raise AssertionError(f"byte {i} was changed and {fields['name']} opened")
    refused("seal-tag", unseal.open_object, data[:-1], samples.key)
    refused("seal-commitment", unseal.open_object, data, bytes(32))
    refused("seal-context", unseal.open_object, data, samples.key, {"name": "another"})


@case("the command line opens a file")
def the_command_line_opens_a_file(samples):
    key = os.path.join(samples.folder, "private.pem")
    with open(key, "wb") as f:
        f.write(samples.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    program = [sys.executable, os.path.join(HERE, "../../harness/unseal.py")]
    recovery = ["--recovery-key", key, os.path.join(samples.folder, "recovery")]
    out = subprocess.run([*program, *recovery, "--name", "sample.1000", os.path.join(samples.folder, "sample.1000")], check=True, capture_output=True)
    assert out.stdout == pattern(1000)
    out = subprocess.run([*program, "--epoch-key", "00" * 32, os.path.join(samples.folder, "sample.1")], check=False, capture_output=True)
    assert out.returncode == 1 and b"seal-commitment" in out.stderr and out.stdout == b""


@case("the vectors are what their script makes")
def vectors_are_what_the_script_makes(_samples):
    made = subprocess.run([sys.executable, os.path.join(HERE, "make-vectors.py")], check=True, capture_output=True).stdout
    with open(VECTORS, "rb") as f:
        assert json.load(f) == json.loads(made)


def main():
    with tempfile.TemporaryDirectory() as folder:
        return 1 if run(Samples(folder, os.path.join(os.environ["TEESQL_TEST_BUILD"], "tests/unit/seal/seal-samples"))) else 0


if __name__ == "__main__":
    sys.exit(main())
