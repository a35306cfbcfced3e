#!/usr/bin/env python3
"""The tool by itself: secrets, configuration files, plugins, and a certificate from a simulated guest. Needs no PostgreSQL."""

import base64
import hashlib
import hmac
import json
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.processes import PLUGINS, SIMULATOR, TEESQL, folder, run  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import Guest  # noqa: E402

SALT = "c2FsdHNhbHRzYWx0c2FsdA=="


def teesql(*arguments, code=0, **extra):
    result = run([TEESQL, *arguments], check=False, **extra)
    equal(result.returncode, code, f"{arguments}: {result.stderr}")
    return result


def write(directory, name, text, mode=0o600):
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as f:
        f.write(text)
    return path


def verifier_of(secret, salt, rounds):
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(salt), rounds)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored, server = hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${rounds}:{salt}${base64.b64encode(stored).decode()}:{base64.b64encode(server).decode()}"


def lines_of(text):
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


DAEMON = f"""[teesql]
cluster = test
[auth]
scram-salt = {SALT}
scram-iterations = 8192
[policy:clients]
allowed-mrtd = any
[role:teesql_read]
privileges = read
secret-verifier = {verifier_of("x" * 64, SALT, 8192)}
"""


class Machines:
    """What a Guest asks of a world, without a database."""

    def __init__(self):
        self.dir = self.logs = folder()
        self.root = os.path.join(self.dir, "root.pem")
        run([SIMULATOR, "init", self.dir])
        self.seed = os.path.join(self.dir, "seed")
        self.guest = Guest(self, "client", pccs=True)

    def write(self, name, text, mode=0o600):
        return write(self.dir, name, text, mode)

    def config(self, name="teesql.conf", **attester):
        endpoint = attester.get("endpoint", self.guest.socket)
        return self.write(name, f"""[teesql]
[attester:dstack]
endpoint = {endpoint}
[verifier:dcap]
trusted-root = {self.root}
collateral-url = {self.guest.ready['pccs']}
cache-directory = none
[policy:server]
allowed-mrtd = any
""")


@case("a secret is 256 bits of hex, and its verifier is the one PostgreSQL would keep")
def _():
    found = lines_of(teesql("secret", "new", "--role", "teesql_read", "--scram-salt", SALT).stdout)
    assert len(found["secret"]) == 64 and set(found["secret"]) <= set("0123456789abcdef"), found["secret"]
    equal(found["secret-verifier"], verifier_of(found["secret"], SALT, 4096))
    other = lines_of(teesql("secret", "new", "--role", "teesql_read", "--scram-salt", SALT).stdout)
    assert other["secret"] != found["secret"]


@case("a first secret draws the cluster's salt and says where it belongs")
def _():
    text = teesql("secret", "new", "--role", "teesql_read", "--scram-salt", "new", "--iterations", "5000").stdout
    found = lines_of(text)
    contains(text, "[auth]")
    equal(len(base64.b64decode(found["scram-salt"])), 16)
    equal((found["scram-iterations"], found["secret-verifier"]), ("5000", verifier_of(found["secret"], found["scram-salt"], 5000)))


@case("salt and rounds come from the daemon's file")
def _():
    path = write(folder(), "teesqld.conf", DAEMON)
    found = lines_of(teesql("--config", path, "secret", "new", "--role", "teesql_read").stdout)
    equal(found["secret-verifier"], verifier_of(found["secret"], SALT, 8192))


@case("a secret's file is new and private, and JSON never has the secret")
def _():
    path = os.path.join(folder(), "secret")
    result = teesql("secret", "new", "--role", "teesql_read", "--scram-salt", SALT, "--out", path, "--json")
    found = schema.check_text(result.stdout, "secret-new")
    with open(path, encoding="ascii") as f:
        secret = f.read()
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    equal(found["secret_verifier"], verifier_of(secret, SALT, 4096))
    assert secret not in result.stdout
    contains(teesql("secret", "new", "--role", "teesql_read", "--scram-salt", SALT, "--out", path, code=2).stderr, "hint: ")
    teesql("secret", "new", "--role", "teesql_read", "--scram-salt", SALT, "--json", code=2)


@case("wrong options of secret new are usage errors")
def _():
    for wrong in ([], ["--role", "Robert'); drop"], ["--role", "r", "--scram-salt", "c2FsdA=="], ["--role", "r", "--iterations", "1"],
                  ["--role", "r", "--scram-salt", SALT, "more"]):
        equal(teesql("secret", "new", *wrong, code=2).stdout, "")


@case("config check names every finding, and policies that refuse everybody")
def _():
    directory = folder()
    good = teesql("--config", write(directory, "teesqld.conf", DAEMON), "config", "check")
    contains(good.stderr, "[policy:clients] refuses everybody: ")
    contains(good.stderr, "[policy:clients] allowed-mrtd = any")
    found = schema.check_text(teesql("--config", os.path.join(directory, "teesqld.conf"), "config", "check", "--json").stdout, "config-check")
    equal((found["valid"], found["message"]), (True, None))
    equal(len(found["warnings"]), 4)
    bad = write(directory, "teesqld-bad.conf", DAEMON + "[proxy]\nmax-sesions = 3\n")
    contains(teesql("--config", bad, "config", "check", code=1).stderr, "hint: did you mean max-sessions?")
    equal(schema.check_text(teesql("--config", bad, "config", "check", "--json", code=1).stdout, "config-check")["valid"], False)
    teesql("--config", "/nonexistent", "config", "check", code=2)
    teesql("--config", write(directory, "teesqld-open.conf", DAEMON, 0o666), "config", "check", code=0)
    os.chmod(os.path.join(directory, "teesqld-open.conf"), 0o666)
    teesql("--config", os.path.join(directory, "teesqld-open.conf"), "config", "check", code=2)


@case("config dump prints what was read, and with --effective what it means")
def _():
    path = write(folder(), "teesqld.conf", DAEMON)
    written = teesql("--config", path, "config", "dump").stdout
    contains(written, "cluster = test")
    assert "max-sessions" not in written
    contains(teesql("--config", path, "config", "dump", "--effective").stdout, "max-sessions = 1000")
    json.loads(teesql("--config", path, "config", "dump", "--json").stdout)


@case("plugins are listed without loading them, and described by loading one")
def _():
    found = schema.check_text(teesql("--plugin-path", PLUGINS, "plugin", "list", "--json").stdout, "plugin-list")
    names = {p["name"]: p for p in found["plugins"]}
    equal(names["dcap"]["interfaces"], ["verifier"])
    equal(sorted(names["dstack"]["interfaces"]), ["attester", "kms"])
    found = schema.check_text(teesql("--plugin-path", PLUGINS, "plugin", "info", "dcap", "--json").stdout, "plugin-info")
    contains([o["name"] for o in found["options"]], "trusted-root")
    contains(teesql("--plugin-path", PLUGINS, "plugin", "info", "dcap").stdout, "#trusted-root = intel")
    teesql("--plugin-path", PLUGINS, "plugin", "info", "nosuch", code=2)


@case("cert writes a certificate that carries evidence, and its key, both private")
def _():
    machines = Machines()
    out = os.path.join(machines.dir, "identity")
    result = teesql("--plugin-path", PLUGINS, "--config", machines.config(), "cert", "--out", out, "--json")
    found = schema.check_text(result.stdout, "cert")
    for path in found.values():
        if path != 1:
            equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
    text = run(["openssl", "x509", "-in", found["certificate"], "-noout", "-text"]).stdout
    contains(text, "1.3.6.1.4.1.62397.1.8")
    public = run(["openssl", "pkey", "-in", found["key"], "-pubout"]).stdout
    equal(run(["openssl", "x509", "-in", found["certificate"], "-noout", "-pubkey"]).stdout, public)
    teesql("--plugin-path", PLUGINS, "--config", machines.config(), "cert", "--out", out)  # again: both are replaced
    assert run(["openssl", "pkey", "-in", found["key"], "-pubout"]).stdout != public


@case("a quote is verified with collateral that is fetched, and bound to a key")
def _():
    machines = Machines()
    key = write(machines.dir, "key.pem", "")
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
    spki = run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], text=False).stdout
    report_data = hashlib.sha512(b"ratls-cert:" + spki).hexdigest()
    quote = os.path.join(machines.dir, "quote")
    with open(quote, "wb") as f:
        f.write(bytes.fromhex(machines.guest.call("GetQuote", report_data=report_data)["quote"]))
    pem = write(machines.dir, "public.pem", run(["openssl", "pkey", "-in", key, "-pubout"]).stdout)
    result = teesql("--plugin-path", PLUGINS, "--config", machines.config(), "verify", "quote", quote, "--spki", pem, "--json")
    found = schema.check_text(result.stdout, "verify-quote")
    equal((found["verified"], found["binding"], found["tcb_status"]), (True, "ok", "UpToDate"))
    equal(found["mrtd"], machines.guest.describe()["mrtd"])
    der = os.path.join(machines.dir, "public.der")
    with open(der, "wb") as f:
        f.write(spki)
    teesql("--plugin-path", PLUGINS, "--config", machines.config(), "verify", "quote", quote, "--spki", der)


@case("an attestation whose envelope says other report data than its quote is refused")
def _():
    machines = Machines()
    report_data = hashlib.sha512(b"asked for").digest()
    attestation = bytes.fromhex(machines.guest.call("Attest", report_data=report_data.hex())["attestation"])
    path = os.path.join(machines.dir, "attestation")
    for data, code in ((attestation, 0), (bytes(64).join(attestation.rsplit(report_data, 1)), 1)):
        with open(path, "wb") as f:
            f.write(data)
        result = teesql("--plugin-path", PLUGINS, "--config", machines.config(), "verify", "quote", path, "--report-data", report_data.hex(),
                        "--json", code=code)
        found = schema.check_text(result.stdout, "verify-quote")
        equal((found["verified"], found["reason"]), (code == 0, "report-data-mismatch" if code else None))


@case("nobody there: exit code 3, for the agent and for the collateral service; nowhere to ask: 2")
def _():
    machines = Machines()
    quote = os.path.join(machines.dir, "quote")
    with open(quote, "wb") as f:
        f.write(bytes.fromhex(machines.guest.call("GetQuote", report_data="00" * 64)["quote"]))
    config = machines.config()
    machines.guest.process.stop()
    teesql("--plugin-path", PLUGINS, "--config", config, "cert", "--out", os.path.join(machines.dir, "none"), code=3)
    teesql("--plugin-path", PLUGINS, "--config", config, "verify", "quote", quote, code=3)
    nowhere = machines.write("nowhere.conf", f"[verifier:dcap]\ntrusted-root = {machines.root}\ncollateral-url = none\ncache-directory = none\n")
    contains(teesql("--plugin-path", PLUGINS, "--config", nowhere, "verify", "quote", quote, code=2).stderr, "hint: ")


@case("help and version; a wrong command is a usage error")
def _():
    contains(teesql("--help").stdout, "verify")
    contains(teesql("verify", "quote", "--help").stdout, "--trusted-root")
    contains(teesql("--version").stdout, "teesql ")
    contains(teesql("nosuch", code=2).stderr, "teesql: ")
    teesql(code=2)


sys.exit(1 if tap.run() else 0)
