#!/usr/bin/env python3
"""A teesqld whose Trust Authority is away, slow, busy or somebody else: the peer is refused within its deadline and told why, those who are in and
those who are known are not disturbed, health says so. And how `when-unavailable = skip` changes that."""

import concurrent.futures
import hashlib
import json
import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import forge, pgclient, tap  # noqa: E402
from harness.processes import wait_for  # noqa: E402
from harness.scene import HTML, LIMIT, REDIRECT, TROUBLE, Scene, about, flipped  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.webpki import WebAuthority  # noqa: E402

DEADLINE = 4  # of a verification, seconds
PROMPT = 2  # what needs no authority takes less, on a slow machine too
SLACK = 4  # from the deadline to the message at the client
ABSURD = (429, b"", {"Retry-After": "4294967295"})
DENIED = (401, b'{"error":"no such key"}', {})


class Away(Scene):
    def __init__(self):
        super().__init__()
        self.count, self.inside = 0, None

    def stop(self):
        if self.inside:
            self.inside.close()  # a daemon that ends waits for those who are in
        if self.world.daemon and self.world.daemon.alive():
            self.world.daemon.stop()

    def begin(self, **more):
        """A fresh daemon: it remembers rate limits, keys and verdicts."""
        self.authority.released.set()
        self.authority.use_tls(None)
        self.authority.reset()
        self.world.overrides = {"teesql": {"verifiers": "dcap;ita"}, "proxy": {"verify-timeout": f"{DEADLINE}s"},
                                "verifier:ita": self.ita(**{"timeout": "2s", **more})}
        self.stop()
        self.world.daemon_config = self.world.write_daemon_config()
        self.world.start_daemon()
        self.known = self.own()
        self.inside = self.login(self.known)

    def own(self):
        """A certificate that the daemon has not seen yet."""
        self.count += 1
        key = forge.new_key()
        bound = hashlib.sha512(b"ratls-cert:" + forge.spki(key)).hexdigest()
        attestation = bytes.fromhex(self.world.client.call("Attest", report_data=bound)["attestation"])
        return forge.self_signed(self.world.dir, f"peer-{self.count}", [(forge.ATTESTATION, forge.octet_string(attestation))], key)

    def login(self, certificate):
        client = pgclient.Client(self.world.port).start_tls(certificate)
        client.login("teesql_readwrite", self.world.secrets["teesql_readwrite"])
        return client

    def judge(self, certificate=None):
        """(what the client was told, or None where it was let in; seconds)"""
        certificate = certificate or self.own()
        begin = time.monotonic()
        try:
            self.login(certificate).close()
            told = None
        except pgclient.ServerError as error:
            told = error.fields["M"]
        return told, time.monotonic() - begin

    def health(self):
        begin = time.monotonic()
        status, answer = self.world.http("/health")
        equal(status != 0 and time.monotonic() - begin < PROMPT, True, "health is late")
        return json.dumps(answer)

    def undisturbed(self):
        """Those who are in, those who are known, and those who bring nothing are served as ever."""
        begin = time.monotonic()
        equal(self.inside.query("select 7"), [["7"]])
        self.login(self.known).close()
        try:
            pgclient.Client(self.world.port).start_tls().login("teesql_read", "x")
            raise AssertionError("somebody without evidence was let in")
        except pgclient.ServerError as error:
            contains(error.fields["M"], "client attestation refused: ")
        self.health()
        took = time.monotonic() - begin
        assert took < PROMPT, f"it took {took:.1f} s"

    def refused_while(self, reason):
        """A new peer is refused for @reason within the deadline, while all others are served."""
        certificate = self.own()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pending = pool.submit(self.judge, certificate)
            self.undisturbed()
            told, took = pending.result()
        contains(told or "", f"client attestation refused: the evidence cannot be verified at present ({reason})")
        assert took < DEADLINE + SLACK, f"refused after {took:.1f} s"
        contains(self.health(), reason)
        self.undisturbed()
        return took

    def close(self):
        self.authority.released.set()
        self.inside.close()
        super().close()


def outage(title, reason, begin, end=None, **more):
    @case(f"{title}: refused ({reason}), others are not disturbed, health says so, and it passes")
    def _(s):
        s.begin(**more)
        begin(s)
        try:
            s.refused_while(reason)
        finally:
            s.authority.released.set()
            if end:
                end(s)
            s.authority.reset()
        if reason != "ita-throttled":
            equal(s.judge()[0], None, "it is back")
            equal("ita-" in s.health(), False, "health is clear again")

    @case(f"{title}, and skip is written: judged by the other one, and said")
    def _(s):
        s.begin(when_unavailable="skip", **more)
        contains(s.world.daemon.log(), "[verifier:ita] when-unavailable = skip")
        begin(s)
        try:
            told, took = s.judge()
            equal(told, None, title)
            assert took < DEADLINE + SLACK, f"let in after {took:.1f} s"
            contains(s.world.daemon.log(), "; verified without ita (")
            contains(s.health(), "verifier-skipped")
            s.undisturbed()
        finally:
            s.authority.released.set()
            if end:
                end(s)
            s.authority.reset()


def mood(value):
    def begin(s):
        s.authority.mood = value
    return begin


outage("nobody listens", "ita-unreachable", lambda s: s.authority.leave(), lambda s: s.authority.come_back())
outage("it takes the request and is silent", "ita-timeout", mood("hang"))
outage("its answer drips", "ita-timeout", mood("drip"))
outage("it answers HTML", "ita-answer", mood(HTML))
outage("it sends us elsewhere", "ita-redirect", mood(REDIRECT))
outage("its front end is in trouble", "ita-status", mood(TROUBLE))
outage("it limits us", "ita-throttled", mood(LIMIT))
outage("it limits us for a century", "ita-throttled", mood(ABSURD))


@case("slow, but within the deadline: the peer waits and is let in, and nobody else waits with it")
def _(s):
    s.begin(timeout="3s")
    s.authority.mood = 1.5
    certificate = s.own()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pending = pool.submit(s.judge, certificate)
        wait_for(lambda: s.authority.n_attest > 1, "the question")
        s.undisturbed()
        told, took = pending.result()
    equal(told, None)
    assert 1.5 <= took < DEADLINE, took
    s.authority.mood = None


@case("many new peers at a silent authority: each is refused within its deadline, and the others are served meanwhile")
def _(s):
    s.begin()
    s.authority.mood = "hang"
    certificates = [s.own() for _ in range(12)]
    with concurrent.futures.ThreadPoolExecutor(len(certificates)) as pool:
        pending = [pool.submit(s.judge, c) for c in certificates]
        wait_for(lambda: s.authority.n_attest > 4, "the questions")
        s.undisturbed()
        for told, took in (p.result() for p in pending):
            # the verifier's deadline or, where the questions queue, that of the session
            assert "cannot be verified at present (" in (told or "") or "verification did not end in time" in (told or ""), told
            assert took < DEADLINE + SLACK, f"refused after {took:.1f} s"
    s.authority.released.set()
    s.authority.reset()
    equal(s.judge()[0], None)


@case("while a limit lasts nobody is asked, whoever comes; each is told at once")
def _(s):
    s.begin()
    s.authority.mood = ABSURD
    s.judge()
    asked = s.authority.n_attest
    s.authority.mood = None
    for _ in range(3):
        told, took = s.judge()
        contains(told or "", "(ita-throttled)")
        assert took < PROMPT, took
    equal(s.authority.n_attest, asked)


@case("a peer that comes again while the authority is away asks again, and one that was accepted does not")
def _(s):
    s.begin()
    asked = s.authority.n_attest
    s.authority.mood = HTML
    equal(s.judge(s.known)[0], None, "its verdict is known")
    equal(s.authority.n_attest, asked)
    peer = s.own()
    contains(s.judge(peer)[0] or "", "(ita-answer)")
    s.authority.mood = None
    equal(s.judge(peer)[0], None, "no refusal is remembered")


@case("away at the start of the daemon: its own evidence waits, peers are refused, and then all is well")
def _(s):
    s.begin()
    s.stop()
    s.authority.leave()
    try:
        s.world.start_daemon(ready=False)
        wait_for(lambda: s.world.http("/health")[0] != 0, "an answer of health")
        equal(s.world.http("/health/ready")[0] == 200, False, "ready without a judged identity")
    finally:
        s.authority.come_back()
    wait_for(lambda: s.world.http("/health/ready")[0] == 200, "a daemon that has found its authority", 60)
    equal(s.judge()[0], None)


@case("a refused API key is never passed over, also where an outage is")
def _(s):
    s.begin(when_unavailable="skip")
    s.authority.mood = DENIED
    contains(s.judge()[0] or "", "(ita-permission)")
    contains(s.health(), "ita-permission")
    s.authority.reset()


@case("a refusal is never passed over, and both opinions are in the log")
def _(s):
    s.begin(when_unavailable="skip")
    about(tdx_rtmr1=flipped("tdx_rtmr1"))(s.authority)
    contains(s.judge()[0] or "", "tdx_rtmr1 is not that of the quote we hold")
    contains(s.world.daemon.log(), "verifiers disagree: dcap accepts, ita refuses (token-measurement: ")
    s.authority.reset()


@case("a server with another certificate, or with TLS of yesterday: refused, and neither key nor quote is sent")
def _(s):
    ca, other = WebAuthority(s.world.dir, "web-ca"), WebAuthority(s.world.dir, "other-ca")
    s.begin()
    s.stop()
    s.authority.use_tls(ca.server("right"))
    s.world.overrides["verifier:ita"].update(s.ita(ca_file=ca.file, when_unavailable="skip", timeout="2s"))
    s.world.daemon_config = s.world.write_daemon_config()
    s.world.start_daemon()
    s.inside = s.login(s.own())
    asked = s.authority.n_attest
    old = ca.server("old")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    s.authority.leave()  # with what is open
    s.authority.tls = other.server("wrong")
    s.authority.come_back()
    contains(s.judge()[0] or "", "(ita-certificate)")
    contains(s.health(), "ita-certificate")
    equal(s.inside.query("select 8"), [["8"]])
    s.authority.server.tls = old
    equal(s.judge()[0], None, "TLS of yesterday is an outage, which may be passed over")
    contains(s.world.daemon.log(), "; verified without ita (ita-tls)")
    equal(s.authority.n_attest, asked)


def main():
    scene = Away()
    try:
        return tap.run(scene)
    finally:
        scene.close()


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
