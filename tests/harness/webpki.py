"""Web certificates that no honest authority of a test would issue, and one that it would."""

import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(path, data):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(data)
    return path


class WebAuthority:
    """An authority for servers; @file is its certificate."""

    def __init__(self, folder, title):
        self.folder, self.title, self.key = folder, title, ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.issue(title, self.key, name(title), True, [], 1, -1)
        self.file = pem(os.path.join(folder, title + ".pem"), self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, subject, key, issuer, is_ca, alternatives, days, since):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(issuer).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=since))
                   .not_valid_after(now + datetime.timedelta(days=days)).add_extension(x509.BasicConstraints(is_ca, None), True))
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        return builder.sign(self.key, hashes.SHA256())

    def server(self, title, alternatives=None, days=1, since=-1):
        """A TLS context for a server at 127.0.0.1, or at what @alternatives name instead."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = alternatives or [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = self.issue(title, key, self.certificate.subject, False, alternatives, days, since)
        chain = pem(os.path.join(self.folder, title + ".chain"), certificate.public_bytes(serialization.Encoding.PEM))
        secret = pem(os.path.join(self.folder, title + ".key"), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context


def dns(text):
    return x509.DNSName(text)


__all__ = ["WebAuthority", "dns"]
