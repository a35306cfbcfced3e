#!/usr/bin/python3
"""Opens sealed objects and recovery objects: docs/sealed-format.md a second time, from the page alone and over OpenSSL's primitives.

  unseal.py --epoch-key HEX [--name NAME] [--show] FILE > plaintext
  unseal.py --recovery-key PEM RECOVERY-OBJECT [--name NAME] FILE > plaintext

Checks what it can without a catalog: form, commitment, tags, canonical end, and with --name the name. --show prints the header's fields instead.
The plaintext of WAL and archives is zstd: pipe it into `zstd -d`."""

import argparse
import hashlib
import hmac
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEGMENT = 1 << 20
TAG = 16
FIXED = struct.Struct(">7sBBBI32s32s32sQI16sH")


class Refused(Exception):
    """str() is the stable reason of docs/sealed-format.md"""


def derive(key, label, context):
    """docs/keys.md"""
    info = bytes([len(label)]) + label + struct.pack(">H", len(context)) + context
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=b"teesql/v1", info=info).derive(key)


def epoch_key(kms_key, cluster_id, epoch):
    return derive(kms_key, b"backup-epoch", cluster_id + struct.pack(">I", epoch))


# --- sealed objects

def object_keys(key, header):
    """key, commitment, nonce prefix"""
    context = header[14:46] + header[:14] + header[78:]
    return derive(key, b"object-key", context), derive(key, b"object-commit", context), derive(key, b"object-nonce", context)[:7]


def parse_header(data):
    """fields and header bytes"""
    if len(data) < FIXED.size:
        raise Refused("seal-truncated")
    magic, version, flags, log2, epoch, salt, commitment, cluster, system, timeline, backup, length = FIXED.unpack_from(data)
    for bad, reason in ((magic != b"TEESEAL", "seal-magic"), (version != 1, "seal-version"), (flags > 1, "seal-flags"), (log2 != 20, "seal-segment-size"),
                        (not 1 <= length <= 512, "seal-name"), (len(data) < FIXED.size + length, "seal-truncated")):
        if bad:
            raise Refused(reason)
    header = data[:FIXED.size + length]
    fields = {"simulated": flags == 1, "epoch": epoch, "salt": salt, "commitment": commitment, "cluster_id": cluster, "system_identifier": system,
              "timeline": timeline, "backup_id": backup, "name": header[FIXED.size:].decode("ascii")}
    return fields, header


def nonce(prefix, index, last):
    return prefix + struct.pack(">IB", index, last)


def open_object(data, key, expected=None):
    """fields and plaintext, or Refused. @expected: fields that must be so"""
    fields, header = parse_header(data)
    for name, value in (expected or {}).items():
        if fields[name] != value:
            raise Refused("seal-simulated" if name == "simulated" else "seal-context")
    content_key, commitment, prefix = object_keys(key, header)
    if not hmac.compare_digest(commitment, fields["commitment"]):
        raise Refused("seal-commitment")
    body = data[len(header):]
    rest = len(body) % (SEGMENT + TAG)
    if len(body) < TAG or 0 < rest < TAG or (rest == TAG and len(body) != TAG) or len(body) > 65536 * (SEGMENT + TAG):
        raise Refused("seal-size")
    aead, plain = AESGCM(content_key), []
    for index, offset in enumerate(range(0, len(body), SEGMENT + TAG)):
        segment = body[offset:offset + SEGMENT + TAG]
        last = offset + len(segment) == len(body)
        try:
            plain.append(aead.decrypt(nonce(prefix, index, last), segment, header if index == 0 else None))
        except InvalidTag:
            raise Refused("seal-tag") from None
    return fields, b"".join(plain)


def seal_object(plain, key, salt, fields):
    """For known answers: @salt must never be used for anything else."""
    name = fields["name"].encode()

    def header(commitment):
        return FIXED.pack(b"TEESEAL", 1, fields["simulated"], 20, fields["epoch"], salt, commitment, fields["cluster_id"], fields["system_identifier"],
                          fields["timeline"], fields["backup_id"], len(name)) + name
    content_key, commitment, prefix = object_keys(key, header(bytes(32)))
    head = header(commitment)
    segments = [plain[i:i + SEGMENT] for i in range(0, len(plain), SEGMENT)] or [b""]
    aead = AESGCM(content_key)
    return head + b"".join(aead.encrypt(nonce(prefix, i, i == len(segments) - 1), segment, head if i == 0 else None) for i, segment in enumerate(segments))


# --- recovery objects: RFC 9180, base mode, 0x0010 0x0001 0x0002

KEM_SUITE = b"KEM" + bytes([0, 0x10])
HPKE_SUITE = b"HPKE" + bytes([0, 0x10, 0, 1, 0, 2])


def labeled_extract(suite, salt, label, data):
    return hmac.new(salt, b"HPKE-v1" + suite + label + data, hashlib.sha256).digest()


def labeled_expand(suite, prk, label, info, length):
    text = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    return hmac.new(prk, text + b"\1", hashlib.sha256).digest()[:length]


def hpke_key(private, peer, enc, recipient, info):
    shared_x = private.exchange(ec.ECDH(), peer)
    shared = labeled_expand(KEM_SUITE, labeled_extract(KEM_SUITE, b"", b"eae_prk", shared_x), b"shared_secret", enc + recipient, 32)
    schedule = b"\0" + labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"") + labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE_SUITE, shared, b"secret", b"")
    return labeled_expand(HPKE_SUITE, secret, b"key", schedule, 32), labeled_expand(HPKE_SUITE, secret, b"base_nonce", schedule, 12)


def point(public):
    return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def recipient_hash(public):
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest()


def seal_recovery(key, recipient, ephemeral, cluster_id, epoch, simulated):
    head = struct.pack(">7sBBI32s32s", b"TEESKEY", 1, simulated, epoch, cluster_id, recipient_hash(recipient))
    enc = point(ephemeral.public_key())
    content_key, base_nonce = hpke_key(ephemeral, recipient, enc, point(recipient), head)
    return head + enc + AESGCM(content_key).encrypt(base_nonce, key, None)


def open_recovery(data, private):
    """epoch, epoch key"""
    if len(data) != 190:
        raise Refused("recovery-size")
    magic, version, flags, epoch, _, recipient = struct.unpack_from(">7sBBI32s32s", data)
    for bad, reason in ((magic != b"TEESKEY", "recovery-magic"), (version != 1, "recovery-version"), (flags > 1, "recovery-flags"),
                        (recipient != recipient_hash(private.public_key()), "recovery-recipient")):
        if bad:
            raise Refused(reason)
    head, enc, sealed = data[:77], data[77:142], data[142:]
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
    except ValueError:
        raise Refused("recovery-point") from None
    content_key, base_nonce = hpke_key(private, peer, enc, point(private.public_key()), head)
    try:
        return epoch, AESGCM(content_key).decrypt(base_nonce, sealed, None)
    except InvalidTag:
        raise Refused("recovery-tag") from None


def read(path):
    with open(path, "rb") as f:
        return f.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epoch-key", metavar="HEX", type=bytes.fromhex)
    parser.add_argument("--recovery-key", metavar=("PEM", "OBJECT"), nargs=2)
    parser.add_argument("--name")
    parser.add_argument("--show", action="store_true", help="print the header's fields instead")
    parser.add_argument("file")
    options = parser.parse_args()
    data = read(options.file)
    if options.show:
        for name, value in parse_header(data)[0].items():
            print(f"{name}: {value.hex() if isinstance(value, bytes) else value}")
        return 0
    key = options.epoch_key
    if options.recovery_key:
        key = open_recovery(read(options.recovery_key[1]), serialization.load_pem_private_key(read(options.recovery_key[0]), None))[1]
    if key is None:
        parser.error("one of --epoch-key and --recovery-key is needed")
    try:
        sys.stdout.buffer.write(open_object(data, key, {"name": options.name} if options.name else None)[1])
    except Refused as refused:
        print(f"{options.file}: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
