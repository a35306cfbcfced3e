#!/usr/bin/env python3
"""The tool with two verifiers: verify server and policy explain, side by side; who is asked, who is passed over, what the exit code is."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.processes import TEESQL, free_port, run  # noqa: E402
from harness.scene import HTML, LIMIT, REDIRECT, TROUBLE, Scene, flipped  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402

DENIED = (401, b'{"error":"no such key"}', {})


def server(s, *arguments, config=None, code=0):
    """verify server, its JSON checked; None where it printed none."""
    found, answer, errors = s.tool("verify", "server", *arguments, config=config or s.client_config())
    equal(found, code, str(answer) + errors)
    if answer:
        schema.check_text(json.dumps(answer), "verify-server")
    return answer.get("evidence"), errors


def explain(s, *arguments, config=None, code=0):
    found, answer, errors = s.tool("policy", "explain", *arguments, config=config or s.client_config())
    equal(found, code, str(answer) + errors)
    if answer:
        schema.check_text(json.dumps(answer), "policy-explain")
    return answer, errors


def opinions(evidence):
    return [(v["name"], v["verdict"], v["reason"]) for v in evidence["verifiers"]]


def rules(answer, name):
    found = next(v for v in answer["verifiers"] if v["name"] == name)
    return {row["rule"]: row for row in found["rules"]}


def refusing(answer, name):
    return [(row["rule"], row["reason"]) for row in rules(answer, name).values() if not row["passed"]]


# --- verify server ----------------------------------------------------------------------------------------------------


@case("verify server: both are asked, both accept, and what one does not learn is null")
def _(s):
    s.authority.reset()
    evidence, _ = server(s)
    equal((evidence["verified"], evidence["binding"], evidence["policy"]["accepted"]), (True, "ok", True))
    equal(opinions(evidence), [("dcap", "verified", None), ("ita", "verified", None)])
    dcap, ita = evidence["verifiers"]
    equal((ita["fmspc"], ita["ppid"], ita["tcb_evaluation"]), (None, None, None))
    assert dcap["fmspc"] and dcap["ppid"] and dcap["tcb_evaluation"], dcap
    equal(evidence["collateral_expires"], min(dcap["valid_until"], ita["valid_until"]), "the first end counts")
    assert s.authority.n_attest > 0


@case("verify server: text has a column for each")
def _(s):
    s.authority.reset()
    result = run([TEESQL, "--config", s.client_config(), "verify", "server", "--verifier", "all"])
    rows = [line.split() for line in result.stdout.splitlines()]
    contains(rows, ["verifier", "dcap", "ita"])
    contains(rows, ["verdict", "verified", "verified"])
    contains(rows, ["policy", "accepted", "accepted"])
    contains(rows, ["TCB", "status", "UpToDate", "UpToDate"])
    equal(next(row for row in rows if row[:1] == ["PPID"] and len(row) == 3)[2], "-")


@case("verify server --verifier dcap: the authority hears of nothing, ourselves included")
def _(s):
    s.authority.reset()
    evidence, _ = server(s, "--verifier", "dcap")
    equal(opinions(evidence), [("dcap", "verified", None)])
    equal((s.authority.n_attest, s.authority.n_keys), (0, 0))


@case("verify server --verifier ita: by its word alone")
def _(s):
    s.authority.reset()
    evidence, _ = server(s, "--verifier", "ita")
    equal(opinions(evidence), [("ita", "verified", None)])
    equal((evidence["verified"], evidence["ppid"], evidence["policy"]["accepted"]), (True, None, True))


@case("--verifier of one that is not listed, or that nobody knows, is a mistake of usage")
def _(s):
    for name in ("ita", "nonsense"):
        _, errors = server(s, "--verifier", name, config=s.client_config("dcap"), code=2)
        contains(errors, f"--verifier {name}")


@case("one that refuses: exit code 1, its reason, and the other's opinion beside it")
def _(s):
    s.authority.reset()
    s.about_server(tdx_rtmr2=flipped("tdx_rtmr2"))
    evidence, _ = server(s, code=1)
    equal((evidence["verified"], evidence["reason"]), (False, "token-measurement"))
    equal(opinions(evidence), [("dcap", "verified", None), ("ita", "refused", "token-measurement")])
    server(s, "--verifier", "ita", code=1)
    server(s, "--verifier", "dcap")


@case("policy judges the claims of each: one that sees an older platform refuses")
def _(s):
    s.authority.reset()
    s.about_server(attester_tcb_status="OutOfDate")
    for verifiers in ("dcap;ita", "ita;dcap"):
        evidence, _ = server(s, config=s.client_config(verifiers), code=1)
        equal((evidence["verified"], evidence["reason"], evidence["policy"]["accepted"]), (True, "tcb-status-not-accepted", False))
        equal([r["reason"] for r in evidence["policy"]["reasons"]], ["tcb-status-not-accepted"])
    server(s, "--verifier", "dcap")


@case("they tell of different platforms: one of them lies")
def _(s):
    s.authority.reset()
    s.about_server(tdx_collateral={"fmspc": "ffffffffffff"})
    evidence, _ = server(s, code=1)
    equal((evidence["verified"], evidence["reason"]), (False, "verifiers-disagree"))


@case("one that is away is no verdict: exit code 3, and nothing is said to be verified")
def _(s):
    for mood, reason in ((HTML, "no JSON object with a token"), (TROUBLE, "status 503"), (REDIRECT, "not followed"), (LIMIT, "rate limit")):
        for arguments in ((), ("--verifier", "ita")):
            s.authority.reset()
            s.authority.mood = mood
            evidence, errors = server(s, *arguments, code=3)
            equal(evidence, None)
            contains(errors, reason)
        server(s, "--verifier", "dcap")


@case("when-unavailable = skip: passed over and said so, in the verdict and as a warning")
def _(s):
    s.authority.reset()
    s.authority.mood = HTML
    config = s.client_config(when_unavailable="skip")
    evidence, errors = server(s, config=config)
    equal(opinions(evidence), [("dcap", "verified", None), ("ita", "skipped", "ita-answer")])
    contains(errors, "judged without ita (ita-answer): when-unavailable = skip")
    result = run([TEESQL, "--config", config, "verify", "server"])
    contains([line.split() for line in result.stdout.splitlines()], ["verdict", "verified", "skipped:", "ita-answer"])
    code, answer, errors = s.verify(config=s.config(verifiers="dcap;ita", when_unavailable="skip"))
    equal((code, opinions(answer)), (0, [("dcap", "verified", None), ("ita", "skipped", "ita-answer")]), errors)
    contains(errors, "judged without ita")


@case("when-unavailable = skip passes over nobody who has none beside it, no refusal, and no refused API key")
def _(s):
    s.authority.reset()
    s.authority.mood = HTML
    config = s.client_config(when_unavailable="skip")
    server(s, "--verifier", "ita", config=config, code=3)
    equal(s.verify(config=s.config(when_unavailable="skip"))[0], 3)
    s.authority.mood = DENIED
    _, errors = server(s, config=config, code=1)
    contains(errors, "the API key is refused")
    equal(s.verify(config=s.config(verifiers="dcap;ita", when_unavailable="skip"))[0], 1)
    s.authority.reset()
    s.about_server(tdx_is_debuggable=True)
    evidence, _ = server(s, config=config, code=1)
    equal(evidence["reason"], "token-debug")


@case("a server that is away is exit code 3, one that policy does not want is 1")
def _(s):
    s.authority.reset()
    server(s, f"127.0.0.1:{free_port()}", code=3)
    evidence, _ = server(s, config=s.client_config(policy={"allowed-mrtd": "ab" * 48}), code=1)
    equal((evidence["verified"], evidence["reason"], evidence["policy"]["accepted"]), (True, "mrtd-not-allowed", False))


# --- policy explain ---------------------------------------------------------------------------------------------------


@case("policy explain TARGET: every rule for each verifier, and what passes passes")
def _(s):
    s.authority.reset()
    answer, _ = explain(s, f"127.0.0.1:{s.world.port}")
    pins = s.world.server.pins()
    equal((answer["accepted"], answer["reason"]), (True, None))
    equal([(v["name"], v["verdict"], v["accepted"]) for v in answer["verifiers"]], [("dcap", "verified", True), ("ita", "verified", True)])
    equal(list(rules(answer, "dcap")), list(rules(answer, "ita")), "the same rules in the same order")
    for name in ("dcap", "ita"):
        found = rules(answer, name)
        for rule in ("allowed-mrtd", "allowed-rtmr1", "allowed-compose-hash", "allowed-key-provider"):
            equal((found[rule]["expected"], found[rule]["found"], found[rule]["passed"]), (pins[rule], pins[rule], True), rule)
        equal(refusing(answer, name), [])
    equal((rules(answer, "dcap")["allowed-fmspc"]["found"] is None, rules(answer, "ita")["allowed-fmspc"]["found"]), (False, None))


@case("policy explain TARGET: without a word it is the server of the configuration, and text has a line for each verifier")
def _(s):
    s.authority.reset()
    lines = run([TEESQL, "--config", s.client_config(), "policy", "explain"]).stdout.splitlines()
    mrtd = s.world.server.pins()["allowed-mrtd"]
    at = lines.index(f"allowed-mrtd = {mrtd}")
    equal([line.split() for line in lines[at + 1:at + 3]], [["dcap", "pass", mrtd], ["ita", "pass", mrtd]])
    at = lines.index("allowed-platform = any")
    equal([line.split()[:2] for line in lines[at + 1:at + 3]], [["dcap", "pass"], ["ita", "pass"]])
    equal(lines[at + 2].split()[2], "(absent)")
    equal(lines[-1], "accepted")


@case("policy explain TARGET: a pin on what one verifier does not learn refuses by that one's claims")
def _(s):
    s.authority.reset()
    evidence, _ = server(s, "--verifier", "dcap")
    policy = {"allowed-fmspc": evidence["fmspc"], "min-tcb-evaluation": str(evidence["verifiers"][0]["tcb_evaluation"])}
    config = s.client_config(policy={**s.world.server.pins(), **policy})
    answer, _ = explain(s, config=config, code=1)
    equal((answer["accepted"], answer["reason"]), (False, "claim-absent"))
    equal((refusing(answer, "dcap"), refusing(answer, "ita")), ([], [("allowed-fmspc", "claim-absent"), ("min-tcb-evaluation", "claim-absent")]))
    equal([(v["name"], v["accepted"]) for v in answer["verifiers"]], [("dcap", True), ("ita", False)])
    s.about_server(tdx_collateral={"fmspc": evidence["fmspc"], "tcbevaluationdatanumber": 99})
    explain(s, config=config)
    s.authority.reset()
    explain(s, "--verifier", "dcap", config=config)
    text = run([TEESQL, "--config", config, "policy", "explain"], check=False).stdout
    contains([line.split() for line in text.splitlines()], ["ita", "refuse", "(absent)"])
    contains(text.splitlines()[-1], "refused: claim-absent: ")


@case("policy explain TARGET: another server than the wanted one, rule by rule")
def _(s):
    s.authority.reset()
    pins = {**s.world.server.pins(), "allowed-compose-hash": "ab" * 32, "refused-advisories": "INTEL-SA-1;INTEL-SA-2"}
    s.about_server(attester_advisory_ids=["INTEL-SA-2", "INTEL-SA-1"])
    answer, _ = explain(s, config=s.client_config(policy=pins), code=1)
    equal((answer["accepted"], answer["reason"]), (False, "compose-hash-not-allowed"))
    equal(refusing(answer, "dcap"), [("allowed-compose-hash", "compose-hash-not-allowed")])
    ita = next(v for v in answer["verifiers"] if v["name"] == "ita")
    equal([(r["rule"], r["reason"]) for r in ita["rules"] if not r["passed"]],
          [("allowed-compose-hash", "compose-hash-not-allowed"), ("refused-advisories", "advisory-refused"), ("refused-advisories", "advisory-refused")])
    equal(rules(answer, "dcap")["allowed-compose-hash"]["found"], s.world.server.pins()["allowed-compose-hash"])


@case("policy explain TARGET: a verifier that refuses the evidence has no rules, the other one has")
def _(s):
    s.authority.reset()
    s.about_server(tdx_mrtd=flipped("tdx_mrtd"))
    answer, _ = explain(s, code=1)
    equal((answer["accepted"], answer["reason"]), (False, "token-measurement"))
    equal([(v["name"], v["verdict"], v["accepted"], bool(v["rules"])) for v in answer["verifiers"]],
          [("dcap", "verified", True, True), ("ita", "refused", False, False)])
    equal(refusing(answer, "dcap"), [])
    s.authority.reset()
    s.authority.mood = HTML
    answer, _ = explain(s, config=s.client_config(when_unavailable="skip"))
    equal([(v["name"], v["verdict"], bool(v["rules"])) for v in answer["verifiers"]], [("dcap", "verified", True), ("ita", "skipped", False)])
    explain(s, code=3)


@case("policy explain --quote FILE: the same for evidence in a file, by both and by one")
def _(s):
    s.authority.reset()
    pins = s.world.client.pins()
    policy = s.world.write("explained.conf", World.keyfile({"policy:clients": pins}, {}))
    config = s.config(verifiers="dcap;ita")
    answer, _ = explain(s, "--quote", s.attestation, "--policy", policy, config=config)
    equal([(v["name"], v["accepted"]) for v in answer["verifiers"]], [("dcap", True), ("ita", True)])
    equal(rules(answer, "ita")["allowed-rtmr2"]["found"], pins["allowed-rtmr2"])
    policy = s.world.write("explained.conf", World.keyfile({"policy:clients": {**pins, "allowed-fmspc": "00a06d080000"}}, {}))
    answer, _ = explain(s, "--quote", s.attestation, "--policy", policy, "--verifier", "ita", config=config, code=1)
    equal((answer["reason"], len(answer["verifiers"]), refusing(answer, "ita")), ("claim-absent", 1, [("allowed-fmspc", "claim-absent")]))
    answer, _ = explain(s, "--quote", s.attestation, "--policy", policy, "--report-data", "00" * 64, config=config, code=1)
    equal(answer["reason"], "report-data-mismatch", "what was asked beside the policy counts too")


@case("policy explain: nothing to explain is a mistake of usage, a quote that is none is refused")
def _(s):
    config = s.config(verifiers="dcap;ita")
    explain(s, "--quote", s.attestation, config=config, code=2)
    explain(s, "--quote", os.path.join(s.world.dir, "nowhere"), "--policy", config, config=config, code=2)
    policy = s.world.write("explained.conf", World.keyfile({"policy:clients": s.world.client.pins()}, {}))
    broken = s.world.write("broken.bin", "no quote at all")
    answer, _ = explain(s, "--quote", broken, "--policy", policy, config=config, code=1)
    equal((answer["accepted"], answer["reason"]), (False, "quote-size"))
    equal([(v["name"], v["verdict"], v["rules"]) for v in answer["verifiers"]], [("dcap", "refused", []), ("ita", "refused", [])])


def main():
    scene = Scene(start=True)
    try:
        return tap.run(scene)
    finally:
        scene.close()


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
