#!/usr/bin/env python3
"""Backups as their operator sees them: a managed PostgreSQL that is written to all the time, teesqld with a storage, `teesql backup` and `teesql restore`;
and the same while teesqld, the storage host and PostgreSQL are killed at random moments. Row by row: what was committed before a point is there, what came
behind it is not. `tests/run.sh --full` runs 50 rounds instead of 5."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.processes import TEESQL, Process, run, wait_for  # noqa: E402
from harness.world import World, postgres_bindir, postgres_user  # noqa: E402

ROUNDS = 50 if os.environ.get("TEESQL_FULL") == "1" else 5
RANDOM = random.Random(int(os.environ.get("TEESQL_TEST_SEED", "0")) or time.time_ns())


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(number):
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def payload(number):
    return hashlib.md5(str(number).encode()).hexdigest()


class Writer(threading.Thread):
    """Commits one row after the other and notes, per row, an LSN and a time from before it was written and from after it was committed."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.rows, self.ending, self.lock = world, [], threading.Event(), threading.Lock()
        self.next = 1

    def run(self):
        while not self.ending.is_set():
            try:
                self.write_some()
            except (AssertionError, subprocess.TimeoutExpired, OSError):
                self.ending.wait(0.2)  # the server is away; it comes back

    def write_some(self):
        sql = "".join("SELECT pg_current_wal_insert_lsn() || ' ' || extract(epoch FROM clock_timestamp());"
                      f"INSERT INTO ticks VALUES ({self.next + i}, '{payload(self.next + i)}');" for i in range(20))
        sql += "SELECT pg_current_wal_insert_lsn() || ' ' || extract(epoch FROM clock_timestamp());"
        exists = self.world.postgres.admin(f"SELECT count(*) FROM ticks WHERE id >= {self.next}")
        if exists != "0":  # the answer of an earlier batch was lost
            self.next = int(self.world.postgres.admin("SELECT max(id) + 1 FROM ticks"))
            return
        marks = self.world.postgres.admin(sql).splitlines()
        for i in range(20):
            before, after = marks[i].split(), marks[i + 1].split()
            with self.lock:
                self.rows.append((self.next + i, lsn(before[0]), lsn(after[0]), float(before[1]), float(after[1])))
        self.next += 20

    def stop(self):
        self.ending.set()
        self.join(60)

    def snapshot(self):
        with self.lock:
            return list(self.rows)


class Backups:
    def __init__(self, world, storage):
        self.world, self.storage = world, storage
        self.restored = 0

    def teesql(self, *arguments, check=True, timeout=300):
        return run([TEESQL, "--config", self.world.daemon_config, "--json", *arguments], check=check, timeout=timeout)

    def ask(self, *arguments, **extra):
        return json.loads(self.teesql(*arguments, **extra).stdout)

    def facts(self):
        status = self.ask("status", check=False)
        return status["backups"].get("disk", {})

    def wait_streaming(self):
        def streaming():
            result = self.teesql("status", check=False)
            if result.returncode not in (0, 1):
                return False
            facts = json.loads(result.stdout)["backups"].get("disk", {})
            return facts.get("state") == "streaming" and facts
        return wait_for(streaming, "WAL to stream", 90, every=0.2)

    def wait_durable(self, target):
        return wait_for(lambda: (self.facts().get("durable_lsn") or 0) >= target, f"WAL to be durable up to {lsn_text(target)}", 90, every=0.2)

    def restore(self, *arguments, check=True):
        """Restores with `--recover` into a new folder, and returns it."""
        self.restored += 1
        target = os.path.join(self.world.dir, f"restored-{self.restored}", "data")
        os.makedirs(os.path.dirname(target))
        if postgres_user():
            os.chown(os.path.dirname(target), postgres_user().pw_uid, postgres_user().pw_gid)
        result = self.teesql("restore", "--target-directory", target, *arguments, check=check, timeout=600)
        return target, result

    def discard(self, target):
        shutil.rmtree(os.path.dirname(target))


class Restored:
    """A server on a restored directory, by itself."""

    def __init__(self, world, data):
        self.world, self.data, self.bindir, self.user = world, data, postgres_bindir(), postgres_user()
        self.sockets = os.path.dirname(data)
        self.process = Process("restored", [os.path.join(self.bindir, "postgres"), "-D", data, "-clisten_addresses=", f"-cunix_socket_directories={self.sockets}",
                                            "-cfsync=off", "-csummarize_wal=off"], world.logs, user=self.user)
        self.process.wait_until(lambda: run([os.path.join(self.bindir, "pg_isready"), "-q", "-h", self.sockets], check=False).returncode == 0, "ready", 60)

    def sql(self, text):
        return run([os.path.join(self.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.sockets, "-U", "postgres", "-d", "postgres", "-c", text],
                   env={**os.environ, "PGPASSWORD": self.world.postgres.password}).stdout.strip()

    def rows(self):
        return dict((int(line.split("|")[0]), line.split("|")[1]) for line in self.sql("SELECT id, payload FROM ticks").splitlines())

    def amcheck(self):
        self.sql("CREATE EXTENSION IF NOT EXISTS amcheck")
        run([os.path.join(self.bindir, "pg_amcheck"), "-h", self.sockets, "-U", "postgres", "-d", "postgres", "--heapallindexed"],
            env={**os.environ, "PGPASSWORD": self.world.postgres.password}, timeout=300)

    def stop(self):
        self.process.stop(signal.SIGINT)


def check_checksums(data):
    extra = {"user": postgres_user().pw_uid, "group": postgres_user().pw_gid, "extra_groups": []} if postgres_user() else {}
    run([os.path.join(postgres_bindir(), "pg_checksums"), "--check", "-D", data], cwd="/", timeout=300, **extra)


def judge(rows, found, must, must_not):
    """@must(row), @must_not(row): what has to be there, what must not."""
    for number, text in found.items():
        tap.equal(text, payload(number), f"row {number}")
    missing = [row[0] for row in rows if must(row) and row[0] not in found]
    assert not missing, f"{len(missing)} committed rows are missing, the first is {missing[0]}"
    extra = [row[0] for row in rows if must_not(row) and row[0] in found]
    assert not extra, f"{len(extra)} rows of later are there, the first is {extra[0]}"


def check_restored(world, backups, rows, arguments, must, must_not, thorough=False):
    target, _ = backups.restore("--recover", *arguments)
    check_checksums(target)
    server = Restored(world, target)
    try:
        judge(rows, server.rows(), must, must_not)
        assert server.sql("SELECT timeline_id FROM pg_control_checkpoint()") != "1", "a restored cluster goes on under the old timeline"
        if thorough:
            server.amcheck()
    finally:
        server.stop()
    backups.discard(target)


# --- cases


@tap.case("the first full backup is taken without being asked for, and the operator sees it")
def first_backup(world, backups, writer):
    facts = wait_for(lambda: (lambda f: f.get("backups", 0) >= 1 and f)(backups.facts()), "the first backup", 120, every=0.2)
    assert facts["last_full"] is not None and facts["oldest_restorable"] is not None, facts
    listing = schema.check_text(backups.teesql("backup", "list").stdout, "backup-list")
    tap.equal(listing["backups"][0]["type"], "full")
    tap.equal(world.http("/health")[1]["status"], "ok")
    text = run([TEESQL, "--config", world.daemon_config, "backup", "list"]).stdout
    tap.contains(text, listing["backups"][0]["name"])


@tap.case("a backup that is asked for stands on the last one")
def incremental(world, backups, writer):
    result = schema.check_text(backups.teesql("backup", "now", "--label", "before the upgrade").stdout, "backup-now")
    tap.equal(result["backup"]["type"], "incremental")
    tap.equal(result["backup"]["label"], "before the upgrade")
    shown = backups.ask("backup", "show", result["backup"]["name"])
    tap.equal(shown["id"], result["backup"]["id"])
    full = backups.ask("backup", "now", "--full")
    tap.equal(full["backup"]["type"], "full")


@tap.case("nothing of a row lies readable in the storage")
def no_plaintext(world, backups, writer):
    needles = [payload(row[0]).encode() for row in writer.snapshot()[:3]] + [b"ticks", b"PG_VERSION", world.postgres.password.encode()]
    for folder, _, names in os.walk(backups.storage):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                content = f.read()
            for needle in needles:
                assert needle not in content, f"{needle!r} in {name}"


@tap.case("what the storage has is what the catalog says, byte by byte")
def verify(world, backups, writer):
    result = schema.check_text(backups.teesql("backup", "verify", "--deep").stdout, "backup-verify")
    tap.equal(result["findings"], [])
    assert result["objects"] > 3, result


@tap.case("restored to the newest point every committed row is there")
def restore_latest(world, backups, writer):
    rows = writer.snapshot()
    backups.wait_durable(rows[-1][2])
    check_restored(world, backups, rows, [], lambda row: True, lambda row: False, thorough=True)


@tap.case("restored to an LSN it holds what was committed before, and nothing of later")
def restore_lsn(world, backups, writer):
    rows = writer.snapshot()
    middle = RANDOM.choice(rows[len(rows) // 2:])
    backups.wait_durable(rows[-1][2])
    check_restored(world, backups, rows, ["--to-lsn", lsn_text(middle[2])], lambda row: row[2] <= middle[2], lambda row: row[1] > middle[2])


@tap.case("restored to a time it holds what was committed before, and nothing of later")
def restore_time(world, backups, writer):
    rows = writer.snapshot()
    middle = RANDOM.choice(rows[len(rows) // 2:])
    backups.wait_durable(rows[-1][2])
    moment = middle[4]
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}+00"
    check_restored(world, backups, rows, ["--to-time", text], lambda row: row[4] < moment - 0.001, lambda row: row[3] > moment + 0.001)


@tap.case("restored to a named point it holds what was committed before")
def restore_name(world, backups, writer):
    wait_for(lambda: len(writer.snapshot()) > 0, "rows")
    point = lsn(world.postgres.admin("SELECT pg_create_restore_point('before the upgrade')"))
    wait_for(lambda: writer.snapshot()[-1][1] > point, "rows behind the point")
    rows = writer.snapshot()
    backups.wait_durable(rows[-1][2])
    check_restored(world, backups, rows, ["--to-name", "before the upgrade"], lambda row: row[2] <= point, lambda row: row[1] > point)


@tap.case("a folder that is not empty stays as it is")
def not_empty(world, backups, writer):
    target = os.path.join(world.dir, "occupied")
    os.makedirs(target)
    with open(os.path.join(target, "mine"), "w", encoding="ascii") as f:
        f.write("mine")
    result = backups.teesql("restore", "--target-directory", target, check=False)
    assert result.returncode in (1, 2), result
    tap.equal(os.listdir(target), ["mine"])


@tap.case("a dry run writes nothing and says what would be done")
def dry_run(world, backups, writer):
    target = os.path.join(world.dir, "dry")
    schema.check_text(backups.teesql("restore", "--target-directory", target, "--dry-run").stdout, "restore")
    assert not os.path.exists(target)


@tap.case("a new key seals what comes, and what was sealed before stays readable")
def rotate(world, backups, writer):
    tap.equal(backups.ask("backup", "rotate-key")["epoch"], 1)
    backups.ask("backup", "now")
    rows = writer.snapshot()
    backups.wait_durable(rows[-1][2])
    check_restored(world, backups, rows, [], lambda row: True, lambda row: False)
    tap.equal(backups.ask("backup", "list")["epochs"], [0, 1])


@tap.case("while everything is killed at random nothing that was acknowledged is lost")
def kills(world, backups, writer):
    for number in range(ROUNDS):
        victim = RANDOM.choice(["teesqld", "host", "postgres"])
        if RANDOM.random() < 0.5:
            asked = subprocess.Popen([TEESQL, "--config", world.daemon_config, "--quiet", "backup", "now"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            asked = None
        moment = time.monotonic() + RANDOM.uniform(0.2, 3)
        wait_for(lambda: time.monotonic() > moment, "a random moment", 10)
        durable = backups.facts().get("durable_lsn") or 0
        kill(world, victim)
        if asked:
            asked.wait(120)
        if not world.daemon.alive():
            world.start_daemon()
        backups.wait_streaming()
        rows = wait_for(lambda: (lambda r: len(r) > 40 and r)(writer.snapshot()), "rows")
        newest = rows[-1]
        backups.wait_durable(newest[2])
        assert backups.facts()["durable_lsn"] >= durable, "the archive went back"
        target = RANDOM.choice(rows[len(rows) * 2 // 3:])
        tap.comment(f"round {number + 1}: killed {victim}, restoring to {lsn_text(target[2])} of {lsn_text(newest[2])}")
        check_restored(world, backups, rows, ["--to-lsn", lsn_text(target[2])], lambda row: row[2] <= target[2], lambda row: row[1] > target[2],
                       thorough=number == ROUNDS - 1)
    tap.equal(backups.ask("backup", "verify")["findings"], [])


def kill(world, victim):
    if victim == "teesqld":
        os.kill(world.daemon.pid, signal.SIGKILL)
        world.daemon.child.wait()
        return
    if victim == "postgres":
        pid = world.postgres.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
        return
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii") as f:
                text = f.read()
        except OSError:
            continue
        if entry.isdigit() and "teesql-storage" in text and int(text.rpartition(")")[2].split()[1]) == world.daemon.pid:
            os.kill(int(entry), signal.SIGKILL)


def give_to_host(path):
    """Started by root, the storage host runs as a user of its own."""
    if os.geteuid() != 0:
        return
    import pwd
    for name in ("teesql-storage", "nobody"):
        try:
            os.chown(path, pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid)
            return
        except KeyError:
            pass


def main():
    with World(start=False, managed=True) as world:
        storage = os.path.join(world.dir, "storage")
        os.makedirs(storage, mode=0o700)
        give_to_host(storage)
        world.overrides = {"backup": {"storages": "disk"}, "storage:disk": {"plugin": "file", "path": storage}}
        world.daemon_config = world.write_daemon_config()
        world.start_daemon()
        world.postgres.admin("CREATE TABLE ticks (id int PRIMARY KEY, payload text)")
        writer, backups = Writer(world), Backups(world, storage)
        writer.start()
        try:
            return 1 if tap.run(world, backups, writer) else 0
        finally:
            writer.stop()


if __name__ == "__main__":
    sys.exit(main())
