#!/usr/bin/env python3
"""The plugin gcs against a server that follows Google's JSON API (tests/harness/gcs.py), with haproxy before it, which checks the service account's signed
assertions and hands out tokens: the signature check is not ours at both ends. rclone and Google's client for JavaScript read what the plugin wrote."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from harness import gcs, tap  # noqa: E402
from harness.processes import BUILD, PLUGINS, TEESQL, Process, folder, free_port, run  # noqa: E402

DRIVER = os.path.join(BUILD, "tests/integration/gcs-driver")
BUCKET, PREFIX = "teesql-test", "orders/one"
MIB = 1 << 20
SERVICE_TOKEN, METADATA_TOKEN = "token-of-the-account", "token-of-the-machine"
OBJECTS = {
    "empty": 0, "a": 1, "a/b/c": 100, "a/b=c_d-e.f": 1000, "A/B": 5, "a.b/..c": 7, "-/=": 9, "x" * 250 + "/" + "y" * 250: 11,
    "part": 8 * MIB, "part-and-one": 8 * MIB + 1, "parts": 20 * MIB + 12345, "below": 8 * MIB - 1,
}

HAPROXY = """
global
  maxconn 200
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend tokens
  bind 127.0.0.1:{tokens}
  option http-buffer-request
  http-request return status 200 content-type application/json string '{{"access_token":"{machine}","expires_in":3599,"token_type":"Bearer"}}' if {{ path /computeMetadata/v1/instance/service-accounts/default/token }} {{ req.hdr(Metadata-Flavor) -m str Google }}
  http-request return status 403 content-type text/plain string "Missing Metadata-Flavor:Google header." if {{ path_beg /computeMetadata }}
  http-request set-var(txn.jwt) req.body_param(assertion)
  http-request set-var(txn.alg) var(txn.jwt),jwt_header_query('$.alg')
  http-request set-var(txn.now) date
  http-request set-var(txn.age) var(txn.jwt),jwt_payload_query('$.iat','int'),neg,add(txn.now)
  acl grant req.body_param(grant_type),url_dec(1) -m str urn:ietf:params:oauth:grant-type:jwt-bearer
  acl algorithm var(txn.alg) -m str RS256
  acl signed var(txn.jwt),jwt_verify(txn.alg,"{public}") 1
  acl fresh var(txn.age) -m int 0:60
  acl meant var(txn.jwt),jwt_payload_query('$.aud') -m str http://127.0.0.1:{tokens}/token
  acl who var(txn.jwt),jwt_payload_query('$.iss') -m str backup@orders.iam.gserviceaccount.com
  acl scope var(txn.jwt),jwt_payload_query('$.scope') -m sub devstorage
  http-request return status 200 content-type application/json string '{{"access_token":"{account}","expires_in":3599,"token_type":"Bearer"}}' if {{ path /token }} grant algorithm signed fresh meant who scope
  http-request return status 400 content-type application/json string '{{"error":"invalid_grant","error_description":"Invalid JWT Signature."}}' if {{ path /token }}
  http-request return status 404
"""


class Store:
    def __init__(self):
        self.folder = folder("teesql-gcs-")
        self.server = gcs.start([BUCKET], [SERVICE_TOKEN, METADATA_TOKEN])
        self.faults = self.server.store
        self.written = {}
        self.token_port = free_port()
        self.key_file = self.make_account()
        config = self.write("haproxy.cfg", HAPROXY.format(tokens=self.token_port, public=self.file("public.pem"), account=SERVICE_TOKEN, machine=METADATA_TOKEN))
        self.haproxy = Process("haproxy", ["haproxy", "-db", "-f", config], self.folder)
        self.haproxy.wait_until(self.tokens_answer, "its port")

    def tokens_answer(self):
        import http.client
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.token_port, timeout=5)
            connection.request("GET", "/")
            return connection.getresponse().status == 404
        except OSError:
            return False

    def file(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.file(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.file(name)

    def make_account(self, name="public.pem"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        self.write(name, public)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        return json.dumps({"type": "service_account", "project_id": "orders", "private_key_id": "0123abcd", "private_key": pem,
                           "client_email": "backup@orders.iam.gserviceaccount.com", "client_id": "1",
                           "token_uri": f"http://127.0.0.1:{self.token_port}/token"}, indent=2)

    def driver(self, *command, account=None, fails=None, **options):
        given = {"endpoint": self.server.url, "bucket": BUCKET, "prefix": PREFIX}
        given.update({"service_account": "env:ACCOUNT"} if options.get("credentials") != "metadata" else {})
        given.update(options)
        environment = {"PATH": os.environ["PATH"], "G_DEBUG": "fatal-criticals", "ACCOUNT": account or self.key_file}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        result = run([DRIVER, *(f"{name.replace('_', '-')}={value}" for name, value in given.items()), "--", *map(str, command)], check=False, env=environment)
        if fails is None:
            assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stderr}"
            return result.stdout
        assert result.returncode == 1, f"{command}: {result.returncode}, expected {fails}\n{result.stdout}{result.stderr}"
        tap.equal(result.stderr.split()[0], fails, " ".join(map(str, command)))
        return result.stderr

    def config(self):
        with open(os.open(self.file("account.json"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.write(self.key_file)
        return self.write("teesqld.conf", f"[teesql]\ncluster = orders\nplugin-path = {PLUGINS}\n\n[backup]\nstorages = gcs\n\n[storage:gcs]\nendpoint = {self.server.url}\n"
                          f"bucket = {BUCKET}\nprefix = {PREFIX}\nservice-account = file:{self.file('account.json')}\ntoken-endpoint = http://127.0.0.1:{self.token_port}/token\n")

    def content(self, size):
        content = os.urandom(size)
        with open(self.file("content"), "wb") as f:
            f.write(content)
        return content

    def put(self, name, size, *how, command="put", **options):
        content = self.content(size)
        tap.equal(self.driver(command, name, self.file("content"), *how, **options), f"{name} {size}\n")
        self.written[name] = content

    def get(self, name, offset=0, length=0):
        self.driver("get", name, self.file("got"), offset, length)
        with open(self.file("got"), "rb") as f:
            return f.read()

    def listed(self, prefix="", page=1000):
        return [line.split()[0] for line in self.driver("list", prefix, page).splitlines()]

    def parts(self):
        """What uploads have left in the bucket."""
        return [name for name in self.faults.buckets[BUCKET] if "~parts/" in name]

    @contextlib.contextmanager
    def without_tokens(self):
        """For clients that fetch tokens nowhere but from Google itself."""
        tokens, self.faults.tokens = self.faults.tokens, set()
        try:
            yield
        finally:
            self.faults.tokens = tokens

    def stored(self):
        return {name: hashlib.sha256(found["data"]).hexdigest() for name, found in self.faults.buckets[BUCKET].items() if name.startswith(PREFIX + "/")}


@tap.case("objects of all sizes and odd names come back byte for byte")
def sizes(store):
    for number, (name, size) in enumerate(OBJECTS.items()):
        store.put(name, size, "if-absent" if number % 3 else "any", "known" if number % 2 else "unknown")
    for name, content in store.written.items():
        assert store.get(name) == content, name
    tap.equal(store.parts(), [])
    tap.equal(store.stored(), {f"{PREFIX}/{name}": hashlib.sha256(content).hexdigest() for name, content in store.written.items()})


@tap.case("an upload of parts side by side comes back byte for byte")
def upload(store):
    store.put("upload", 45 * MIB + 1, "any", "commit", command="upload")
    assert store.get("upload") == store.written["upload"]
    store.put("upload", 9 * MIB, "any", "commit", command="upload")
    assert store.get("upload") == store.written["upload"]
    tap.equal(store.parts(), [])


@tap.case("more parts than the store composes at once become one object")
def tree(store):
    store.put("tree", 34 * 8 * MIB + 5, "any", "commit", command="upload")
    assert store.get("tree") == store.written["tree"]
    tap.equal(store.parts(), [])
    store.driver("remove", "tree")
    del store.written["tree"]


@tap.case("the token of the machine does as well")
def metadata(store):
    store.put("by-machine", 77, "any", "known", credentials="metadata", metadata_endpoint=f"http://127.0.0.1:{store.token_port}")
    assert store.get("by-machine") == store.written["by-machine"]


@tap.case("ranges are exact")
def ranges(store):
    content = store.written["parts"]
    for offset, length in ((0, 1), (8 * MIB - 1, 2), (12345, MIB), (len(content) - 1, 1), (len(content) - 5, 0), (0, len(content)), (len(content), 0)):
        assert store.get("parts", offset, length) == content[offset:offset + length if length else None], (offset, length)
    got = store.file("got")
    store.driver("get", "parts", got, len(content) - 1, 2, fails="range")
    store.driver("get", "parts", got, len(content) + 1, 0, fails="range")
    store.driver("get", "empty", got, 0, 1, fails="range")
    store.driver("get", "nothing", got, 0, 0, fails="no-such-object")


@tap.case("lists ascend by bytes, page by page, below the prefix only")
def lists(store):
    expected = sorted(store.written, key=str.encode)
    for foreign in ("orders/one-elsewhere", f"{PREFIX}/not one+of ours", f"{PREFIX}/a//b", f"{PREFIX}/~parts/0/00001"):
        store.faults.insert(BUCKET, foreign, b"", {})
    for page in (1, 2, 5, 1000):
        tap.equal(store.listed("", page), expected, f"pages of {page}")
    tap.equal(store.listed("a/b"), [name for name in expected if name.startswith("a/b")])
    tap.equal(store.listed("zz"), [])
    for foreign in (f"{PREFIX}/not one+of ours", f"{PREFIX}/a//b", f"{PREFIX}/~parts/0/00001"):
        del store.faults.buckets[BUCKET][foreign]


@tap.case("thousands of names are listed")
def many(store):
    store.driver("fill", "many/", 2500)
    tap.equal(store.listed("many/"), [f"many/{number:05}" for number in range(2500)])
    for name in [name for name in store.faults.buckets[BUCKET] if name.startswith(f"{PREFIX}/many/")]:
        del store.faults.buckets[BUCKET][name]


@tap.case("of eight that put if absent, one wins and its content stays")
def race(store):
    for number in range(10):
        out = store.driver("race", f"race-{number}", 8).splitlines()
        tap.equal(out[1:], ["lost 7"])
        tap.equal(store.get(f"race-{number}").decode(), out[0])
        store.driver("remove", f"race-{number}")


@tap.case("if absent holds for small and big objects that are there")
def present(store):
    for name, size in (("a", 10), ("parts", 20 * MIB)):
        store.content(size)
        store.driver("put", name, store.file("content"), "if-absent", "known", fails="object-exists")
        assert store.get(name) == store.written[name]
    store.driver("upload", "parts", store.file("content"), "if-absent", "commit", fails="object-exists")
    assert store.get("parts") == store.written["parts"]


@tap.case("an aborted upload leaves nothing, and can be aborted again")
def aborted(store):
    before = store.parts()
    store.driver("upload", "aborted", store.file("content"), "any", "abort")
    store.driver("stat", "aborted", fails="no-such-object")
    tap.equal(store.parts(), before)


@tap.case("an upload that nobody finished goes after a week")
def stale(store):
    left = [name for name in store.parts()]
    assert left, "the lost race for `parts` has left what core would abort"
    for name in left:
        store.faults.buckets[BUCKET][name]["time"] -= 8 * 24 * 3600
    store.put("upload", 9 * MIB, "any", "commit", command="upload")
    tap.equal(store.parts(), [])


@tap.case("remove succeeds twice")
def remove(store):
    store.put("short-lived", 3, "any", "known")
    store.driver("remove", "short-lived")
    store.driver("remove", "short-lived")
    store.driver("stat", "short-lived", fails="no-such-object")
    del store.written["short-lived"]


@tap.case("each fault of the store has its reason")
def faults(store):
    for word, pattern, reason in (("slow-down", "GET", "gcs-throttled"), ("quota", "GET", "gcs-throttled"), ("internal", "GET", "gcs-busy"),
                                  ("forbidden", "GET", "gcs-forbidden"), ("unauthorized", "GET", "gcs-unauthorized"), ("html", "GET", "gcs-json"),
                                  ("redirect", "GET", "gcs-redirect")):
        store.faults.fault(word, 1, pattern)
        store.driver("stat", "a", fails=reason)
    store.faults.fault("short", 1, "alt=media")
    store.driver("get", "parts", store.file("got"), 0, 0, fails="store-truncated")


@tap.case("an object whose sum is wrong is removed again")
def spoiled(store):
    store.content(1000)
    store.faults.fault("wrong-crc", 1, "upload")
    store.driver("put", "spoiled", store.file("content"), "any", "known", fails="gcs-checksum")
    store.driver("stat", "spoiled", fails="no-such-object")
    store.content(20 * MIB)
    store.faults.fault("wrong-crc", 1, "compose")
    store.driver("put", "spoiled", store.file("content"), "any", "unknown", fails="gcs-checksum")
    store.driver("stat", "spoiled", fails="no-such-object")
    tap.equal(store.parts(), [])


@tap.case("an answer that was lost leaves the object whole")
def lost(store):
    content = store.content(1000)
    store.faults.fault("lost", 1, "upload")
    store.driver("put", "lost", store.file("content"), "any", "known", fails="store-truncated")
    assert store.get("lost") == content
    store.driver("remove", "lost")


@tap.case("behind the confined storage host it does the same")
def hosted(store):
    content = store.content(20 * MIB + 7)
    for command in (["put", "hosted", store.file("content"), "if-absent", "unknown"], ["upload", "hosted", store.file("content"), "any", "commit"],
                    ["get", "hosted", store.file("got"), 0, 0], ["stat", "parts"], ["remove", "hosted"]):
        run([DRIVER, f"hosted={store.config()}", "--", *map(str, command)])
        if command[0] == "get":
            with open(store.file("got"), "rb") as f:
                assert f.read() == content


@tap.case("it passes the contract suite")
def contract(store):
    result = run([TEESQL, "--config", store.config(), "--json", "plugin", "check", "--storage", "gcs", "--quick"], check=False, timeout=300)
    failed = [check for check in json.loads(result.stdout)["checks"] if check["status"] == "failed"]
    tap.equal(failed, [])
    tap.equal(result.returncode, 0, result.stderr)
    for name in store.parts():  # of uploads that were cancelled, for the weekly sweep
        del store.faults.buckets[BUCKET][name]


@tap.case("refusals name the option to look at")
def refusals(store):
    stranger = store.make_account("stranger.pem")
    tap.contains(store.driver("list", "", 5, fails="gcs-token", account=stranger), "service-account")
    tap.contains(store.driver("list", "", 5, fails="gcs-bucket", bucket="nobodys-bucket"), "bucket")
    tap.contains(store.driver("stat", "a", fails="store-unreachable", endpoint="http://127.0.0.1:1"), "endpoint")
    tap.contains(store.driver("stat", "a", fails="store-unknown-host", endpoint="http://store.invalid"), "endpoint")
    tap.contains(store.driver("stat", "a", fails="service-account", account="{}"), "service-account")


@tap.case("rclone fetches what we wrote, byte for byte")
def by_rclone(store):
    if shutil.which("rclone") is None:
        tap.absent("rclone is not here")
    remote = f":gcs,anonymous=true,endpoint='{store.server.url}/storage/v1/',env_auth=false:{BUCKET}/{PREFIX}"
    found = {}
    with store.without_tokens():
        listed = run(["rclone", "--config", "", "lsf", "-R", "--files-only", remote]).stdout.split()
        tap.equal(sorted(listed), sorted(store.written))
        for name in listed:
            found[name] = hashlib.sha256(run(["rclone", "--config", "", "cat", f"{remote}/{name}"], text=False).stdout).hexdigest()
    tap.equal(found, {name: hashlib.sha256(content).hexdigest() for name, content in store.written.items()})


@tap.case("Google's client for JavaScript fetches what we wrote, byte for byte")
def by_javascript(store):
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        tap.absent("node and npm are not here")
    target = folder("teesql-npm-")
    for name in ("package.json", "package-lock.json", "proof.mjs"):
        shutil.copy(os.path.join(HERE, "npm-gcs", name), target)
    result = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=target, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if result.returncode != 0:
        tap.comment(result.stdout)
        tap.absent("npm could not fetch the packages")
    with store.without_tokens():
        out = run([node, "proof.mjs", store.server.url, BUCKET, PREFIX + "/"], cwd=target).stdout
    found = {}
    for line in out.splitlines():
        key, size, digest = line.split()
        tap.equal(int(size), len(store.written[key[len(PREFIX) + 1:]]))
        found[key] = digest
    tap.equal(found, store.stored())


def main():
    if shutil.which("haproxy") is None:
        tap.skip_all("haproxy is not here")
    store = Store()
    failed = tap.run(store)
    store.haproxy.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
