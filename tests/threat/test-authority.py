#!/usr/bin/env python3
"""A Trust Authority that lies, one point at a time, and one that is away, slow or somebody else. Each lie is refused for its own reason."""

import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import hashes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import forge, pgclient, tap  # noqa: E402
from harness.authority import API_KEY, Authority, base64url  # noqa: E402
from harness.processes import PLUGINS, wait_for  # noqa: E402
from harness.scene import (HTML, LIMIT, REDIRECT, TROUBLE, VECTORS, Scene, about, claims, finished, flipped, header, payload,  # noqa: E402
                           stranger, without)
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402


def reason_of(scene, reason, **more):
    code, answer, errors = scene.verify(config=scene.config(**more))
    equal((code, answer.get("reason")), (1, reason), str(answer) + errors)


def lie(title, reason, change, **more):
    @case(f"SR-10: {title}: {reason}")
    def _(s):
        s.authority.reset()
        change(s.authority)
        reason_of(s, reason, **more)
        s.authority.reset()


@case("the honest token is taken, in both layouts, so the refusals below mean something")
def _(s):
    for version in ("2.0.0", "1.0.0"):
        s.authority.reset()
        s.authority.version = version
        code, answer, errors = s.verify()
        equal((code, answer.get("verified"), answer.get("tcb_status")), (0, True, "UpToDate"), str(answer) + errors)


lie("another algorithm", "token-alg", header(alg="ES256"))
lie("RS256, which nobody allowed", "token-alg", header(alg="RS256"))
lie("no algorithm", "token-alg-none", header(alg="none"))
lie("HS256 keyed with the public key", "token-alg-hmac", header(alg="HS256"))
lie("a foreign jku", "token-jku", header(jku="https://evil.example/certs"))
lie("x5u", "token-x5u", header(x5u="https://evil.example/chain.pem"))
lie("jwk", "token-jwk", header(jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"}))
lie("a foreign x5c", "token-x5c", header(x5c=["AAAA"]))
lie("crit", "token-crit", header(crit=["exp"]))
lie("an unknown kid", "token-kid-unknown", stranger("key-of-nobody"))
lie("a known kid and another key", "token-signature", stranger("key-0"))
lie("a claim twice", "token-duplicate-name", payload(lambda text: text.replace('"iss":', '"iss":"x","iss":', 1)))
lie("a claim twice below", "token-duplicate-name", payload(lambda text: text.replace('"tdx_mrtd":', '"tdx_mrtd":"00","tdx_mrtd":', 1)))
lie("a measurement of another type", "token-claim-type", about(tdx_mrtd=7))
lie("a date of another type", "token-claim-type", claims(exp=lambda c: str(c["exp"])))
lie("truncated base64url", "token-base64url", finished(lambda token: token + "A"))
lie("padded base64url", "token-base64url", finished(lambda token: token + "="))
lie("a token of a megabyte", "token-size", finished(lambda token: token + "A" * (1 << 20)))
lie("expired", "token-expired", claims(iat=lambda c: c["iat"] - 400, exp=lambda c: c["exp"] - 400))
lie("not yet valid", "token-not-yet-valid", claims(nbf=lambda c: c["nbf"] + 200))
lie("issued in the future", "token-issued-in-future", claims(iat=lambda c: c["iat"] + 200))
lie("older than max-token-age", "token-too-old", claims(iat=lambda c: c["iat"] - 60), max_token_age="30s")
lie("a nonce that we did not send", "token-nonce", claims(verifier_nonce={"val": "AA==", "iat": "AA==", "signature": "AA=="}))
lie("another measurement", "token-measurement", about(tdx_mrtd=flipped("tdx_mrtd")))
lie("another RTMR", "token-measurement", about(tdx_rtmr3=flipped("tdx_rtmr3")))
lie("other attributes", "token-attributes", about(tdx_td_attributes=flipped("tdx_td_attributes")))
lie("no debug claim", "token-debug-absent", without("tdx_is_debuggable"))
lie("debug", "token-debug", about(tdx_is_debuggable=True))
lie("other report data", "token-report-data", about(tdx_report_data=flipped("tdx_report_data")))
lie("another issuer", "token-iss", claims(iss="https://portal.trustauthority.intel.com"))
lie("no issuer", "token-claim-absent", without("iss"))
lie("a status nobody knows", "token-tcb-status", about(attester_tcb_status="Splendid"))
lie("a policy that did not match", "token-claim-type", claims(), policy_ids="6a3f0d1e-0000-4000-8000-000000000001")
lie("keys of another root than the pinned one", "key-root", claims(), pinned_root="ab" * 32)


def pss(digest=hashes.SHA384, mask=hashes.SHA384, salt=48):
    def change(authority):
        authority.signer.pss = (digest, mask, salt)
    return change


def jwk(**changes):
    def change(authority):
        authority.signer.changes = changes
    return change


def key(**options):
    def change(authority):
        authority.keys = []
        authority.signer = authority.new_key("key-0", True, **options)
    return change


def keys(function):
    def change(authority):
        authority.raw_keys = function
    return change


def twin(authority):
    """Two keys of one name, one of which has signed."""
    authority.new_key("key-0", True)


# as JWA wants it, the salt has the digest's size; another is another algorithm
lie("PS384 without a salt", "token-signature", pss(salt=0))
lie("PS384 with a short salt", "token-signature", pss(salt=47))
lie("PS384 with the longest salt", "token-signature", pss(salt=384 - 48 - 2))
lie("PS384 over another digest", "token-signature", pss(digest=hashes.SHA256, mask=hashes.SHA256, salt=32))
lie("PS384 with another mask", "token-signature", pss(mask=hashes.SHA256))
lie("a key of 1024 bits", "key-size", key(bits=1024))
lie("a key whose exponent is 3", "key-exponent", key(exponent=3))
lie("a key whose exponent is 1", "key-exponent", jwk(e="AQ"))
lie("a key of 65,536 bits", "key-form", jwk(n="A" * 10923))
lie("a key with another chain", "key-chain", jwk(n=base64url(b"\xff" * 384)))
lie("a key without a chain", "key-chain", jwk(x5c=[]))
lie("two keys of one name", "token-kid-ambiguous", twin)
lie("a key set with a name twice", "keys-duplicate-name", keys(lambda text: text.replace('"kid":', '"kid":"x","kid":', 1)))
lie("a key set that is a page", "keys-json", keys(lambda text: "<html>"))
lie("a key set of a megabyte", "keys-size", keys(lambda text: text + " " * (1 << 20)))
lie("a key set without keys", "token-kid-unknown", keys(lambda text: '{"keys":[]}'))
lie("five parts, as an encrypted token has", "token-form", finished(lambda token: token + ".AAAA.AAAA"))
lie("a signature that is no base64url", "token-base64url", finished(lambda token: token.replace("-", "+").replace("_", "/") + "+/+"))
lie("bits that are left over", "token-base64url", finished(lambda token: token.rpartition(".")[0] + ".AB"))
lie("a kid that moves the cursor", "token-kid", header(kid="\x1b[2Jkey-0"))
lie("a kid of look-alikes", "token-kid", header(kid="k\u0435y-0"))
lie("an issuer with a NUL behind it", "token-claim-type", claims(iss=lambda c: c["iss"] + "\0.evil.example"))
lie("a name that is escaped to stand twice", "token-json", payload(lambda text: text.replace('"iss":', '"\\u0069ss":"x","iss":', 1)))
lie("ten thousand levels", "token-json", payload(lambda text: text.replace('"iss":', '"deep":' + "[" * 10000 + "]" * 10000 + ',"iss":', 1)))
lie("times that no calendar has", "token-claim-type", claims(exp=lambda c: 10 ** 30))
lie("a date before the first", "token-claim-type", claims(nbf=lambda c: -1))


@case("SR-10: RS256 where it is allowed, by a key that is for it, and no other way round")
def _(s):
    s.authority.reset()
    header(alg="RS256")(s.authority)
    jwk(alg="RS256")(s.authority)
    code, answer, errors = s.verify(config=s.config(allow_rs256="true"))
    equal((code, answer.get("verified")), (0, True), str(answer) + errors)
    reason_of(s, "token-alg")
    jwk()(s.authority)
    reason_of(s, "token-alg", allow_rs256="true")  # the key is for PS384
    s.authority.reset()
    jwk(alg="RS256")(s.authority)
    reason_of(s, "token-alg", allow_rs256="true")  # signed with PS384, the key is for RS256
    s.authority.reset()


@case("SR-10: a token for another quote of the same machine, played again: token-report-data")
def _(s):
    s.authority.reset()
    kept = []
    s.authority.finish = lambda token: kept.append(token) or token
    equal(s.verify()[0], 0)
    s.authority.finish = lambda token: kept[0]
    equal(s.verify()[0], 0, "the same quote, and the token is still young")
    other = os.path.join(s.world.dir, "other.bin")
    with open(other, "wb") as f:
        f.write(bytes.fromhex(s.world.client.call("Attest", report_data="a5" * 64)["attestation"]))
    code, answer, errors = s.verify(file=other)
    equal((code, answer.get("reason")), (1, "token-report-data"), str(answer) + errors)
    s.authority.reset()


@case("SR-10: a token of another authority's key of the same name: token-signature")
def _(s):
    s.authority.reset()
    other = Authority()
    try:
        s.authority.signer = other.first  # kid key-0 there too
        reason_of(s, "token-signature")
        # its keys, and our API: the chain of neither is a bridge
        s.authority.reset()
        s.authority.raw_keys = lambda text: json.dumps(other.key_set())
        reason_of(s, "token-signature")
    finally:
        other.close()
    s.authority.reset()


@case("the key set is fetched from the configured address only, whatever a token names")
def _(s):
    s.authority.reset()
    other = Authority()
    try:
        s.authority.signer = other.first
        for name in ("jku", "x5u"):
            header(**{name: other.url + "/certs"})(s.authority)
            s.verify()
        equal(other.n_keys + other.n_attest, 0)
    finally:
        other.close()
    s.authority.reset()


@case("keys that change in mid-flight are looked at once more")
def _(s):
    s.authority.reset()
    fresh = s.authority.new_key("key-1", False)
    s.authority.rotate_after_fetch = s.authority.signer = fresh
    code, answer, errors = s.verify()
    equal((code, s.authority.n_keys), (0, 2), str(answer) + errors)
    s.authority.reset()


@case("away, HTML, a redirect and a rate limit are no verdict: exit code 3 and a word of their own")
def _(s):
    for mood, reason in ((HTML, "ita-answer"), (REDIRECT, "ita-redirect"), (LIMIT, "ita-throttled"), (TROUBLE, "ita-status"), ("hang", "ita-timeout")):
        s.authority.reset()
        s.authority.mood = mood
        code, answer, errors = s.verify()
        equal(code, 3, str(answer) + errors)
        contains(str(answer) + errors, "attest: ", reason)
        s.authority.released.set()
    s.authority.reset()


@case("Intel's own chain: dcap accepts what a lying authority refuses")
def _(s):
    quote = os.path.join(VECTORS, "tdx4-uptodate-a/quote.bin")
    if not os.path.exists(quote):
        raise tap.Skip("the shared vectors are not here")
    at = 1751624191
    s.authority.reset()
    s.authority.at = at
    groups = {"teesql": {"verifiers": "dcap;ita", "plugin-path": PLUGINS},
              "verifier:dcap": {"collateral-file": os.path.join(VECTORS, "tdx4-uptodate-a/collateral.json"), "cache-directory": "none"},
              "verifier:ita": {**s.ita(), "trusted-root": "intel"}}
    config = s.world.write("intel.conf", World.keyfile(groups, {}))
    try:
        code, answer, errors = s.verify("--at", str(at), config=config, file=quote)
        equal((code, answer.get("verified")), (0, True), str(answer) + errors)
        about(tdx_mrtd=flipped("tdx_mrtd"))(s.authority)
        code, answer, errors = s.verify("--at", str(at), config=config, file=quote)
        equal((code, answer.get("reason")), (1, "token-measurement"), str(answer) + errors)
        equal([(v["name"], v["verdict"], v["reason"]) for v in answer["verifiers"]],
              [("dcap", "verified", None), ("ita", "refused", "token-measurement")], "side by side")
        code, answer, errors = s.verify("--verifier", "dcap", "--at", str(at), config=config, file=quote)
        equal((code, len(answer["verifiers"])), (0, 1), str(answer) + errors)
    finally:
        s.authority.at = None
        s.authority.reset()


# --- the daemon with both -------------------------------------------------------------------------------------------


def own(s, name):
    """An own certificate each time: verdicts are kept per certificate."""
    key = forge.new_key()
    bound = hashlib.sha512(b"ratls-cert:" + forge.spki(key)).hexdigest()
    attestation = bytes.fromhex(s.world.client.call("Attest", report_data=bound)["attestation"])
    return forge.self_signed(s.world.dir, name, [(forge.ATTESTATION, forge.octet_string(attestation))], key)


def refusal(s, name):
    client = pgclient.Client(s.world.port).start_tls(own(s, name))
    try:
        client.login("teesql_readwrite", s.world.secrets["teesql_readwrite"])
    except pgclient.ServerError as error:
        contains(error.fields["M"], "client attestation refused: ")
        return error.fields["M"]
    raise AssertionError("the client was let in")


def welcome(s, name):
    equal(pgclient.attested(s.world, certificate=own(s, name)).query("select 1"), [["1"]])


@case("both verifiers accept: the client is let in, and everything is tainted")
def _(s):
    s.authority.reset()
    s.daemon()
    welcome(s, "both")
    contains(json.dumps(s.world.http("/health")[1]), "trust authority http://127.0.0.1")


@case("one that refuses what the other accepts: refused, and the log names the disagreement with both opinions")
def _(s):
    about(tdx_rtmr0=flipped("tdx_rtmr0"))(s.authority)
    contains(refusal(s, "disagree"), "tdx_rtmr0")
    log = s.world.daemon.log()
    contains(log, "verifiers disagree: dcap accepts, ita refuses (token-measurement: ")
    equal(API_KEY in log, False)
    s.authority.reset()


@case("a flood of tokens with new kids: the key set is looked at once more, not once for each")
def _(s):
    s.authority.reset()
    s.daemon()
    welcome(s, "before-the-flood")
    fetched = s.authority.n_keys
    flood = s.authority.new_key("key-0", False)
    numbers = iter(range(1000))
    s.authority.lie = lambda h, c, t: h.update(kid=f"flood-{next(numbers)}")
    s.authority.signer = flood
    for i in range(8):
        contains(refusal(s, f"flood-{i}"), "key set has no key flood-")
    equal(s.authority.n_keys - fetched, 1)
    s.authority.reset()
    welcome(s, "after-the-flood")


@case("one trouble is asked again, within the connection's deadline")
def _(s):
    s.authority.reset()
    s.authority.attest_answers = [TROUBLE]
    welcome(s, "again")
    equal(s.authority.n_attest, 2)


@case("away, HTML, redirected: refused, those who are in are not disturbed, and health says so")
def _(s):
    s.authority.reset()
    inside = pgclient.attested(s.world, certificate=own(s, "inside"))
    for mood, reason in ((HTML, "ita-answer"), (REDIRECT, "ita-redirect"), ("hang", "ita-timeout")):
        s.authority.mood = mood
        contains(refusal(s, "away"), reason)
        contains(json.dumps(s.world.http("/health")[1]), reason)
        equal(inside.query("select 2"), [["2"]])
        s.authority.released.set()
        s.authority.reset()
    welcome(s, "back")
    equal(s.world.http("/health")[1]["status"] != "failed", True)


@case("when-unavailable = skip is said, and peers are judged by the other one")
def _(s):
    s.authority.reset()
    s.daemon(when_unavailable="skip")
    contains(s.world.daemon.log(), "when-unavailable = skip")
    s.authority.mood = HTML
    welcome(s, "skipped")
    contains(s.world.daemon.log(), "verified without ita (ita-answer)")
    contains(json.dumps(s.world.http("/health")[1]), "verifier-skipped")
    # a refusal is never skipped
    s.authority.reset()
    about(tdx_is_debuggable=True)(s.authority)
    contains(refusal(s, "not-skipped"), "debug")
    s.authority.reset()


@case("SR-7: Intel's root beside an authority that is not Intel's is refused at start")
def _(s):
    s.daemon()
    s.world.daemon.stop()
    overrides = {**s.world.overrides, "verifier:dcap": {"trusted-root": "intel"}}
    s.world.daemon_config = s.world.write_daemon_config(overrides)
    s.world.start_daemon(ready=False)
    wait_for(lambda: not s.world.daemon.alive(), "the end of a daemon with mixed roots")
    contains(s.world.daemon.log(), "beside a verifier on Intel's root")


def main():
    scene = Scene()
    try:
        return tap.run(scene)
    finally:
        scene.close()


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
