"""A world whose verifier beside dcap is a Trust Authority of our own."""

import json
import os

from harness.authority import API_KEY, Authority, claims_about
from harness.processes import PLUGINS, SOURCE, TEESQL, run
from harness.world import World

VECTORS = os.environ.get("TEESQL_VECTORS") or os.path.join(SOURCE, "..", "shared", "vectors")

# what an authority or somebody in its place may answer instead of a token
HTML = (200, b"<html><body>Welcome</body></html>", {"Content-Type": "text/html"})
REDIRECT = (302, b"", {"Location": "https://evil.example/appraisal/v2/attest"})
LIMIT = (429, b"", {"Retry-After": "30"})
TROUBLE = (503, b"<html>front end</html>", {})


class Scene:
    def __init__(self, start=False):
        self.authority = Authority()
        self.world = World(start=start)
        self.key = self.world.write("ita-key", API_KEY)
        attestation = bytes.fromhex(self.world.client.call("Attest", report_data="5a" * 64)["attestation"])
        self.attestation = os.path.join(self.world.dir, "evidence.bin")
        with open(self.attestation, "wb") as f:
            f.write(attestation)

    def ita(self, **more):
        return {"base-url": self.authority.url, "jwks-url": self.authority.url + "/certs", "api-key": f"file:{self.key}",
                "trusted-root": self.world.root, "timeout": "3s", **{k.replace("_", "-"): v for k, v in more.items()}}

    def groups(self, verifiers, name="tool", **more):
        """Of a tool's configuration; @more: options of ita."""
        groups = {"teesql": {"verifiers": verifiers, "plugin-path": PLUGINS}}
        if "ita" in verifiers:
            groups["verifier:ita"] = self.ita(**more)
        if "dcap" in verifiers:
            groups["verifier:dcap"] = self.world.verifier(name)
        return groups

    def config(self, name="tool", verifiers="ita", **more):
        return self.world.write(f"{name}.conf", World.keyfile(self.groups(verifiers, name, **more), {}))

    def client_config(self, verifiers="dcap;ita", policy=None, name="judge", **more):
        """Of a client that meets the world's server."""
        overrides = self.groups(verifiers, name, **more)
        if policy:
            overrides["policy:server"] = policy
        return self.world.write_client_config(name, self.world.client, overrides)

    def tool(self, *arguments, config):
        """(exit code, what it printed as JSON, its errors) of teesql --json"""
        result = run([TEESQL, "--json", "--config", config, *arguments], check=False)
        return result.returncode, json.loads(result.stdout) if result.stdout.strip() else {}, result.stderr

    def verify(self, *arguments, config=None, file=None):
        return self.tool("verify", "quote", file or self.attestation, *arguments, config=config or self.config())

    def daemon(self, **more):
        self.world.overrides = {"teesql": {"verifiers": "dcap;ita"}, "verifier:ita": self.ita(**more)}
        if self.world.daemon and self.world.daemon.alive():
            self.world.daemon.stop()
        self.world.daemon_config = self.world.write_daemon_config()
        self.world.start_daemon()

    def about_server(self, **changes):
        """A lie about the world's server alone: a client has its own evidence judged too, before it shows it."""
        lie = about(**changes)
        quote = bytes.fromhex(self.world.server.call("GetQuote", report_data="5a" * 64)["quote"])
        rtmr3 = claims_about(quote)["tdx_rtmr3"]
        lie(self.authority)
        told = self.authority.lie
        self.authority.lie = lambda h, c, t: told(h, c, t) if t["tdx_rtmr3"] == rtmr3 else None

    def close(self):
        self.authority.close()
        self.world.close()


# --- lies: each a function of an authority, which tells it from then on


def header(**changes):
    def change(authority):
        authority.lie = lambda h, c, t: h.update(changes)
    return change


def claims(**changes):
    def change(authority):
        authority.lie = lambda h, c, t: c.update({k: v(c) if callable(v) else v for k, v in changes.items()})
    return change


def about(**changes):
    def change(authority):
        authority.lie = lambda h, c, t: t.update({k: v(t) if callable(v) else v for k, v in changes.items()})
    return change


def without(name):
    def change(authority):
        authority.lie = lambda h, c, t: (c.pop(name, None), t.pop(name, None))
    return change


def flipped(name):
    return lambda t: ("0" if t[name][0] != "0" else "1") + t[name][1:]


def finished(function):
    def change(authority):
        authority.finish = function
    return change


def payload(function):
    def change(authority):
        authority.raw_payload = function
    return change


def stranger(kid):
    def change(authority):
        authority.signer = authority.new_key(kid, False)
    return change
