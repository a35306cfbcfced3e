#!/usr/bin/env python3
"""Peers whose evidence is wrong in one point. Each is refused before authentication and reads which point it was."""

import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import forge, pgclient, tap  # noqa: E402
from harness.processes import TEESQL, run  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import Guest, World  # noqa: E402


def refusal(w, certificate):
    """What a client with this certificate reads; a login or silence is a failure."""
    client = pgclient.Client(w.port).start_tls(certificate)
    try:
        client.login("teesql_readwrite", w.secrets["teesql_readwrite"])
    except pgclient.ServerError as error:
        equal(error.fields["S"], "FATAL")
        equal(error.fields["C"], "28000")
        contains(error.fields["M"], "client attestation refused: ")
        return error.fields["M"]
    raise AssertionError("the client was let in")


def refused_guest(w, name, changes=None, **options):
    """What the client of another guest reads, through its own `teesql cert`."""
    guest = Guest(w, name, **options)
    if changes:
        guest.set(**changes)
    config = w.write_client_config(name, guest)
    result = run([TEESQL, "--config", config, "cert", "--out", os.path.join(w.dir, "cert-" + name)], check=False)
    guest.process.stop()
    if result.returncode != 0:
        return result.stderr
    return refusal(w, (os.path.join(w.dir, f"cert-{name}", "cert.pem"), os.path.join(w.dir, f"cert-{name}", "key.pem")))


@case("the honest client is let in, so the refusals below mean something")
def _(w):
    equal(pgclient.attested(w).query("select 1"), [["1"]])


@case("SR-1: a captured quote in another certificate")
def _(w):
    captured = forge.extension_of(w.certificate()[0])
    contains(refusal(w, forge.self_signed(w.dir, "captured", [(forge.ATTESTATION, captured)])), "report data")


@case("SR-1: a quote over zeroed REPORTDATA")
def _(w):
    attestation = bytes.fromhex(w.client.call("Attest", report_data="00" * 64)["attestation"])
    contains(refusal(w, forge.self_signed(w.dir, "zeroed", [(forge.ATTESTATION, forge.octet_string(attestation))])), "report data")


@case("SR-1: a quote over the untagged hash of the key")
def _(w):
    key = forge.new_key()
    untagged = hashlib.sha256(forge.spki(key)).hexdigest()
    attestation = bytes.fromhex(w.client.call("Attest", report_data=untagged)["attestation"])
    contains(refusal(w, forge.self_signed(w.dir, "untagged", [(forge.ATTESTATION, forge.octet_string(attestation))], key)), "report data")


@case("the same self-made certificate with the right binding is let in")
def _(w):
    key = forge.new_key()
    bound = hashlib.sha512(b"ratls-cert:" + forge.spki(key)).hexdigest()
    attestation = bytes.fromhex(w.client.call("Attest", report_data=bound)["attestation"])
    certificate = forge.self_signed(w.dir, "bound", [(forge.ATTESTATION, forge.octet_string(attestation))], key)
    equal(pgclient.attested(w, certificate=certificate).query("select 1"), [["1"]])


@case("an expired certificate with honest evidence")
def _(w):
    key = forge.new_key()
    bound = hashlib.sha512(b"ratls-cert:" + forge.spki(key)).hexdigest()
    attestation = bytes.fromhex(w.client.call("Attest", report_data=bound)["attestation"])
    contains(refusal(w, forge.self_signed(w.dir, "expired", [(forge.ATTESTATION, forge.octet_string(attestation))], key, start_days_ago=3)), "expired")


@case("no certificate at all")
def _(w):
    contains(refusal(w, None), "no")


@case("a certificate without evidence")
def _(w):
    contains(refusal(w, forge.self_signed(w.dir, "bare")), "evidence")


@case("the same evidence extension twice, with another quote in .1")
def _(w):
    key = forge.new_key()
    bound = hashlib.sha512(b"ratls-cert:" + forge.spki(key)).hexdigest()
    attestation = bytes.fromhex(w.client.call("Attest", report_data=bound)["attestation"])
    other = bytes.fromhex(w.client.call("GetQuote", report_data="11" * 64)["quote"])
    refusal(w, forge.self_signed(w.dir, "two", [(forge.ATTESTATION, forge.octet_string(attestation)), (forge.QUOTE, forge.octet_string(other))], key))


@case("garbage where evidence should be")
def _(w):
    for payload in (b"", b"\x04", b"\x04\x84\xff\xff\xff\xff", forge.octet_string(b"\0\0"), forge.octet_string(b"\x81" * 64), forge.octet_string(os.urandom(9000))):
        refusal(w, forge.self_signed(w.dir, "garbage", [(forge.ATTESTATION, payload)]))


@case("a debug TD")
def _(w):
    contains(refused_guest(w, "debugtd", {"misbehave": "debug-td"}, compose="services: {app: {}}\n"), "debug")


@case("the simulator's own wrong binding is noticed before the certificate is used")
def _(w):
    contains(refused_guest(w, "wrongbinding", {"misbehave": "wrong-binding"}, compose="services: {app: {}}\n"), "report data")


@case("another firmware: MRTD")
def _(w):
    contains(refused_guest(w, "firmware", image="another-image", compose="services: {app: {}}\n"), "MRTD")


@case("another application: compose hash")
def _(w):
    contains(refused_guest(w, "intruder", compose="services: {intruder: {}}\n"), "compose hash")


@case("another platform: a root that nobody configured")
def _(w):
    run([os.path.join(os.path.dirname(TEESQL), "../simulator/teesql-simulator"), "init", os.path.join(w.dir, "other")])
    refused_guest(w, "foreign", seed=os.path.join(w.dir, "other", "seed"), compose="services: {app: {}}\n")


@case("an out-of-date platform reads its status")
def _(w):
    w.server.set(**{"tcb-status": "OutOfDate"})
    try:
        w.restart_daemon(verifier__dcap={"cache-directory": os.path.join(w.dir, "cache-outofdate")})
        contains(refusal(w, w.certificate("stale")), "OutOfDate")
    finally:
        w.server.set(**{"tcb-status": "UpToDate"})
        w.restart_daemon()


def pin(w, key, value, reason):
    w.restart_daemon(policy__clients={key: value})
    try:
        contains(refusal(w, w.certificate()), reason)
    finally:
        w.restart_daemon()


@case("a pin on another RTMR1 refuses")
def _(w):
    pin(w, "allowed-rtmr1", "ab" * 48, "RTMR1")


@case("SR-6: the same measurements under another key provider are refused")
def _(w):
    pin(w, "allowed-key-provider", "kms:" + "ab" * 32, "key provider")


@case("SR-6: an unsettled pin refuses everybody")
def _(w):
    pin(w, "allowed-compose-hash", None, "allowed-compose-hash")


@case("the client refuses a server that its policy does not name, before any secret is sent")
def _(w):
    config = w.write_client_config("strict", w.client, {"policy:server": {"allowed-compose-hash": "cd" * 32}})
    result = run([TEESQL, "--config", config, "connect", "--exec", "--", w.program("psql"), "-XAtqc", "select 1"], check=False,
                 env=w.environment("teesql_readwrite"))
    equal(result.returncode != 0, True)
    contains(result.stderr, "compose hash")


@case("SR-4: a reload that takes a pin away ends running sessions")
def _(w):
    import signal
    client = pgclient.attested(w)
    w.daemon_config = w.write_daemon_config({"policy:clients": {"allowed-compose-hash": "ef" * 32}})
    w.daemon.signal(signal.SIGHUP)
    client.sock.settimeout(30)
    try:
        client.message()
        raise AssertionError("an end was expected")
    except pgclient.ServerError as error:
        equal(error.fields["C"][:2] in ("57", "28"), True, error)
    except (EOFError, OSError):
        pass
    contains(refusal(w, w.certificate()), "compose hash")
    w.restart_daemon()


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
