"""A Trust Authority for tests and the quickstart: its own keys, real shapes of tokens, and a tongue that lies when it is told to.

As a program: authority.py [--port N] [--api-key-file FILE] prints `{"ready":true,"url":"http://127.0.0.1:N"}` and serves until it is ended."""

import argparse
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

# in the TD report of version 1.0, which that of 1.5 begins with
FIELDS = {"tdx_tee_tcb_svn": (0, 16), "tdx_mrseam": (16, 48), "tdx_mrsignerseam": (64, 48), "tdx_seam_attributes": (112, 8),
          "tdx_td_attributes": (120, 8), "tdx_xfam": (128, 8), "tdx_mrtd": (136, 48), "tdx_mrconfigid": (184, 48), "tdx_mrowner": (232, 48),
          "tdx_mrownerconfig": (280, 48), "tdx_rtmr0": (328, 48), "tdx_rtmr1": (376, 48), "tdx_rtmr2": (424, 48), "tdx_rtmr3": (472, 48),
          "tdx_report_data": (520, 64)}
API_KEY = "test-key-of-the-authority"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def body_of(quote):
    return quote[48:] if quote[:2] == b"\x04\x00" else quote[54:]


def claims_about(quote):
    body = body_of(quote)
    claims = {name: body[start:start + size].hex() for name, (start, size) in FIELDS.items()}
    attributes = int.from_bytes(body[120:128], "little")
    claims.update({"attester_type": "TDX", "attester_tcb_status": "UpToDate", "attester_tcb_date": "2025-08-13T00:00:00Z", "dbgstat": "disabled",
                   "tdx_seamsvn": body[1] * 256 + body[0], "tdx_is_debuggable": bool(attributes & 1), "tdx_td_attributes_debug": bool(attributes & 1),
                   "tdx_td_attributes_septve_disable": bool(attributes >> 28 & 1), "tdx_is_migratable": bool(attributes >> 29 & 1)})
    return claims


class Key:
    """A signing key with its chain. @pss: what PS384 is here; @changes: of its JWK."""

    def __init__(self, kid, chain, bits=3072, exponent=65537):
        self.kid, self.pss, self.changes = kid, (hashes.SHA384, hashes.SHA384, 48), {}
        self.private = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
        self.certificates = [chain.leaf(self.private)] + chain.certificates

    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.kid, "alg": "PS384", "n": number(numbers.n), "e": number(numbers.e),
                "x5c": [base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode() for c in self.certificates], **self.changes}

    def sign(self, text, alg):
        if alg.startswith("HS"):
            pem = self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            return hmac.new(pem, text, hashlib.sha256).digest()
        if alg == "RS256":
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        digest, mask, salt = self.pss
        return self.private.sign(text, padding.PSS(padding.MGF1(mask()), salt), digest())


class Chain:
    def __init__(self):
        self.root_key, self.ca_key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
        root = self.make("Test Authority Root CA", "Test Authority Root CA", self.root_key, self.root_key, True)
        ca = self.make("Test Authority Signing CA", "Test Authority Root CA", self.ca_key, self.root_key, True)
        self.certificates = [ca, root]

    @staticmethod
    def make(subject, issuer, key, signer, is_ca):
        def name(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(datetime.datetime(2024, 1, 1)).not_valid_after(datetime.datetime(2044, 1, 1))
        return builder.add_extension(x509.BasicConstraints(is_ca, None), True).sign(signer, hashes.SHA256())

    def leaf(self, key):
        return self.make("Test Token Signing", "Test Authority Signing CA", key, self.ca_key, False)


class Server(http.server.ThreadingHTTPServer):
    """Speaks TLS with every new connection while @tls is a context."""

    daemon_threads = True
    tls = None

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.live = set()

    def finish_request(self, request, client_address):
        if self.tls is not None:
            request.settimeout(20)  # whoever does not shake hands
            request = self.tls.wrap_socket(request, server_side=True)
        self.live.add(request)
        try:
            self.RequestHandlerClass(request, client_address, self)
        finally:
            self.live.discard(request)
            request.close()

    def hang_up(self):
        for request in list(self.live):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        pass  # a client that hangs up in the middle is no news


class Authority:
    """Attributes may be changed while it runs. @lie: function (header, claims, tdx) that changes them in place. @mood: what it does instead of
    answering: (status, body, headers), "hang", "drip", or a number of seconds that it takes for an honest answer."""

    def __init__(self, port=0, at=None, api_key=API_KEY):
        self.api_key = api_key
        self.at = at  # Unix seconds, else the clock
        self.chain = Chain()
        self.first = Key("key-0", self.chain)
        self.reset()
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                authority.handle(self)

            do_POST = do_GET

        self.handler, self.tls = Handler, None
        self.listen(port)
        self.url = f"http://127.0.0.1:{self.port}"

    def listen(self, port):
        self.server = Server(("127.0.0.1", port), self.handler)
        self.server.tls = self.tls
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def use_tls(self, context):
        """From the next connection on; None: in the clear again."""
        self.tls = self.server.tls = context
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"

    def leave(self):
        """Nobody listens there any more, until come_back()."""
        self.server.shutdown()
        self.server.server_close()
        self.server.hang_up()

    def come_back(self):
        self.listen(self.port)

    def reset(self):
        self.lie, self.finish, self.version, self.attest_answers, self.n_attest, self.n_keys = None, None, "2.0.0", [], 0, 0
        self.raw_payload, self.rotate_after_fetch, self.mood = None, None, None
        self.keys = [self.first]
        self.signer = self.first
        self.first.pss, self.first.changes = (hashes.SHA384, hashes.SHA384, 48), {}
        self.raw_keys = None  # function of the key set's text
        self.released = threading.Event()

    def close(self):
        self.released.set()
        self.leave()

    def new_key(self, kid, known, **options):
        key = Key(kid, self.chain, **options)
        if known:
            self.keys.append(key)
        return key

    def token(self, quote):
        now = int(self.at if self.at is not None else time.time())
        header = {"alg": "PS384", "kid": self.signer.kid, "typ": "JWT", "jku": self.url + "/certs"}
        tdx = claims_about(quote)
        claims = {"ver": self.version, "iss": self.url, "iat": now, "nbf": now, "exp": now + 300, "jti": "00000000-0000-4000-8000-000000000001",
                  "intuse": "generic", "policy_ids_matched": None, "policy_ids_unmatched": None, "policy_defined_claims": None}
        if self.version.startswith("2"):
            claims["tdx"] = tdx
        if self.lie:
            self.lie(header, claims, tdx)
        if not self.version.startswith("2"):
            claims.update(tdx)
        payload = json.dumps(claims, separators=(",", ":"))
        if self.raw_payload:
            payload = self.raw_payload(payload)
        text = base64url(json.dumps(header).encode()) + "." + base64url(payload.encode())
        token = text + "." + base64url(self.signer.sign(text.encode(), header.get("alg", "PS384")))
        return self.finish(token) if self.finish else token

    def key_set(self):
        self.n_keys += 1
        answer = {"keys": [key.jwk() for key in self.keys]}
        if self.rotate_after_fetch:
            self.keys, self.rotate_after_fetch = self.keys + [self.rotate_after_fetch], None
        return answer

    def handle(self, request):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        path = urllib.parse.urlsplit(request.path).path  # absolute where a proxy is between
        if path == "/certs":
            text = json.dumps(self.key_set())
            return self.answer(request, 200, (self.raw_keys(text) if self.raw_keys else text).encode())
        self.n_attest += 1
        mood = self.attest_answers.pop(0) if self.attest_answers else self.mood
        if mood == "hang":
            self.released.wait(60)
            request.close_connection = True
            return None
        if mood == "drip":
            return self.drip(request)
        if isinstance(mood, (int, float)):
            self.released.wait(mood)
        elif mood is not None:
            return self.answer(request, *mood)
        if path != "/appraisal/v2/attest" or request.headers.get("x-api-key") != self.api_key:
            return self.answer(request, 401, b'{"error":"no such key"}')
        quote = base64.b64decode(json.loads(body)["tdx"]["quote"])
        return self.answer(request, 200, json.dumps({"token": self.token(quote)}).encode())

    def drip(self, request):
        """An answer that never ends, a byte at a time."""
        request.send_response(200)
        request.send_header("Content-Length", "60000")
        request.end_headers()
        request.close_connection = True
        try:
            while not self.released.wait(0.1):
                request.wfile.write(b" ")
        except OSError:
            pass

    @staticmethod
    def answer(request, status, body, headers=()):
        request.send_response(status)
        for name, value in dict(headers).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key-file")
    arguments = parser.parse_args()
    key = API_KEY
    if arguments.api_key_file:
        with open(arguments.api_key_file, encoding="ascii") as f:
            key = f.read().strip()
    print(json.dumps({"ready": True, "url": Authority(arguments.port, api_key=key).url}), flush=True)
    threading.Event().wait()


__all__ = ["API_KEY", "Authority", "claims_about"]

if __name__ == "__main__":
    main()
