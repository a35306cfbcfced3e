"""What no log may hold: every key and password that a test knows of, however it is written."""

import base64
import hashlib
import hmac
import os
import struct

PART = 16  # so much of a secret is a secret


def derive(key, label, context):
    """design 5: HKDF-SHA256, one block"""
    prk = hmac.new(b"teesql/v1", key, hashlib.sha256).digest()
    info = bytes([len(label)]) + label + struct.pack(">H", len(context)) + context
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def forms_of(secret):
    """@secret: text as it is typed, or bytes"""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    if isinstance(secret, str) and len(secret) == 64 and set(secret) <= set("0123456789abcdef"):
        found |= forms_of(bytes.fromhex(secret))
    return found


def needles(secrets):
    """name -> secret, to (name, bytes)"""
    return [(name, form[:PART]) for name, secret in secrets.items() for form in forms_of(secret) if len(form) >= PART]


def find(secrets, data):
    return sorted({name for name, needle in needles(secrets) if needle in data})


def find_in(secrets, root):
    """file: names of what it holds"""
    wanted, found = needles(secrets), {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                data = f.read()
            held = sorted({name for name, needle in wanted if needle in data})
            if held:
                found[path] = held
    return found
