#!/usr/bin/env python3
"""`teesql verify quote` over every shared vector and every case derived from one: verdict, status, advisories, measurements."""

import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.processes import PLUGINS, SOURCE, TEESQL, folder, run  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402

VECTORS = os.environ.get("TEESQL_VECTORS") or os.path.join(SOURCE, "..", "shared", "vectors")
BASE = "tdx4-uptodate-a"

# Where we refuse what the expectation lets pass: only TDX is verified here.
STRICTER = {
    "sgx3-config-swhardening": "quote-version",
    "sgx3-debug": "quote-version",
    "intel-qvl-sample-sgx": "quote-version",
}
# Names of the service's answers, for collateral that comes in pieces.
PIECES = {"tcb_info": "tcb_info_response.json", "qe_identity": "qe_identity_response.json", "root_ca_crl": "root_ca_crl.der",
          "pck_crl": "pck_crl.der", "tcb_signing_chain": "tcb_signing_chain.pem", "pck_signing_chain": "pck_chain.pem"}


def path_of(name):
    return os.path.join(VECTORS, name)


def read(name):
    with open(path_of(name), "rb") as f:
        return f.read()


def write(directory, name, data):
    path = os.path.join(directory, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def collateral_of(vector, directory):
    """A path for --collateral; a vector without any gets that of another, since its quote must fail before."""
    collateral = vector["collateral"]
    if collateral is None:
        return path_of(MANIFEST[BASE]["collateral"])
    if isinstance(collateral, str):
        return path_of(collateral)
    pieces = os.path.join(directory, "pieces")
    os.makedirs(pieces, exist_ok=True)
    for name, file in PIECES.items():
        write(pieces, file, read(collateral[name]))
    return pieces


def verify(quote, collateral, at, *options, root="intel-production", code=None, json_wanted=True):
    command = [TEESQL, "--plugin-path", PLUGINS, "verify", "quote", quote, "--collateral", collateral, "--at", str(at), *options]
    if root.startswith("file:"):
        command += ["--trusted-root", path_of(root[len("file:"):])]
    result = run(command + (["--json"] if json_wanted else []), check=False)
    if code is not None:
        equal(result.returncode, code, f"exit code ({result.stderr})")
    return schema.check_text(result.stdout, "verify-quote") if json_wanted else result.stdout


def verify_vector(vector, *options, code=None, json_wanted=True):
    directory = folder()
    return verify(path_of(vector["quote"]), collateral_of(vector, directory), vector["verification_time"] or 1751624191, *options,
                  root=vector["trusted_root"], code=code, json_wanted=json_wanted)


def compare_claims(found, expected):
    equal(found["tcb_status"], expected["tcb_status"], "tcb_status")
    equal(found["advisory_ids"], expected["advisory_ids"], "advisory_ids")
    equal(found["mrtd"], expected["mrtd"], "mrtd")
    equal(found["rtmr"], [expected[f"rtmr{i}"] for i in range(4)], "rtmr")
    equal(found["mrseam"], expected["mr_seam"], "mrseam")
    equal(found["report_data"], expected["report_data"], "report_data")
    equal(found["debug"], expected["debug"], "debug")


def compare(name, found, expected):
    if name in STRICTER:
        equal((found["verified"], found["reason"]), (False, STRICTER[name]))
        return
    equal(found["verified"], expected["verdict"] == "verified", found["message"])
    equal(found["reason"] is None, found["verified"], "a reason stands exactly where something failed")
    findings = expected.get("attribute_policy_findings")
    if findings and expected["crypto"] == "verified":
        equal(found["reason"], findings[0])
    if expected.get("crypto") == "verified":
        compare_claims(found, expected)
    elif not found["verified"]:
        equal([found[k] for k in ("tcb_status", "advisory_ids", "mrtd", "rtmr", "report_data", "debug")], [None] * 6, "nothing is proved")


def add_vector(vector):
    @case(f"vector {vector['id']}")
    def _():
        found = verify_vector(vector)
        compare(vector["id"], found, vector["expected"])
        if found["verified"]:
            equal(found["fmspc"], vector["quote_layout"]["fmspc"])
            equal(found["collateral_expires"], vector["valid_window"][1], "collateral_expires")


def mutate_text(text, change):
    if "hex_digit" in change:
        n = change["hex_digit"]
        return text[:n] + ("1" if text[n] == "0" else "0") + text[n + 1:]
    if change.get("last_byte"):
        return text[:-2] + ("01" if text[-2:] == "00" else "00")
    old, new = change["replace_first"]
    assert old in text, f"{old!r} is not there to be replaced"
    return text.replace(old, new, 1)


def mutate_quote(quote, change):
    quote = bytearray(quote[:change.get("truncate", len(quote))])
    if "offset" in change:
        quote[change["offset"]] ^= change["xor"]
    return bytes(quote) + bytes.fromhex(change.get("append", ""))


def derive(base, change, directory):
    """Paths of the quote and the collateral of a derived case."""
    quote, collateral = path_of(base["quote"]), path_of(base["collateral"])
    if change.get("mutate") == "quote":
        quote = write(directory, "quote.bin", mutate_quote(read(base["quote"]), change))
    elif "mutate" in change:
        bundle = json.loads(read(base["collateral"]))
        bundle[change["mutate"]] = mutate_text(bundle[change["mutate"]], change)
        collateral = write(directory, "collateral.json", json.dumps(bundle).encode())
    elif "collateral_from" in change:
        collateral = path_of(MANIFEST[change["collateral_from"]]["collateral"])
    return quote, collateral


def add_derived(entry):
    @case(f"derived {entry['id']}")
    def _():
        base = MANIFEST[entry["base"]]
        quote, collateral = derive(base, entry["change"], folder())
        found = verify(quote, collateral, entry["verification_time"] if "verification_time" in entry else base["verification_time"])
        compare(entry["id"], found, entry["expected"])


def base_case(*options, code, change=None):
    base = MANIFEST[BASE]
    quote, collateral = derive(base, change or {}, folder())
    return verify(quote, collateral, base["verification_time"], *options, code=code)


@case("exit code 0 for what is verified, 1 for what is refused")
def _():
    base_case(code=0)
    equal(base_case(code=1, change={"mutate": "quote", "offset": 190, "xor": 1})["verified"], False)


@case("an out-of-date platform is verified, with its status")
def _():
    found = verify_vector(MANIFEST["tdx4-outofdate-advisories"], code=0)
    equal((found["verified"], found["tcb_status"]), (True, "OutOfDate"))


@case("a policy decides: exit code 1 and its reasons")
def _():
    directory = folder()
    expected = MANIFEST[BASE]["expected"]
    pins = f"""[policy:peers]
allowed-mrtd = {expected['mrtd']}
allowed-rtmr1 = {expected['rtmr1']}
allowed-rtmr2 = {expected['rtmr2']}
allowed-rtmr3 = {expected['rtmr3']}
allowed-key-provider = any
max-collateral-age = 30d
"""
    accepting = write(directory, "accepting.conf", pins.encode())
    refusing = write(directory, "refusing.conf", pins.replace(expected["mrtd"], "00" * 48).encode())
    found = base_case("--policy", accepting, code=0)
    equal(found["policy"], {"accepted": True, "reasons": []})
    found = base_case("--policy", refusing, code=1)
    equal((found["verified"], found["reason"], found["policy"]["accepted"]), (True, "mrtd-not-allowed", False))
    equal(found["policy"]["reasons"][0]["message"], f"MRTD {expected['mrtd'][:16]}… is not in allowed-mrtd")
    found = verify_vector(MANIFEST["tdx4-outofdate-advisories"], "--policy", accepting, code=1)
    contains([r["reason"] for r in found["policy"]["reasons"]], "tcb-status-not-accepted")


@case("an empty policy accepts nobody")
def _():
    found = base_case("--policy", write(folder(), "empty.conf", b"[policy:peers]\nmax-collateral-age = 30d\n"), code=1)
    equal([r["reason"] for r in found["policy"]["reasons"]], ["policy-unsettled"] * 4)


@case("SR-1: report data and keys are compared")
def _():
    report_data = MANIFEST[BASE]["expected"]["report_data"]
    equal(base_case("--report-data", report_data.upper(), code=0)["binding"], "ok")
    found = base_case("--report-data", "00" * 64, code=1)
    equal((found["verified"], found["binding"], found["reason"]), (True, "mismatch", "report-data-mismatch"))
    key = write(folder(), "key.der", b"not the key of this quote")
    equal(base_case("--spki", key, code=1)["binding"], "mismatch")


@case("collateral may be a folder of the service's answers")
def _():
    base = MANIFEST[BASE]
    equal(verify(path_of(base["quote"]), path_of(f"{BASE}/split"), base["verification_time"], code=0)["verified"], True)


@case("an attestation is verified with its event log")
def _():
    vector = MANIFEST["tdx4-dstack-attestation"]
    found = verify(path_of("dstack/attestation-v0.bin"), path_of(vector["collateral"]), vector["verification_time"], code=0)
    compare_claims(found, vector["expected"])
    damaged = bytearray(read("dstack/attestation-v0.bin"))
    damaged[damaged.index(b"\x30compose-hash") + 20] ^= 1
    found = verify(write(folder(), "attestation.bin", bytes(damaged)), path_of(vector["collateral"]), vector["verification_time"], code=1)
    equal(found["verified"], False)


@case("files: unreadable is 2, nonsense is 1")
def _():
    base = MANIFEST[BASE]
    quote, collateral, at = path_of(base["quote"]), path_of(base["collateral"]), base["verification_time"]
    directory = folder()
    nonsense = write(directory, "nonsense", b"nothing of the kind")
    for wrong in (["/nonexistent/quote", "--collateral", collateral], [quote, "--collateral", "/nonexistent/bundle"],
                  [quote, "--collateral", collateral, "--trusted-root", "/nonexistent/root"],
                  [quote, "--collateral", collateral, "--policy", "/nonexistent/policy"],
                  [quote, "--collateral", collateral, "--report-data", "12"], [quote, "--collateral", collateral, "--wrong"], []):
        result = run([TEESQL, "--plugin-path", PLUGINS, "verify", "quote", "--at", str(at), *wrong], check=False)
        equal((result.returncode, result.stdout), (2, ""), wrong)
        contains(result.stderr, "teesql: ")
    equal(verify(nonsense, collateral, at, code=1)["verified"], False)
    equal(verify(quote, nonsense, at, code=1)["verified"], False)
    equal(verify(quote, collateral, at, "--trusted-root", nonsense, code=1)["verified"], False)


@case("the text form has the same facts, and never says more than was proved")
def _():
    text = verify_vector(MANIFEST["tdx4-outofdate-advisories"], json_wanted=False, code=0)
    expected = MANIFEST["tdx4-outofdate-advisories"]["expected"]
    for part in ("verified       yes", "OutOfDate", expected["mrtd"], expected["advisory_ids"][0]):
        contains(text, part)
    assert "trusted" not in text.lower(), text


@case("a key that the quote is bound to, by the rule of RA-TLS certificates")
def _():
    key = b"any bytes: the rule hashes what it is given"
    digest = hashlib.sha512(b"ratls-cert:" + key).hexdigest()
    equal(len(digest), 128)
    path = write(folder(), "key.der", key)
    by_key = base_case("--spki", path, code=1)
    by_data = base_case("--report-data", digest, code=1)
    equal(by_key["binding"], by_data["binding"])


if not os.path.exists(path_of("manifest.json")):
    print(f"SKIP test-verify-quote: no {path_of('manifest.json')} (set TEESQL_VECTORS)", file=sys.stderr)
    print("1..0 # SKIP vectors are absent")
    sys.exit(0)
with open(path_of("manifest.json"), encoding="utf-8") as manifest_file:
    ENTRIES = json.load(manifest_file)
MANIFEST = {v["id"]: v for v in ENTRIES["vectors"]}
for v in ENTRIES["vectors"]:
    add_vector(v)
for d in ENTRIES["derived"]:
    add_derived(d)
sys.exit(1 if tap.run() else 0)
