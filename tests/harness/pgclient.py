"""A small PostgreSQL client of our own over any socket: tests that misbehave need more control than libpq gives."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct

PROTOCOL_3, SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 196608, 80877103, 80877104, 80877102


class ServerError(Exception):
    def __init__(self, fields):
        super().__init__(f"{fields.get('S')}:  {fields.get('M')} ({fields.get('C')})")
        self.fields = fields


def tls_context(certificate=None, alpn=None):
    """No verification of the server's chain here: what these tests look at is the server's judgement of us."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Client:
    def __init__(self, port, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parameters, self.backend_key = {}, None

    def close(self):
        self.sock.close()

    # --- bytes

    def send(self, data):
        self.sock.sendall(data)

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError(f"closed after {len(data)} of {n} bytes")
            data += part
        return data

    def message(self):
        kind, size = struct.unpack("!cI", self.read(5))
        body = self.read(size - 4)
        if kind == b"E":
            raise ServerError({f[:1].decode(): f[1:].decode() for f in body.split(b"\0") if f})
        return kind, body

    # --- the way in

    def request_tls(self):
        self.send(struct.pack("!II", 8, SSL_REQUEST))
        return self.read(1)

    def start_tls(self, certificate=None, alpn=None, server_name=None):
        self.sock = tls_context(certificate, alpn).wrap_socket(self.sock, server_hostname=server_name)
        return self

    def startup_packet(self, user, **parameters):
        values = {"user": user, "database": "postgres", **parameters}
        body = struct.pack("!I", PROTOCOL_3) + b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in values.items()) + b"\0"
        return struct.pack("!I", len(body) + 4) + body

    def send_message(self, kind, body):
        self.send(kind + struct.pack("!I", len(body) + 4) + body)

    def login(self, user, secret, **parameters):
        self.send(self.startup_packet(user, **parameters))
        kind, body = self.message()
        assert kind == b"R", (kind, body)
        assert struct.unpack("!I", body[:4])[0] == 10, "SASL was expected"
        self.mechanisms = [m.decode() for m in body[4:].split(b"\0") if m]
        self.scram(secret)
        while True:
            kind, body = self.message()
            if kind == b"S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif kind == b"K":
                self.backend_key = body
            elif kind == b"Z":
                return self

    def scram(self, secret, mechanism="SCRAM-SHA-256", gs2="n,,", binding=b"", mutate=lambda step, text: text):
        nonce = base64.b64encode(os.urandom(18)).decode()
        first_bare = f"n=,r={nonce}"
        first = mutate("first", gs2 + first_bare).encode()
        self.send_message(b"p", mechanism.encode() + b"\0" + struct.pack("!I", len(first)) + first)
        kind, body = self.message()
        assert kind == b"R" and struct.unpack("!I", body[:4])[0] == 11, (kind, body)
        server_first = body[4:].decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        assert fields["r"].startswith(nonce)
        salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c={base64.b64encode(gs2.encode() + binding).decode()},r={fields['r']}"
        message = f"{first_bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        self.send_message(b"p", mutate("final", f"{without_proof},p={proof}").encode())
        kind, body = self.message()
        assert kind == b"R" and struct.unpack("!I", body[:4])[0] == 12, (kind, body)
        expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        assert body[4:] == b"v=" + base64.b64encode(expected), "the server does not know the secret"
        kind, body = self.message()
        assert kind == b"R" and struct.unpack("!I", body[:4])[0] == 0, (kind, body)

    def query(self, sql):
        """Rows of text of a simple query."""
        self.send_message(b"Q", sql.encode() + b"\0")
        return self.rows()

    def rows(self):
        rows, error = [], None
        while True:
            try:
                kind, body = self.message()
            except ServerError as e:
                error = e
                continue
            if kind == b"D":
                rows.append(self.columns(body))
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    @staticmethod
    def columns(body):
        count, = struct.unpack("!H", body[:2])
        values, at = [], 2
        for _ in range(count):
            size, = struct.unpack("!i", body[at:at + 4])
            at += 4
            values.append(None if size < 0 else body[at:at + size].decode())
            at += max(size, 0)
        return values


def attested(world, user="teesql_readwrite", secret=None, alpn=("postgresql",), certificate=None, **parameters):
    """A session logged in over direct TLS."""
    client = Client(world.port).start_tls(certificate or world.certificate(), list(alpn) if alpn else None)
    return client.login(user, secret if secret is not None else world.secrets[user], **parameters)
