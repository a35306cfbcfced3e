#!/usr/bin/env python3
"""The way to the Trust Authority: TLS with a certificate that is right, wrong, old or somebody else's, and proxies that help or do not."""

import os
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.authority import API_KEY  # noqa: E402
from harness.processes import TEESQL, free_port, run  # noqa: E402
from harness.proxy import Proxy  # noqa: E402
from harness.scene import Scene  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.webpki import WebAuthority, dns  # noqa: E402


class Way(Scene):
    def __init__(self):
        super().__init__()
        self.proxy = Proxy()
        self.ca, self.other_ca = WebAuthority(self.world.dir, "web-ca"), WebAuthority(self.world.dir, "other-ca")
        self.honest = self.ca.server("honest")

    def serve(self, context):
        self.authority.reset()
        self.authority.use_tls(context)
        self.proxy.reset()

    def refused(self, word, **options):
        """Nothing is verified, nobody is asked, and no key leaves us."""
        code, answer, errors = self.verify(config=self.config(**options))
        equal(code != 0 and not answer.get("verified"), True, str(answer) + errors)
        contains(errors + str(answer.get("message")), word)
        equal(self.authority.n_attest, 0, "the API key and the quote were sent")
        return code, errors

    def accepted(self, **options):
        code, answer, errors = self.verify(config=self.config(**options))
        equal((code, answer.get("verified")), (0, True), str(answer) + errors)
        return errors

    def close(self):
        self.proxy.close()
        super().close()


# --- TLS --------------------------------------------------------------------------------------------------------------


@case("a server whose authority ca-file names is asked")
def _(s):
    s.serve(s.honest)
    s.accepted(ca_file=s.ca.file)
    equal((s.authority.n_attest, s.authority.n_keys), (1, 1))


@case("SR-7: who names the server's authority could name the keys of tokens: it taints")
def _(s):
    s.serve(s.honest)
    errors = s.accepted(ca_file=s.ca.file)
    contains(errors, f"EXTERNAL TRUST: trust authority {s.authority.url}")
    # Intel's own addresses, and somebody's ca-file: as external as another address
    config = s.world.write("intel-ca.conf", s.world.keyfile({**s.groups("ita"), "verifier:ita": {
        "api-key": f"file:{s.key}", "ca-file": s.ca.file, "proxy": f"http://127.0.0.1:{free_port()}"}}, {}))
    _, _, errors = s.verify(config=config)
    contains(errors, "EXTERNAL TRUST: trust authority behind ca-file ")


@case("a server of another authority: refused before anything is sent")
def _(s):
    s.serve(s.other_ca.server("stranger"))
    s.refused("certificate", ca_file=s.ca.file)


@case("a server of the right authority and another name: refused before anything is sent")
def _(s):
    s.serve(s.ca.server("elsewhere", [dns("authority.example")]))
    s.refused("certificate", ca_file=s.ca.file)


@case("a certificate that has ended, and one that has not begun")
def _(s):
    for title, days, since in (("old", -1, -3), ("young", 3, 1)):
        s.serve(s.ca.server(title, days=days, since=since))
        s.refused("certificate", ca_file=s.ca.file)


@case("without ca-file only the system's authorities count, whatever the environment says")
def _(s):
    s.serve(s.honest)
    s.refused("certificate")
    environment = {**os.environ, "SSL_CERT_FILE": s.ca.file, "SSL_CERT_DIR": s.world.dir, "GIO_USE_TLS": "dummy"}
    result = run([TEESQL, "--json", "--config", s.config(), "verify", "quote", s.attestation], check=False, env=environment)
    equal(result.returncode != 0, True, result.stdout)
    contains(result.stderr, "certificate")


@case("TLS before 1.2 is not spoken")
def _(s):
    context = s.ca.server("ancient")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    s.serve(context)
    equal(s.refused("attest: ", ca_file=s.ca.file)[0], 3)


@case("a server that speaks no TLS at an https address")
def _(s):
    s.serve(None)
    s.authority.url = s.authority.url.replace("http:", "https:")
    code, _ = s.refused("attest: ", ca_file=s.ca.file)
    equal(code, 3)


@case("a certificate that is wrong is nothing to be passed over, also where an outage is")
def _(s):
    s.serve(s.other_ca.server("stranger-again"))
    code, answer, errors = s.verify(config=s.config(verifiers="dcap;ita", ca_file=s.ca.file, when_unavailable="skip"))
    equal((code != 0, answer.get("verified")), (True, None), str(answer) + errors)


@case("what the authority itself answers over TLS stays its own word")
def _(s):
    for status, reason in ((400, "the authority refused the evidence"), (401, "the API key is refused")):
        s.serve(s.honest)
        s.authority.mood = (status, b'{"error":"no"}', {})
        code, answer, errors = s.verify(config=s.config(ca_file=s.ca.file, proxy=s.proxy.url))
        equal(code, 1, errors)
        contains(errors + str(answer.get("message")), reason)


# --- proxies ----------------------------------------------------------------------------------------------------------


@case("proxy: TLS goes through CONNECT, and the proxy reads neither key nor quote")
def _(s):
    s.serve(s.honest)
    s.accepted(ca_file=s.ca.file, proxy=s.proxy.url)
    equal(set(s.proxy.lines), {f"CONNECT 127.0.0.1:{s.authority.port}"})
    equal((API_KEY.encode() in s.proxy.seen, b"x-api-key" in s.proxy.seen.lower()), (False, False))
    equal(s.authority.n_attest, 1)


@case("proxy: one in the middle with a certificate of its own is refused before anything is sent")
def _(s):
    s.serve(s.other_ca.server("middle"))
    s.refused("certificate", ca_file=s.ca.file, proxy=s.proxy.url)


@case("proxy: also an address in the clear goes through it, and only what is configured does")
def _(s):
    s.serve(None)
    s.accepted(proxy=s.proxy.url)
    equal(all(line.split(" ")[1].startswith(s.authority.url) or line.startswith("CONNECT ") for line in s.proxy.lines), True, str(s.proxy.lines))
    s.proxy.reset()
    s.accepted()
    equal(s.proxy.lines, [])


@case("proxy: one that refuses, wants a password, answers nonsense or nothing is an outage, within the time")
def _(s):
    for mood in (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
                 b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", b"garbage\r\n\r\n", b"", "hang"):
        s.serve(s.honest)
        s.proxy.mood = mood
        code, errors = s.refused("attest: ", ca_file=s.ca.file, proxy=s.proxy.url, timeout="2s")
        equal(code, 3, f"{mood}: {errors}")
        equal(API_KEY in errors, False)
        code, answer, errors = s.verify(config=s.config(verifiers="dcap;ita", ca_file=s.ca.file, proxy=s.proxy.url, timeout="2s", when_unavailable="skip"))
        equal((code, answer["verifiers"][1]["verdict"]), (0, "skipped"), f"{mood}: {errors}")


@case("proxy: one that is not there is an outage")
def _(s):
    s.serve(s.honest)
    equal(s.refused("attest: ", ca_file=s.ca.file, proxy=f"http://127.0.0.1:{free_port()}")[0], 3)


@case("proxy: the environment is never asked")
def _(s):
    s.serve(s.honest)
    environment = {**os.environ, **{name: s.proxy.url for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")}}
    result = run([TEESQL, "--json", "--config", s.config(ca_file=s.ca.file), "verify", "quote", s.attestation], env=environment)
    contains(result.stdout, '"verified"')
    equal(s.proxy.lines, [])


def main():
    scene = Way()
    try:
        return tap.run(scene)
    finally:
        scene.close()


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
