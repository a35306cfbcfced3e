"""Certificates that no honest peer makes: somebody else's evidence, no evidence, evidence with another key."""

import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ATTESTATION = x509.ObjectIdentifier("1.3.6.1.4.1.62397.1.8")
QUOTE = x509.ObjectIdentifier("1.3.6.1.4.1.62397.1.1")


def octet_string(payload):
    """DER OCTET STRING, as the value of an evidence extension."""
    n = len(payload)
    length = bytes([n]) if n < 128 else bytes([0x80 + (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return b"\x04" + length + payload


def extension_of(certificate_pem, oid=ATTESTATION):
    """The raw value of an extension in the first certificate of a PEM file."""
    with open(certificate_pem, "rb") as f:
        return x509.load_pem_x509_certificate(f.read()).extensions.get_extension_for_oid(oid).value.value


def self_signed(folder, name, extensions=(), key=None, days=1, start_days_ago=0):
    """(certificate, key) files of a P-256 certificate with raw extension values: [(oid, bytes)]."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow() - datetime.timedelta(days=start_days_ago)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
               .not_valid_after(now + datetime.timedelta(days=days)))
    for oid, value in extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    paths = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    with open(paths[0], "wb") as f:
        f.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(os.open(paths[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_key():
    return ec.generate_private_key(ec.SECP256R1())
