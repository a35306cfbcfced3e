#!/usr/bin/env python3
"""A server that was rolled back: an older copy of its data directory took its place, and it has gone further since. Nothing of what was
archived is replaced, removed or continued with WAL of another history, and what is only a restart or a crash is never taken for that."""

import json
import os
import random
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import tap
from harness.backups import BackupWorld, Restored, lsn
from harness.processes import wait_for
from harness.tap import case, comment, contains, equal

SEED = int(os.environ.get("TEESQL_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = 12 if os.environ.get("TEESQL_FULL") == "1" else 4
SEGMENT = 16 * 1024 * 1024
QUIET = {"autovacuum": "off", "checkpoint_timeout": "1h"}


def objects(world):
    found = {}
    for folder, _, files in os.walk(world.objects):
        for file in files:
            path = os.path.join(folder, file)
            if file.endswith("@"):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, world.objects)[:-1]] = f.read()
    return found


def insert(world, history, rows=500):
    world.postgres.admin(f"INSERT INTO t SELECT '{history}', md5(random()::text) FROM generate_series(1, {rows}) g")


def rows(world, history):
    return int(world.postgres.admin(f"SELECT count(*) FROM t WHERE history = '{history}'"))


def state(world):
    return world.status()["disk"]


def wait_state(world, *names):
    return wait_for(lambda: (lambda s: s if s and s["state"] in names else None)(state(world)), f"{names} in status", 60, every=0.2)


class RollbackWorld(BackupWorld):
    def status(self):
        result = self.teesql("--json", "status", check=False)
        found = json.loads(result.stdout) if result.stdout.strip() else {}
        return found.get("backups") or {"disk": None}

    def archived(self, position=None):
        position = position or self.current_lsn()
        wait_for(lambda: ((self.status()["disk"] or {}).get("durable_lsn") or 0) >= lsn(position), f"WAL up to {position} to be archived", 60, every=0.1)
        return position

    def stop_daemon(self):
        if self.daemon.alive():
            self.daemon.stop(seconds=45)

    def copy(self):
        """An older state of the server's disk, taken while it stands."""
        older = self.postgres.data + ".older"
        self.postgres.stop()
        self.postgres.as_user(["/bin/cp", "-a", self.postgres.data, older])
        self.postgres.start()
        return older

    def swap(self, older):
        shutil.rmtree(self.postgres.data)
        os.rename(older, self.postgres.data)

    def overtake(self, position, history):
        """The server alone, where nobody but the test reaches it, goes beyond @position."""
        hidden = os.path.join(self.postgres.run_dir, "hidden")
        self.postgres.as_user(["/bin/mkdir", "-p", hidden])
        usual = self.postgres.run_dir
        self.postgres.settings["unix_socket_directories"] = self.postgres.run_dir = hidden
        try:
            self.postgres.start()
            while lsn(self.current_lsn()) <= lsn(position):
                insert(self, history, 20000)
            self.postgres.stop()
        finally:
            self.postgres.settings["unix_socket_directories"] = self.postgres.run_dir = usual
        self.postgres.start()

    def settle(self):
        """Whatever a case left: this server is the right one from now on."""
        if self.postgres.process.alive():
            self.postgres.stop()
        self.postgres.start()
        if not self.daemon.alive():
            self.start_daemon(ready=False)
        self.accept_if_refused()
        wait_state(self, "streaming")

    def accept_if_refused(self):
        if wait_state(self, "refused", "streaming")["state"] == "refused":
            self.teesql("backup", "accept")


def refused(world, reason, words):
    found = wait_state(world, "refused")
    contains(found["problem"], words)
    contains(found["problem"], "teesql backup accept")
    # a server that was just exchanged is first found to be away, by a look of its own
    wait_for(lambda: world.http("/health")[1]["reason"] == reason, f"{reason} in /health")
    assert world.postgres.admin("SELECT 1") == "1"
    # it stays so, however often it is looked at again
    seen = world.daemon.log().count("WAL archiving stopped")
    wait_for(lambda: world.daemon.log().count("WAL archiving stopped") > seen + 1, "two more looks", 60, every=0.2)
    equal(state(world)["state"], "refused")


def unchanged(world, before):
    """But for a record of what was noted: the head of a run that was killed knew more than its catalog."""
    after = objects(world)
    equal([n for n in before if after.get(n) != before[n]], [], "objects that changed")
    equal([n for n in after if n not in before and "/catalog/" not in n], [], "objects that were added")


def restored(world, name, *arguments):
    world.restore(name, *arguments, "--recover")
    with Restored(world, name) as there:
        found = {h: int(n) for h, n in (line.split("|") for line in there.sql("SELECT history, count(*) FROM t GROUP BY 1").splitlines())}
    shutil.rmtree(world.target(name))
    return found


def lineages(world):
    root = os.path.join(world.objects, "v1", "lineages")
    return sorted(file[:-1] for _, _, files in os.walk(root) for file in files if file.endswith("@"))


@case("a rolled-back server that has overtaken the archive is refused, and nothing that was stored changes; accept begins anew")
def overtaken(world):
    insert(world, "both")
    world.archived()
    older = world.copy()
    insert(world, "archived", 300)
    middle = world.current_lsn()
    insert(world, "archived")
    archived = world.archived()
    known = rows(world, "archived")
    world.stop_daemon()
    world.postgres.stop()
    before, lineage = objects(world), lineages(world)
    world.swap(older)
    world.overtake(archived, "other")
    equal(rows(world, "archived"), 0)
    assert lsn(world.current_lsn()) > lsn(archived)
    world.start_daemon(ready=False)
    refused(world, "wal-differs", "is not what was archived of it")
    equal(objects(world) == before, True, "the repository is as it was")
    result = world.teesql("backup", "now", "--full", check=False)
    assert result.returncode != 0, result.stdout
    equal(objects(world) == before, True, "the repository is as it was")
    world.teesql("backup", "accept")
    wait_state(world, "streaming")
    backup = world.backup("--full")
    assert backup, backup
    insert(world, "accepted")
    world.archived()
    after = objects(world)
    equal([n for n in before if after.get(n) != before[n]], [], "objects of the old lineage that changed")
    equal(len(lineages(world)), len(lineage) + 1)
    equal(restored(world, "new"), {"both": rows(world, "both"), "other": rows(world, "other"), "accepted": rows(world, "accepted")})
    old = restored(world, "old", "--lineage", lineage[-1], "--accept-older")
    equal(old, {"both": rows(world, "both"), "archived": known})
    old = restored(world, "old-lsn", "--lineage", lineage[-1], "--accept-older", "--to-lsn", middle)
    equal(old, {"both": rows(world, "both"), "archived": 300})


@case("the same where the archive ends with a segment, and nothing of the next one is stored")
def boundary(world):
    world.settle()
    insert(world, "boundary")
    older = world.copy()
    wait_state(world, "streaming")
    insert(world, "archived-2")
    switched = world.postgres.admin("SELECT pg_switch_wal()")
    end = (lsn(switched) + SEGMENT - 1) // SEGMENT * SEGMENT
    wait_for(lambda: (state(world)["durable_lsn"] or 0) >= end, "the whole segment", 60, every=0.1)
    world.daemon.kill()
    world.postgres.stop(signal.SIGQUIT)
    comment(f"durable up to the boundary {end:X}")
    before = objects(world)
    world.swap(older)
    world.overtake(f"{(end + 2 * SEGMENT) >> 32:X}/{(end + 2 * SEGMENT) & 0xffffffff:X}", "other-2")
    world.start_daemon(ready=False)
    refused(world, "wal-differs", "is not what was archived of it")
    unchanged(world, before)


@case("a data directory that is exchanged while teesqld runs")
def exchanged(world):
    world.settle()
    older = world.copy()
    wait_state(world, "streaming")
    insert(world, "archived-3", 5000)
    archived = world.archived()
    world.postgres.stop()
    world.swap(older)
    before = objects(world)
    world.overtake(archived, "other-3")
    refused(world, "wal-differs", "is not what was archived of it")
    unchanged(world, before)


@case("a rolled-back server that leaves its timeline: the branch is not joined to WAL that it never had")
def promoted(world):
    world.settle()
    older = world.copy()
    wait_state(world, "streaming")
    insert(world, "archived-4", 5000)
    archived = world.archived()
    world.stop_daemon()
    world.postgres.stop()
    before = objects(world)
    world.swap(older)
    world.overtake(archived, "other-4")
    world.postgres.stop()
    world.postgres.as_user(["/usr/bin/touch", os.path.join(world.postgres.data, "standby.signal")])
    world.postgres.start()
    world.postgres.admin("SELECT pg_promote()")
    insert(world, "promoted-4")
    world.start_daemon(ready=False)
    refused(world, "wal-differs", "is not what was archived of it")
    unchanged(world, before)


@case("restarts and crashes of either side, at any moment and at the end of a segment, are no rollback")
def honest(world):
    rng = random.Random(SEED)
    comment(f"seed {SEED}")
    world.settle()
    world.backup("--full")
    lineage = lineages(world)
    for number in range(ROUNDS):
        insert(world, f"honest-{number}", rng.randrange(1, 20000))
        if rng.random() < 0.5:
            world.postgres.admin("SELECT pg_switch_wal()")
        if rng.random() < 0.7:
            world.archived()
        if rng.random() < 0.5:
            world.postgres.admin("CHECKPOINT")  # old segments are removed
        daemon, server = rng.choice((None, "stop", "kill")), rng.choice((None, "stop", "kill"))
        comment(f"round {number}: teesqld {daemon}, PostgreSQL {server}")
        if daemon == "stop":
            world.stop_daemon()
        elif daemon == "kill":
            world.daemon.kill()
        if server == "stop":
            world.postgres.stop()
        elif server == "kill":
            world.postgres.process.kill()
        if server is not None:
            world.postgres.start()
        insert(world, f"honest-{number}", 100)
        if daemon is not None:
            world.start_daemon()
        wait_state(world, "streaming")
        found = state(world)
        equal(found["gaps"], 0, f"round {number}: {found}")
    world.archived()
    equal(lineages(world), lineage)
    expected = {f"honest-{n}": rows(world, f"honest-{n}") for n in range(ROUNDS)}
    found = restored(world, "honest", "--accept-older")
    equal({h: n for h, n in found.items() if h in expected}, expected)


if __name__ == "__main__":
    with RollbackWorld(**QUIET) as the_world:
        the_world.postgres.admin("CREATE TABLE t (history text, x text)")
        the_world.backup("--full")
        failed = tap.run(the_world)
    sys.exit(1 if failed else 0)
