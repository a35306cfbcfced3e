#!/usr/bin/env python3
"""The plugin s3 against a real Ceph: what it promises, and that aws, rclone and Amazon's client for JavaScript read what it wrote.
Needs ceph-mon, ceph-osd, radosgw, ceph-common, awscli, rclone; node and npm for one case."""

import concurrent.futures
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from harness import ceph, schema, tap  # noqa: E402
from harness.processes import BUILD, PLUGINS, TEESQL, folder, run, wait_for  # noqa: E402

DRIVER = os.path.join(BUILD, "tests/integration/s3-driver")
BUCKET, PREFIX = "teesql-test", "orders/one"
MIB = 1 << 20
# odd names within the rule, and sizes around one part
OBJECTS = {
    "empty": 0, "a": 1, "a/b/c": 100, "a/b=c_d-e.f": 1000, "A/B": 5, "a.b/..c": 7, "-/=": 9, "x" * 250 + "/" + "y" * 250: 11,
    "part": 8 * MIB, "part-and-one": 8 * MIB + 1, "parts": 20 * MIB + 12345, "below": 8 * MIB - 1,
}


class Store:
    def __init__(self):
        self.ceph = ceph.Ceph()
        self.ceph.make_bucket(BUCKET)
        self.folder = folder("teesql-s3-")
        self.written = {}

    def file(self, name):
        return os.path.join(self.folder, name)

    def drive(self, command, secret=None, **options):
        given = {"endpoint": self.ceph.url, "bucket": BUCKET, "prefix": PREFIX, "path_style": "true", "access_key_id": self.ceph.ACCESS_KEY, "secret_access_key": "env:AWS_SECRET_ACCESS_KEY",
                 **options}
        environment = {"PATH": os.environ["PATH"], "G_DEBUG": "fatal-criticals", "AWS_SECRET_ACCESS_KEY": secret or self.ceph.SECRET_KEY}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        return run([DRIVER, *(f"{name.replace('_', '-')}={value}" for name, value in given.items()), "--", *map(str, command)],
                   check=False, env=environment)

    def driver(self, *command, fails=None, **options):
        result = self.drive(command, **options)
        if fails is None:
            assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stderr}"
            return result.stdout
        assert result.returncode == 1, f"{command}: {result.returncode}, expected {fails}\n{result.stderr}"
        tap.equal(result.stderr.split()[0], fails, " ".join(map(str, command)))
        return result.stderr

    def configuration(self, **changed):
        """A teesqld.conf with the storage s3; returns its path."""
        path, secret = self.file("teesqld.conf"), self.file("secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
            f.write(self.ceph.SECRET_KEY)
        given = {"endpoint": self.ceph.url, "bucket": BUCKET, "prefix": PREFIX, "path-style": "true", "access-key-id": self.ceph.ACCESS_KEY,
                 "secret-access-key": f"file:{secret}", **changed}
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[teesql]\ncluster = orders\nplugin-path = {PLUGINS}\n\n[backup]\nstorages = s3\n\n[storage:s3]\n")
            f.writelines(f"{name} = {value}\n" for name, value in given.items())
        return path

    def hosted(self, *command):
        return run([DRIVER, f"hosted={self.configuration()}", "--", *map(str, command)]).stdout

    def check(self, *arguments, code=0, **changed):
        """`teesql plugin check`, and what it says of each check."""
        result = run([TEESQL, "--config", self.configuration(**changed), "--json", "plugin", "check", "--storage", "s3", *arguments],
                     check=False, timeout=400)
        found = schema.check_text(result.stdout, "plugin-check")
        tap.equal(result.returncode, code, result.stdout + result.stderr)
        return found, result.stderr

    def put(self, name, size, *how, command="put"):
        content = os.urandom(size)
        path = self.file("content")
        with open(path, "wb") as f:
            f.write(content)
        tap.equal(self.driver(command, name, path, *how), f"{name} {size}\n")
        self.written[name] = content

    def get(self, name, offset=0, length=0):
        path = self.file("got")
        self.driver("get", name, path, offset, length)
        with open(path, "rb") as f:
            return f.read()

    def listed(self, prefix="", page=1000):
        return [line.split()[0] for line in self.driver("list", prefix, page).splitlines()]

    def keys(self, prefix=""):
        """As the store lists them: with what the plugin keeps to itself."""
        return [key for key in self.ceph.aws("s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", f"{PREFIX}/{prefix}", "--query",
                                             "Contents[].Key", "--output", "text").stdout.split() if key != "None"]

    def uploads(self):
        """Multipart uploads that nobody has ended, as the store knows them."""
        return [line for line in self.ceph.aws("s3api", "list-multipart-uploads", "--bucket", BUCKET, "--query", "Uploads[].UploadId",
                                               "--output", "text").stdout.split() if line != "None"]


@tap.case("objects of all sizes and odd names come back byte for byte")
def sizes(store):
    for number, (name, size) in enumerate(OBJECTS.items()):
        store.put(name, size, "if-absent" if number % 3 else "any", "known" if number % 2 else "unknown")
    for name, content in store.written.items():
        assert store.get(name) == content, name
    tap.equal(store.uploads(), [])


@tap.case("an upload of parts side by side comes back byte for byte")
def upload(store):
    store.put("upload", 45 * MIB + 1, "any", "commit", command="upload")
    assert store.get("upload") == store.written["upload"]
    store.put("upload", 9 * MIB, "any", "commit", command="upload")
    assert store.get("upload") == store.written["upload"]


@tap.case("checksums of each kind are taken")
def checksums(store):
    for kind in ("sha256", "md5", "none"):
        content = os.urandom(9 * MIB)
        with open(store.file("content"), "wb") as f:
            f.write(content)
        store.driver("put", "checksum", store.file("content"), "any", "unknown", checksum=kind)
        assert store.get("checksum") == content, kind
    store.driver("remove", "checksum")


@tap.case("ranges are exact")
def ranges(store):
    content = store.written["parts"]
    for offset, length in ((0, 1), (8 * MIB - 1, 2), (12345, MIB), (len(content) - 1, 1), (len(content) - 5, 0), (0, len(content))):
        assert store.get("parts", offset, length) == content[offset:offset + length if length else None], (offset, length)
    got = store.file("got")
    store.driver("get", "parts", got, len(content) - 1, 2, fails="range")
    store.driver("get", "parts", got, len(content), 0, fails="range")
    store.driver("get", "empty", got, 0, 1, fails="range")
    store.driver("get", "nothing", got, 0, 0, fails="no-such-object")


@tap.case("lists ascend by bytes, page by page, below the prefix only")
def lists(store):
    expected = sorted(store.written, key=str.encode)
    store.ceph.aws("s3api", "put-object", "--bucket", BUCKET, "--key", "orders/one-elsewhere")
    store.ceph.aws("s3api", "put-object", "--bucket", BUCKET, "--key", f"{PREFIX}/not one+of ours")
    store.ceph.aws("s3api", "put-object", "--bucket", BUCKET, "--key", f"{PREFIX}/a//b")
    for page in (1, 2, 5, 1000):
        tap.equal(store.listed("", page), expected, f"pages of {page}")
    tap.equal(store.listed("a/b"), [name for name in expected if name.startswith("a/b")])
    tap.equal(store.listed("zz"), [])


@tap.case("thousands of names are listed")
def many(store):
    store.driver("fill", "many/", 2500, max_connections=32)
    tap.equal(store.listed("many/"), [f"many/{number:05}" for number in range(2500)])
    store.ceph.aws("s3", "rm", "--recursive", "--only-show-errors", f"s3://{BUCKET}/{PREFIX}/many/")


@tap.case("of eight that put if absent, one wins and its content stays")
def race(store):
    for number in range(10):
        out = store.driver("race", f"race-{number}", 8).splitlines()
        tap.equal(len(out), 2, out)
        tap.equal(out[1], "lost 7")
        tap.equal(store.get(f"race-{number}").decode(), out[0])
        store.driver("remove", f"race-{number}")


@tap.case("if absent holds for small and big objects that are there")
def present(store):
    for name, size in (("a", 10), ("parts", 20 * MIB)):
        with open(store.file("content"), "wb") as f:
            f.write(os.urandom(size))
        store.driver("put", name, store.file("content"), "if-absent", "known", fails="object-exists")
        assert store.get(name) == store.written[name]
    store.driver("upload", "parts", store.file("content"), "if-absent", "commit", fails="object-exists")
    tap.equal(len(store.uploads()), 1, "what core aborts")


@tap.case("the whole contract holds, without an exception")
def contract(store):
    before = store.uploads()
    found, _ = store.check()
    tap.equal([c for c in found["checks"] if c["status"] != "passed"], [])
    tap.equal(found["passed"], True)
    assert len(found["checks"]) > 25, found
    for number in range(8):  # who wins is luck
        tap.equal(store.check("--only", "upload-race")[0]["passed"], True, f"race {number}")
    tap.equal([key for key in store.keys() if "!" in key or "teesql-check" in key], [], "nothing is left")
    tap.equal([upload for upload in store.uploads() if upload not in before and not cut_by_checks(store, upload)], [], "no upload is left")


def cut_by_checks(store, upload):
    """Uploads whose begin was cancelled: the store may have made them all the same, and only a rule of the bucket takes them away."""
    key = store.ceph.aws("s3api", "list-multipart-uploads", "--bucket", BUCKET, "--query", f"Uploads[?UploadId=='{upload}'].Key", "--output",
                         "text").stdout
    return "/cancel-" in key


@tap.case("the claim of a host that died is taken over by one of many, and what it had begun is given up")
def dead_claimant(store):
    name = f"{PREFIX}/contested"
    begun = store.ceph.aws("s3api", "create-multipart-upload", "--bucket", BUCKET, "--key", name, "--query", "UploadId", "--output",
                           "text").stdout.strip()
    with open(store.file("claim"), "w", encoding="ascii") as f:
        f.write(f"1 c0123456789abcdef:{begun}")  # good for a second
    store.ceph.aws("s3api", "put-object", "--bucket", BUCKET, "--key", f"{PREFIX}/!claims/contested", "--body", store.file("claim"))
    tap.equal(store.listed("contested"), [])
    contents = [os.urandom(9 * MIB) for _ in range(4)]
    for number, content in enumerate(contents):
        with open(store.file(f"content-{number}"), "wb") as f:
            f.write(content)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda number: store.drive(["upload", "contested", store.file(f"content-{number}"), "if-absent", "commit"]),
                                range(len(contents))))
    won = [number for number, result in enumerate(results) if result.returncode == 0]
    tap.equal(len(won), 1, [result.stderr for result in results])
    tap.equal([r.stderr.split()[0] for r in results if r.returncode != 0], ["object-exists"] * 3)
    assert store.get("contested") == contents[won[0]]
    assert begun not in store.uploads(), "the dead one cannot end its upload any more"
    tap.equal(store.keys("!"), [])
    store.driver("remove", "contested")


@tap.case("an aborted upload leaves nothing, and can be aborted again")
def aborted(store):
    before = store.uploads()
    store.driver("upload", "aborted", store.file("content"), "any", "abort")
    store.driver("stat", "aborted", fails="no-such-object")
    tap.equal(store.uploads(), before)


@tap.case("remove succeeds twice")
def remove(store):
    store.put("short-lived", 3, "any", "known")
    store.driver("remove", "short-lived")
    store.driver("remove", "short-lived")
    store.driver("stat", "short-lived", fails="no-such-object")
    del store.written["short-lived"]


@tap.case("refusals name the option to look at")
def refusals(store):
    tap.contains(store.driver("list", "", 5, fails="s3-signature", secret="wrong"), "secret-access-key")
    tap.contains(store.driver("list", "", 5, fails="s3-access-key", access_key_id="AKIDNOBODY"), "access-key-id")
    tap.contains(store.driver("list", "", 5, fails="s3-no-such-bucket", bucket="nobodys-bucket"), "bucket")
    tap.contains(store.driver("stat", "a", fails="store-unreachable", endpoint="http://127.0.0.1:1"), "endpoint")
    tap.contains(store.driver("stat", "a", fails="store-unknown-host", endpoint="http://store.invalid"), "endpoint")


@tap.case("before the first check, `plugin check` says which setting is wrong")
def strangers(store):
    with open(os.open(store.file("wrong"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
        f.write("wrong")
    tls = store.ceph.url.replace("http:", "https:")
    for reason, hint, changed in (("s3-access-key", "does not know access-key-id", {"access-key-id": "AKIDNOBODY"}),
                                  ("s3-signature", "secret-access-key", {"secret-access-key": f"file:{store.file('wrong')}"}),
                                  ("s3-no-such-bucket", "bucket names none", {"bucket": "nobodys-bucket"}),
                                  ("store-unreachable", "the address of endpoint", {"endpoint": "http://127.0.0.1:1"}),
                                  ("store-unknown-host", "from endpoint", {"endpoint": "http://store.invalid"}),
                                  ("store-tls", "those of endpoint", {"endpoint": tls})):
        code = {"s3-access-key": 1, "s3-signature": 1, "s3-no-such-bucket": 2}.get(reason, 3)
        found, _ = store.check(code=code, **changed)
        tap.equal((found["reason"], found["checks"]), (reason, []), changed)
        tap.contains(found["message"].split("hint: ")[-1], hint)


class Spoiler:
    """Between the plugin and the store: changes one word of what goes up, its length kept."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._copy, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, False), daemon=True).start()

    @staticmethod
    def _copy(source, target, spoil):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data.replace(b"genuine", b"changed") if spoil else data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@tap.case("a body that changes on its way is refused by the store")
def changed(store):
    spoiler = Spoiler(store.ceph.port)
    with open(store.file("content"), "wb") as f:
        f.write(b"genuine")
    for kind in ("sha256", "md5", "none"):  # the signed hash alone is enough
        store.driver("put", "changed", store.file("content"), "any", "known", endpoint=spoiler.url, checksum=kind, fails="s3-checksum")
    store.driver("stat", "changed", fails="no-such-object")
    spoiler.listener.close()


class Cutter:
    """Between the plugin and the store: hangs up on the plugin as soon as the end of an upload has gone by."""

    END = b"</CompleteMultipartUpload>"

    def __init__(self, port):
        self.port, self.heads = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client, server):
        try:
            while data := client.recv(1 << 16):
                self.heads.append(data[:7])
                server.sendall(data)
                if data.endswith(self.END):
                    client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @staticmethod
    def _down(server, client):
        try:
            while data := server.recv(1 << 16):
                client.sendall(data)
        except OSError:
            pass


@tap.case("an upload is not given up while its end may be under way")
def under_way(store):
    cutter = Cutter(store.ceph.port)
    content = os.urandom(40 * MIB)
    with open(store.file("content"), "wb") as f:
        f.write(content)
    store.driver("put", "under-way", store.file("content"), "any", "unknown", endpoint=cutter.url, fails="store-truncated")
    assert b"DELETE " not in cutter.heads, "Ceph 16 would say yes to both, and throw the parts away some seconds later"
    wait_for(lambda: "under-way" in store.listed(), "the end to have taken place")
    assert store.get("under-way") == content
    store.driver("remove", "under-way")
    cutter.listener.close()


def check_listing(store, found):
    tap.equal(found, {f"{PREFIX}/{name}": hashlib.sha256(content).hexdigest() for name, content in store.written.items()})


def ignore_strangers(store):
    store.ceph.aws("s3api", "delete-object", "--bucket", BUCKET, "--key", f"{PREFIX}/not one+of ours")
    store.ceph.aws("s3api", "delete-object", "--bucket", BUCKET, "--key", f"{PREFIX}/a//b")


def hashes_below(top):
    found = {}
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                found[PREFIX + "/" + os.path.relpath(path, top)] = hashlib.sha256(f.read()).hexdigest()
    return found


@tap.case("aws fetches what we wrote, byte for byte")
def by_aws(store):
    ignore_strangers(store)
    found = {}
    listed = store.ceph.aws("s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", PREFIX + "/", "--query", "Contents[].Key",
                            "--output", "text").stdout.split()
    for key in listed:  # one by one: `a` and `a/b` are no file and folder to S3
        store.ceph.aws("s3api", "get-object", "--bucket", BUCKET, "--key", key, store.file("by-aws"))
        with open(store.file("by-aws"), "rb") as f:
            found[key] = hashlib.sha256(f.read()).hexdigest()
    check_listing(store, found)


@tap.case("rclone fetches what we wrote, byte for byte")
def by_rclone(store):
    if shutil.which("rclone") is None:
        tap.absent("rclone is not here")
    remote = f":s3,provider=Ceph,env_auth=true,endpoint='{store.ceph.url}':{BUCKET}/{PREFIX}"
    listed = run(["rclone", "--config", "", "lsf", "-R", "--files-only", remote], env=store.ceph.environment()).stdout.split()
    tap.equal(sorted(listed), sorted(store.written))
    # to a file system, where `a` and `a/b` cannot both be
    target = store.file("by-rclone")
    run(["rclone", "--config", "", "copy", "--exclude", "/a", remote, target], env=store.ceph.environment())
    found = hashes_below(target)
    found[PREFIX + "/a"] = hashlib.sha256(run(["rclone", "--config", "", "cat", remote + "/a"], env=store.ceph.environment(),
                                              text=False).stdout).hexdigest()
    check_listing(store, found)


@tap.case("Amazon's client for JavaScript fetches what we wrote, byte for byte")
def by_javascript(store):
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        tap.absent("node and npm are not here")
    target = folder("teesql-npm-")
    for name in ("package.json", "package-lock.json", "proof.mjs"):
        shutil.copy(os.path.join(HERE, "npm-s3", name), target)
    result = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=target, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if result.returncode != 0:
        tap.comment(result.stdout)
        tap.absent("npm could not fetch the packages")
    out = run([node, "proof.mjs", store.ceph.url, BUCKET, PREFIX + "/"], cwd=target, env=store.ceph.environment()).stdout
    found = {}
    for line in out.splitlines():
        key, size, digest = line.split()
        tap.equal(int(size), len(store.written[key[len(PREFIX) + 1:]]))
        found[key] = digest
    check_listing(store, found)


@tap.case("behind the confined storage host it does the same")
def hosted(store):
    content = os.urandom(20 * MIB + 7)
    with open(store.file("content"), "wb") as f:
        f.write(content)
    for command in (["put", "hosted", store.file("content"), "if-absent", "unknown"], ["upload", "hosted", store.file("content"), "any", "commit"],
                    ["get", "hosted", store.file("got"), 0, 0], ["list", "part", 2], ["stat", "parts"], ["remove", "hosted"]):
        out = store.hosted(*command)
        if command[0] == "get":
            with open(store.file("got"), "rb") as f:
                assert f.read() == content
        elif command[0] == "list":
            tap.equal([line.split()[0] for line in out.splitlines()], sorted(n for n in store.written if n.startswith("part")))


@tap.case("a gateway that is killed is unavailable, and after its return all is there")
def killed(store):
    store.ceph.gateway.kill()
    store.driver("stat", "a", fails="store-unreachable")
    store.ceph.start_gateway()
    assert store.get("parts") == store.written["parts"]


def main():
    name = ceph.missing() or next((name for name in ("aws",) if shutil.which(name) is None), None)
    if name is not None:
        tap.skip_all(f"{name} is not here")
    store = Store()
    failed = tap.run(store)
    store.ceph.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
