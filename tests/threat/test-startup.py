#!/usr/bin/env python3
"""Peers that misbehave before they are authenticated: wrong order, wrong sizes, wrong secrets, silence, too many."""

import os
import resource
import socket
import statistics
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pgclient, tap  # noqa: E402
from harness.processes import wait_for  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402


def closed(sock, seconds=30):
    """Everything until the other side closes."""
    sock.settimeout(seconds)
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def works(w):
    client = pgclient.attested(w)
    equal(client.query("select 1"), [["1"]])
    client.close()


@case("plain startup on the attested port reads why and is closed")
def _(w):
    client = pgclient.Client(w.port)
    client.send(client.startup_packet("teesql_readwrite"))
    try:
        client.message()
        raise AssertionError("an error was expected")
    except pgclient.ServerError as error:
        equal(error.fields["S"], "FATAL")
        contains(error.fields["M"].lower(), "tls")
    equal(closed(client.sock), b"")


@case("bytes behind SSLRequest close the connection and are never read as SQL")
def _(w):
    client = pgclient.Client(w.port)
    client.send(struct.pack("!II", 8, pgclient.SSL_REQUEST) + client.startup_packet("teesql_readwrite"))
    equal(closed(client.sock) in (b"", b"S"), True)


@case("a second SSLRequest is refused")
def _(w):
    client = pgclient.Client(w.port)
    equal(client.request_tls(), b"S")
    client.send(struct.pack("!II", 8, pgclient.SSL_REQUEST))
    closed(client.sock)


@case("SR-24: a plaintext cancel is dropped silently")
def _(w):
    client = pgclient.Client(w.port)
    client.send(struct.pack("!IIII", 16, pgclient.CANCEL_REQUEST, 1234, 5678))
    equal(closed(client.sock), b"")


@case("a cancel inside TLS with a key nobody was given is ignored silently")
def _(w):
    client = pgclient.Client(w.port).start_tls(w.certificate())
    client.send(struct.pack("!IIII", 16, pgclient.CANCEL_REQUEST, 1234, 5678))
    equal(closed(client.sock), b"")


@case("the read secret does not open the read-write role")
def _(w):
    generic(w, "teesql_readwrite", w.secrets["teesql_read"])


def generic(w, user, secret):
    try:
        pgclient.attested(w, user, secret)
    except pgclient.ServerError as error:
        equal((error.fields["S"], error.fields["C"]), ("FATAL", "28P01"))
        return error.fields
    raise AssertionError("the login succeeded")


@case("an unknown role reads the same bytes as a wrong secret")
def _(w):
    unknown, wrong = generic(w, "teesql_nobody__", "0" * 64), generic(w, "teesql_readwrit", "0" * 64)
    known = generic(w, "teesql_readwrite", "0" * 64)
    strip = lambda fields, user: {k: v.replace(user, "ROLE") for k, v in fields.items()}  # noqa: E731
    equal(strip(unknown, "teesql_nobody__"), strip(known, "teesql_readwrite"))
    equal(strip(wrong, "teesql_readwrit"), strip(known, "teesql_readwrite"))


@case("an unknown role takes the time of a wrong secret")
def _(w):
    certificate = w.certificate()

    def once(user):
        begin = time.monotonic()
        try:
            pgclient.attested(w, user, "0" * 64, certificate=certificate)
        except pgclient.ServerError:
            return time.monotonic() - begin
        raise AssertionError("the login succeeded")
    known, unknown = [], []
    for _ in range(15):
        known.append(once("teesql_readwrite"))
        unknown.append(once("teesql_nobody"))
    assert min(known) >= 0.25 and min(unknown) >= 0.25, "a failed login is answered too early"
    difference = abs(statistics.median(known) - statistics.median(unknown))
    assert difference < 0.05, f"medians differ by {difference * 1000:.1f} ms"


@case("the salt shown for an unknown role is that of every role")
def _(w):
    def salt(user):
        client = pgclient.Client(w.port).start_tls(w.certificate())
        client.send(client.startup_packet(user))
        client.message()
        first = b"n,,n=,r=" + b"x" * 24
        client.send_message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first)
        fields = dict(part.split("=", 1) for part in client.message()[1][4:].decode().split(","))
        return fields["s"], fields["i"]
    equal(salt("teesql_nobody"), salt("teesql_readwrite"))


@case("gs2 flag y where PLUS was offered is a downgrade")
def _(w):
    client = pgclient.Client(w.port).start_tls(w.certificate(), ["postgresql"])
    client.send(client.startup_packet("teesql_readwrite"))
    kind, body = client.message()
    contains(body.decode("latin1"), "SCRAM-SHA-256-PLUS")
    try:
        client.scram(w.secrets["teesql_readwrite"], gs2="y,,")
        raise AssertionError("the downgrade was accepted")
    except pgclient.ServerError as error:
        equal(error.fields["S"], "FATAL")


@case("SR-24: a query pipelined before authentication is refused")
def _(w):
    client = pgclient.Client(w.port).start_tls(w.certificate())
    client.send(client.startup_packet("teesql_readwrite") + b"Q" + struct.pack("!I", 13) + b"select 1\0")
    data = closed(client.sock)
    assert b"T\0" not in data and b"\0select" not in data, data
    works(w)


@case("SR-11: a startup packet that promises 10 MB is refused at once")
def _(w):
    client = pgclient.Client(w.port).start_tls(w.certificate())
    client.send(struct.pack("!II", 10_000_000, pgclient.PROTOCOL_3))
    begin = time.monotonic()
    closed(client.sock)
    assert time.monotonic() - begin < 9, "it waited for the bytes"


@case("a 10 MB startup packet before TLS is refused at once")
def _(w):
    client = pgclient.Client(w.port)
    client.send(struct.pack("!II", 10_000_000, pgclient.PROTOCOL_3))
    begin = time.monotonic()
    closed(client.sock)
    assert time.monotonic() - begin < 9, "it waited for the bytes"


@case("malformed startup packets inside TLS end in an error")
def _(w):
    def packet(body, version=pgclient.PROTOCOL_3):
        return struct.pack("!II", len(body) + 8, version) + body
    for bad in (struct.pack("!II", 7, pgclient.PROTOCOL_3), packet(b""), packet(b"\0"), packet(b"user\0\0\0"), packet(b"user\0x"), packet(b"user\0x\0"),
                packet(b"database\0x\0\0"), packet(b"user\0x\0user\0y\0\0"), packet(b"user\0x\0\0more"), packet(b"user\0x\0\0", 2 << 16), packet(b"user\0x\0\0", 4 << 16)):
        client = pgclient.Client(w.port).start_tls(w.certificate())
        client.send(bad)
        data = closed(client.sock)
        assert data[:1] in (b"E", b""), (bad, data)
    works(w)


@case("options that could change another session's rights do not pass")
def _(w):
    for name, value in (("options", "-c session_authorization=postgres"), ("options", "-c role=postgres"), ("role", "postgres"), ("session_authorization", "postgres")):
        try:
            client = pgclient.attested(w, **{name: value})
            equal(client.query("select current_user, session_user"), [["teesql_readwrite", "teesql_readwrite"]], name)
        except pgclient.ServerError as error:
            equal(error.fields["S"], "FATAL", name)


@case("NUL, newline and quotes in a role name reach no log line unescaped")
def _(w):
    try:
        pgclient.attested(w, "x'\"\n\x1b[31mFAKE", "0" * 64)
    except pgclient.ServerError:
        pass
    wait_for(lambda: "FAKE" in w.daemon.log(), "the log line")
    assert "\x1b" not in w.daemon.log()
    assert not any(line.startswith("\x1b[31mFAKE") for line in w.daemon.log().splitlines())


@case("SR-11: a slow sender is cut while others work")
def _(w):
    w.restart_daemon(proxy={"handshake-timeout": "3s", "startup-timeout": "3s"})
    try:
        client = pgclient.Client(w.port)
        client.send(b"\x16\x03\x01\x02\x00")
        begin = time.monotonic()
        ended = False
        while time.monotonic() - begin < 15:
            works_before = time.monotonic()
            works(w)
            assert time.monotonic() - works_before < 5
            try:
                client.send(b"\x01")
            except OSError:
                ended = True
                break
        assert ended, "a sender of one byte now and then was kept past its deadline"
    finally:
        w.restart_daemon()


@case("SR-11: 5,000 connections that never speak do not keep others out")
def _(w):
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20000),) * 2)
    silent = []
    try:
        for n in range(5000):
            # several source addresses, so that both caps are met
            silent.append(socket.create_connection(("127.0.0.1", w.port), 10, source_address=(f"127.0.0.{2 + n % 50}", 0)))
            if n % 1000 == 999:
                works(w)
        works(w)
    finally:
        for s in silent:
            s.close()
    equal(w.http("/health")[0], 200)


@case("one address cannot take every place before authentication")
def _(w):
    crowd = [socket.create_connection(("127.0.0.1", w.port), 10, source_address=("127.0.0.9", 0)) for _ in range(400)]
    works(w)
    for s in crowd:
        s.close()


@case("SR-11: running out of descriptors pauses accepting and never ends the listener")
def _(w):
    soft, hard = resource.prlimit(w.daemon.pid, resource.RLIMIT_NOFILE)
    held = len(os.listdir(f"/proc/{w.daemon.pid}/fd"))
    resource.prlimit(w.daemon.pid, resource.RLIMIT_NOFILE, (held + 12, hard))
    crowd = [socket.create_connection(("127.0.0.1", w.port), 10) for _ in range(60)]
    assert w.daemon.alive()
    for s in crowd:
        s.close()
    resource.prlimit(w.daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def recovered():
        try:
            works(w)
            return True
        except (OSError, EOFError):
            return False
    wait_for(recovered, "a login after the shortage", 60)


@case("after all this no session is left behind")
def _(w):
    wait_for(lambda: w.postgres.admin("select count(*) from pg_stat_activity where usename like 'teesql%'") == "0", "sessions to end", 40)
    works(w)


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
