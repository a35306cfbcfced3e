#!/usr/bin/env python3
"""Base backups and the WAL archiver against a real PostgreSQL 17 and the storage `file`: what is confirmed is there, whatever breaks."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import tap
from harness.engine import compare_wal, lsn, PASSWORD, pgbench, Refused, SEGMENT, Site, slot_row, verify_backup
from harness.processes import Process, folder, run, wait_for
from harness.tap import case, comment, contains, equal
from harness.world import Postgres, postgres_user

SEED = int(os.environ.get("TEESQL_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = 20 if os.environ.get("TEESQL_FULL") == "1" else 5


# -- Base backups ------------------------------------------------------------------------------------------------------


@case("a full backup is what PostgreSQL's manifest says, with pgbench running")
def _(site):
    pgbench(site, "-i", "-q", "-s", "10")
    driver = site.driver()
    load = pgbench(site, "-T", "60", "-c", "2", "-n", background=True)
    try:
        backup = driver.full()
    finally:
        load.terminate()
        load.wait()
    comment(f"{backup['plain_size'] / 1e6:.0f} MB, stored {backup['stored_size'] / 1e6:.0f} MB, {backup['seconds']:.2f} s, CPU {backup['cpu']:.2f} s")
    equal(backup["archives"], ["base", "manifest"])
    assert backup["progress_calls"] > 3 and backup["progress_total"] > 100e6, backup
    verify_backup(site, site.extract(backup["name"]))
    driver.ask(f"wait {backup['stop_lsn'] >> 32:X}/{backup['stop_lsn'] & 0xffffffff:X} 30000", "durable")
    driver.stop()
    record = site.record()
    equal(record["backups"][-1]["start_lsn"] is not None, True)
    compare_wal(site)


@case("a backup that was made this way starts and holds the same rows")
def _(site):
    driver = site.driver()
    site.admin("CREATE TABLE kept AS SELECT n, md5(n::text) FROM generate_series(1, 100000) n")
    backup = driver.full()
    site.admin("INSERT INTO kept SELECT n, md5(n::text) FROM generate_series(100001, 200000) n")
    driver.wait_lsn(site.position())
    driver.stop()
    wal, _ = site.wal()
    restored = Restored(site, site.extract(backup["name"]), wal)
    equal(restored.admin("SELECT count(*), sum(n) FROM kept"), site.admin("SELECT count(*), sum(n) FROM kept"))
    restored.stop()


class Restored:
    """A cluster out of a full backup and a folder of WAL, started as PostgreSQL's user and recovered to its end."""

    def __init__(self, site, path, wal, data=None):
        self.site, self.data = site, data or os.path.join(path, "base")
        self.run_dir = folder()
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="ascii") as f:
            f.write(f"restore_command = 'cp {wal}/%f %p'\nunix_socket_directories = '{self.run_dir}'\nlisten_addresses = ''\n")
        open(os.path.join(self.data, "recovery.signal"), "w", encoding="ascii").close()
        pad(wal)
        os.chmod(self.data, 0o700)
        user = postgres_user()
        if user:
            for top in (site.dir, path):
                os.chmod(top, 0o711)
            run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", path, wal, self.run_dir])
        self.process = Process("restored", [os.path.join(site.postgres.bindir, "postgres"), "-D", self.data], site.logs, user=user)
        self.process.wait_until(lambda: self.psql("SELECT NOT pg_is_in_recovery()", check=False).stdout.strip() == "t", "recovered", 120)

    def psql(self, sql, check=True):
        return run([os.path.join(self.site.postgres.bindir, "psql"), "-XAtq", "-h", self.run_dir, "-U", "postgres", "-c", sql], check=check,
                   env={**os.environ, "PGPASSWORD": PASSWORD})

    def admin(self, sql):
        return self.psql(sql).stdout.strip()

    def stop(self):
        self.process.stop(signal.SIGINT)


def pad(wal):
    """The newest segment is put together from partial objects: recovery wants it in full size."""
    for name in os.listdir(wal):
        if len(name) == 24:
            os.truncate(os.path.join(wal, name), SEGMENT)


@case("an incremental backup goes against its parent's manifest")
def _(site):
    pgbench(site, "-i", "-q", "-s", "5")
    driver = site.driver()
    full = driver.full()
    pgbench(site, "-t", "500", "-c", "2", "-n")
    middle = driver.incremental(full["name"])
    pgbench(site, "-t", "500", "-c", "2", "-n")
    last = driver.incremental(middle["name"])
    driver.stop()
    assert middle["plain_size"] < full["plain_size"] / 2, (middle, full)
    paths = [os.path.join(site.extract(b["name"]), "base") for b in (full, middle, last)]
    combined = os.path.join(site.dir, "combined")
    run([os.path.join(site.postgres.bindir, "pg_combinebackup"), "--no-sync", *paths, "-o", combined])
    run([os.path.join(site.postgres.bindir, "pg_verifybackup"), "-n", combined])
    equal([int(b["parent_id"] or "0", 16) != 0 for b in site.record()["backups"][-3:]], [False, True, True])


@case("an incremental backup is refused by name when summaries are missing, and a full one works")
def _(site):
    driver = site.driver()
    full = driver.full()
    site.admin("CREATE TABLE t AS SELECT 1")
    site.admin("CHECKPOINT")
    summaries = os.path.join(site.postgres.data, "pg_wal/summaries")
    site.set(summarize_wal="off")
    assert_no_incremental(driver, full)
    for name in os.listdir(summaries):
        os.unlink(os.path.join(summaries, name))
    # the summarizer begins at the oldest WAL that is there: what the parent needs must be gone
    start = lsn(site.position())
    driver.wait_lsn(site.position())
    wait_for(lambda: oldest_segment(site) > start, "old WAL is gone", 60, every=0.2)
    site.set(summarize_wal="on")
    assert_no_incremental(driver, full)
    before = objects(site, "/base/")
    driver.full("again")
    assert objects(site, "/base/") > before
    driver.stop()


def assert_no_incremental(driver, parent):
    try:
        driver.incremental(parent["name"])
        raise AssertionError("an incremental backup without summaries")
    except Refused as refused:
        equal(refused.reason, "summaries-missing", refused.message)


def oldest_segment(site):
    """After one more switch and checkpoint."""
    site.admin("CREATE TABLE IF NOT EXISTS o (n int); INSERT INTO o VALUES (1)")
    site.admin("SELECT pg_switch_wal()")
    site.admin("CHECKPOINT")
    names = site.admin("SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")
    return (int(names[8:16], 16) << 32) + int(names[16:], 16) * SEGMENT


def objects(site, part=""):
    """Paths of objects: the storage writes an `@` behind each name, so that none is another one's folder."""
    found = set()
    for top, _, names in os.walk(site.storage):
        for name in names:
            path = os.path.join(top, name)
            if part in path and name.endswith("@"):
                found.add(path[:-1])
    return found


@case("a tablespace is an archive of its own, with its place")
def _(site):
    place = os.path.join(site.postgres.run_dir, "fast")
    os.mkdir(place)
    if site.postgres.user:
        os.chown(place, site.postgres.user.pw_uid, site.postgres.user.pw_gid)
    site.admin(f"CREATE TABLESPACE fast LOCATION '{place}'")
    site.admin("CREATE TABLE there TABLESPACE fast AS SELECT n FROM generate_series(1, 50000) n")
    oid = site.admin("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'")
    driver = site.driver()
    backup = driver.full()
    driver.stop()
    equal(sorted(backup["archives"]), sorted(["base", oid, "manifest"]))
    equal(backup["archives"][-1], "manifest")
    archive = next(a for a in site.record()["backups"][-1]["archives"] if a["name"] == oid)
    equal(archive["tablespace"], place)
    path = site.extract(backup["name"])
    assert any(names for _, _, names in os.walk(os.path.join(path, oid))), "the archive is empty"
    site.admin("DROP TABLE there")
    site.admin("DROP TABLESPACE fast")


@case("a page that PostgreSQL finds broken fails the backup, which leaves nothing behind")
def _(site):
    site.admin("CREATE TABLE broken AS SELECT n FROM generate_series(1, 10000) n")
    site.admin("CHECKPOINT")
    path = os.path.join(site.postgres.data, site.admin("SELECT pg_relation_filepath('broken')"))
    with open(path, "r+b") as f:
        f.seek(2 * 8192 + 4000)
        byte = f.read(1)
        f.seek(2 * 8192 + 4000)
        f.write(bytes([byte[0] ^ 1]))
    driver = site.driver(mode="none")
    before = objects(site, "/base/")
    try:
        driver.full()
        raise AssertionError("a backup of a broken page")
    except Refused as refused:
        equal(refused.reason, "backup-checksum", refused.message)
        contains(refused.message, "checksum verification failed", "the server's warning")
    equal(objects(site, "/base/"), before, "objects of the backup that failed")
    driver.stop()
    site.admin("DROP TABLE broken")


@case("a store that is away fails a backup with its own words, and the next one works")
def _(site):
    driver = site.driver(mode="none")
    site.fault("fail")
    try:
        driver.full()
        raise AssertionError("a backup into nothing")
    except Refused as refused:
        contains(refused.message, "the store is away")
    site.fault("")
    verify_backup(site, site.extract(driver.full()["name"]))
    driver.stop()


# -- WAL ---------------------------------------------------------------------------------------------------------------


@case("WAL of a segment that is not full is durable after the interval, and partial objects go when it is whole")
def _(site):
    driver = site.driver(interval=200)
    for _ in range(3):
        site.admin("CREATE TABLE IF NOT EXISTS w (n int); INSERT INTO w SELECT generate_series(1, 1000)")
        position = lsn(site.position())
        driver.until(lambda facts: facts["durable_lsn"] >= position, "durable within the interval", 10)
    assert any("." in os.path.basename(p) for p in objects(site, "/wal/")), objects(site, "/wal/")
    site.admin("SELECT pg_switch_wal()")
    site.admin("INSERT INTO w VALUES (1)")
    driver.wait_lsn(site.position())
    boundary = lsn(site.position()) // SEGMENT * SEGMENT
    whole = f"{(boundary - SEGMENT) >> 32:08X}{((boundary - SEGMENT) & 0xffffffff) // SEGMENT:08X}"
    wait_for(lambda: [os.path.basename(p)[8:] for p in objects(site, "/wal/") if whole in p] == [whole], "only the whole segment is left", 10)
    facts = driver.stop()
    equal(facts["gaps"], 0)
    compare_wal(site)


@case("synchronous: a commit waits for the store, and what was committed is there after everything is killed")
def _(site):
    driver = site.driver(mode="sync")
    site.set(synchronous_standby_names="teesql")
    site.admin("CREATE TABLE IF NOT EXISTS z (n int)")
    for n in range(20):
        site.admin(f"INSERT INTO z VALUES ({n})")
        position = lsn(site.admin("SELECT flush_lsn FROM pg_stat_replication WHERE application_name = 'teesql'"))
        assert driver.facts()["durable_lsn"] >= position
    site.fault("hang")
    blocked = subprocess.Popen([os.path.join(site.postgres.bindir, "psql"), "-XAtq", "-h", site.postgres.run_dir, "-U", "postgres", "-c", "INSERT INTO z VALUES (99)"],
                               env={**os.environ, "PGPASSWORD": PASSWORD})
    wait_for(lambda: site.admin("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1", "a commit that waits")
    assert blocked.poll() is None
    site.fault("")
    equal(blocked.wait(60), 0, "the commit once the store is back")
    load = pgbench(site, "-i", "-q", "-s", "1")
    started = time.monotonic()
    pgbench(site, "-t", "50", "-c", "4", "-n")
    comment(f"{200 / (time.monotonic() - started):.0f} synchronous commits/s with 4 clients")
    site.set(synchronous_standby_names=None)
    driver.kill()
    compare_wal(site)
    del load


@case("the server ends and starts again, by shutdown and by SIGKILL, and the stream goes on without a gap")
def _(site):
    driver = site.driver()
    for how in (signal.SIGINT, signal.SIGKILL):
        site.admin("CREATE TABLE IF NOT EXISTS s (n int); INSERT INTO s SELECT generate_series(1, 1000)")
        if how == signal.SIGINT:
            site.postgres.stop()
        else:
            site.postgres.process.kill()
        driver.until(lambda facts: facts["state"] == "waiting", "waiting for the server")
        site.postgres.start()
        site.admin("INSERT INTO s SELECT generate_series(1, 1000)")
        driver.until(lambda facts: facts["state"] == "streaming", "streaming again")
        driver.wait_lsn(site.position())
    equal([e["event"] for e in driver.events], [])
    driver.stop()
    compare_wal(site)


@case("kill -9 of the archiver at random moments: nothing that was confirmed is missing")
def _(site):
    rng = random.Random(SEED)
    comment(f"seed {SEED}")
    pgbench(site, "-i", "-q", "-s", "5")
    load = pgbench(site, "-T", "600", "-c", "2", "-n", background=True)
    start = None
    try:
        for number in range(ROUNDS):
            driver = site.driver(interval=rng.choice((0, 100, 300)), mode=rng.choice(("async", "sync")))
            end = time.monotonic() + rng.uniform(0.3, 3)
            wait_for(lambda: time.monotonic() > end, "a random moment", 10)
            driver.kill()
            wait_for(lambda: slot_row(site)[1] == "f", "the slot is free")
            confirmed = lsn(slot_row(site)[0] or "0/0")
            _, ranges = site.wal()
            equal(len(ranges), 1 if ranges else 0, f"round {number}: ranges without a hole: {ranges}")
            if ranges:
                start = ranges[0]["start"] if start is None else start
                equal(ranges[0]["start"], start, "where the archive begins")
                assert confirmed <= ranges[0]["end"], f"round {number}: {confirmed:X} was confirmed, the store ends at {ranges[0]['end']:X}"
    finally:
        load.terminate()
        load.wait()
    driver = site.driver()
    driver.wait_lsn(site.position())
    equal(driver.stop()["gaps"], 0)
    equal(len(compare_wal(site)), 1)
    equal(len(site.record()["wal"]), 1, "ranges of the catalog")


@case("a store that fails or hangs makes the archiver wait, not the server; then it catches up")
def _(site):
    driver = site.driver()
    for fault in ("fail", "hang"):
        site.fault(fault)
        pgbench(site, "-i", "-q", "-s", "2")
        facts = driver.until(lambda facts: facts["state"] == "waiting" and facts["lag_bytes"] > 0, "waiting for the store")
        assert facts["problem"], facts
        site.fault("")
        driver.wait_lsn(site.position())
        driver.until(lambda facts: facts["state"] == "streaming", "streaming")
    equal(driver.stop()["gaps"], 0)
    compare_wal(site)


@case("wal_sender_timeout of two seconds never ends a connection whose store is slow")
def _(site):
    site.set(wal_sender_timeout="2s")
    driver = site.driver()
    pgbench(site, "-i", "-q", "-s", "2")
    driver.wait_lsn(site.position())
    before = len(site.postgres.process.log())
    site.fault("hang")
    pgbench(site, "-i", "-q", "-s", "12")  # more WAL than fits into memory: nothing is read for a while
    end = time.monotonic() + 7
    wait_for(lambda: time.monotonic() > end, "three times the time limit", 20)
    site.fault("")
    driver.wait_lsn(site.position(), 120)
    # with memory full for long we hang up ourselves; what must not be is that the server thinks us dead
    assert "replication timeout" not in site.postgres.process.log()[before:]
    driver.stop()
    compare_wal(site)
    site.set(wal_sender_timeout=None)


@case("a server that shuts down does not wait for ever for a store that is away")
def _(site):
    driver = site.driver()
    site.admin("CREATE TABLE IF NOT EXISTS d (n int); INSERT INTO d VALUES (1)")
    driver.wait_lsn(site.position())
    site.fault("hang")
    site.admin("INSERT INTO d VALUES (2)")
    equal(site.postgres.process.stop(signal.SIGINT, 60), 0, "the server's exit status")
    site.fault("")
    site.postgres.start()
    driver.wait_lsn(site.position())
    equal(driver.stop()["gaps"], 0)
    compare_wal(site)


@case("a slot that was lost is a gap with its ends named; streaming goes on behind it")
def _(site):
    driver = site.driver()
    driver.wait_lsn(site.position())
    last = driver.stop()["durable_lsn"]
    site.set(max_slot_wal_keep_size="1MB", max_wal_size="32MB")

    def lose():
        site.admin("CREATE TABLE IF NOT EXISTS g (t text); INSERT INTO g SELECT repeat(md5(n::text), 20) FROM generate_series(1, 30000) n")
        site.admin("SELECT pg_switch_wal()")
        site.admin("CHECKPOINT")
        return slot_row(site)[2] == "lost"
    wait_for(lose, "the slot is lost", 60)
    driver = site.driver()
    wait_for(lambda: driver.events, "an event", 30)
    gap = driver.events[0]
    equal(gap["event"], "gap")
    contains(gap["message"], f"{last // SEGMENT * SEGMENT >> 32:X}/{last // SEGMENT * SEGMENT & 0xffffffff:X}", "where the gap begins")
    site.admin("INSERT INTO g VALUES ('behind the gap')")
    driver.wait_lsn(site.position())
    equal(driver.stop()["gaps"], 1)
    equal(len(site.record()["wal"]), 2, "ranges of the catalog")
    site.set(max_slot_wal_keep_size=None, max_wal_size="128MB")


@case("a second archiver on the same slot waits and says why")
def _(site):
    driver = site.driver()
    driver.until(lambda facts: facts["state"] == "streaming", "streaming")
    other = Site(postgres=site.postgres)
    second = other.driver()
    facts = second.until(lambda facts: facts["state"] == "waiting", "waiting")
    contains(facts["problem"], "is active for PID")
    driver.stop()
    second.until(lambda facts: facts["state"] == "streaming", "streaming once the first one ended")
    second.stop()
    site.admin("SELECT pg_drop_replication_slot('teesql')")


def drive_own(**settings):
    return Site(**settings)


@case("a promotion that happened while nobody looked is followed: the rest of the old timeline, history, switch")
def _(_):
    site = drive_own(wal_keep_size="512MB")  # a standby has no slot of ours before its promotion
    driver = site.driver()
    site.admin("CREATE TABLE p (n int); INSERT INTO p VALUES (1)")
    for number in (2, 3):
        standby = make_standby(site, number)
        site.admin("INSERT INTO p VALUES (0)")
        driver.wait_lsn(site.position())
        driver.stop()
        site.admin("INSERT INTO p VALUES (-1)")  # on the old timeline, and not archived yet
        promote(site, standby)
        site.postgres.stop(signal.SIGQUIT)
        site.postgres = standby
        site.write_site(standby.run_dir)
        site.admin(f"INSERT INTO p VALUES ({number})")
        driver = site.driver()
        driver.until(lambda facts: facts["timeline"] == number and facts["state"] == "streaming", f"timeline {number}")
        driver.wait_lsn(site.position())
        equal([e["event"] for e in driver.events], ["timeline"], driver.events)
    driver.stop()
    equal([item["timeline"] for item in site.record()["wal"]], [1, 2, 3])
    assert len([p for p in objects(site, "/wal/") if p.endswith(".history")]) == 2
    compare_wal(site)
    site.close()


@case("a promotion of the server that is being streamed from is followed without a new connection")
def _(_):
    site = drive_own()
    site.admin("CREATE TABLE p (n int); INSERT INTO p VALUES (1)")
    primary = site.postgres
    site.postgres = make_standby(site, 2)
    site.write_site(site.postgres.run_dir)
    driver = site.driver()
    driver.until(lambda facts: facts["state"] == "streaming", "streaming from the standby")
    run_on(primary, "INSERT INTO p SELECT generate_series(2, 1000)")
    wait_for(lambda: site.admin("SELECT count(*) FROM p") == "1000", "the standby has it")
    site.admin("SELECT pg_promote()")
    site.admin("INSERT INTO p VALUES (1001)")
    driver.until(lambda facts: facts["timeline"] == 2 and facts["state"] == "streaming", "timeline 2")
    driver.wait_lsn(site.position())
    equal([e["event"] for e in driver.events], ["timeline"], driver.events)
    driver.stop()
    equal([item["timeline"] for item in site.record()["wal"]], [1, 2])
    compare_wal(site)
    primary.stop(signal.SIGQUIT)
    site.close()


def run_on(postgres, sql):
    return postgres.admin(sql)


def make_standby(site, number):
    """A standby of the site's server in a folder of its own."""
    standby = object.__new__(Postgres)
    standby.world, standby.bindir, standby.user, standby.password = site, site.postgres.bindir, site.postgres.user, PASSWORD
    standby.run_dir = os.path.join(site.dir, f"pg{number}")
    standby.data = os.path.join(standby.run_dir, "data")
    os.mkdir(standby.run_dir, 0o755)
    if standby.user:
        os.chown(standby.run_dir, standby.user.pw_uid, standby.user.pw_gid)
    standby.settings = {**site.postgres.settings, "unix_socket_directories": standby.run_dir,
                        "primary_conninfo": f"host={site.postgres.run_dir} user=postgres password={PASSWORD}"}
    standby.port = "5432"
    standby.as_user(["pg_basebackup", "-h", site.postgres.run_dir, "-U", "postgres", "-D", standby.data, "-c", "fast", "--no-sync"],
                    env={**os.environ, "PGPASSWORD": PASSWORD})
    standby.as_user(["/usr/bin/touch", os.path.join(standby.data, "standby.signal")])
    standby.start()
    return standby


def promote(site, standby):
    position = site.position()
    wait_for(lambda: standby.admin(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") == "t", "the standby caught up")
    standby.admin("SELECT pg_promote()")


@case("another cluster, and one that was rolled back, are refused by name")
def _(_):
    site = drive_own()
    driver = site.driver()
    site.admin("CREATE TABLE r (n int)")
    driver.wait_lsn(site.position())
    copy = os.path.join(site.dir, "copy")
    driver.stop()
    site.postgres.stop()
    shutil.copytree(site.postgres.data, copy)
    run(["chown", "-R", "--reference", site.postgres.data, copy])
    site.postgres.start()
    driver = site.driver()
    site.admin("INSERT INTO r SELECT generate_series(1, 100000)")
    driver.wait_lsn(site.position())
    driver.stop()
    site.postgres.stop()
    shutil.rmtree(site.postgres.data)
    shutil.move(copy, site.postgres.data)
    site.postgres.start()
    driver = site.driver()
    facts = driver.until(lambda facts: facts["state"] == "stopped", "stopped")
    contains(facts["problem"], "its volume was rolled back")
    driver.stop()
    # WAL that was written anew in place of what is archived
    other = drive_own()
    site.write_site(other.postgres.run_dir)
    try:
        site.driver()
        raise AssertionError("another cluster was taken for ours")
    except Refused as refused:
        equal(refused.reason, "foreign-cluster")
    site.close()
    other.close()


@case("WAL that was rewritten under the name of what is archived stops the archiver")
def _(_):
    site = drive_own()
    driver = site.driver(interval=0)
    site.admin("SELECT pg_switch_wal()")
    driver.wait_lsn(site.position())
    site.admin("CREATE TABLE f (n int)")
    driver.stop()
    # the next segment's object exists already, with other bytes, as if another server had archived it
    record = site.record()
    end = lsn(record["wal"][-1]["end_lsn"])
    whole = [p for p in objects(site, "/wal/") if "." not in os.path.basename(p)][0]
    segment = f"{end // SEGMENT * SEGMENT >> 32:08X}{(end // SEGMENT * SEGMENT & 0xffffffff) // SEGMENT:08X}"
    shutil.copy(whole + "@", os.path.join(os.path.dirname(whole), "00000001" + segment + "@"))
    driver = site.driver(interval=0)
    site.admin("SELECT pg_switch_wal()")
    facts = driver.until(lambda facts: facts["state"] == "stopped", "stopped")
    assert facts["problem"], facts
    driver.stop()
    site.close()


def copy_data(site):
    """The server's disk as it is now; the server is stopped for that."""
    older = os.path.join(site.dir, f"older-{time.monotonic_ns()}")
    site.postgres.stop()
    site.postgres.as_user(["/bin/cp", "-a", site.postgres.data, site.postgres.data + ".older"])
    os.rename(site.postgres.data + ".older", older)
    return older


def swap_data(site, older):
    site.postgres.stop(signal.SIGQUIT)
    shutil.rmtree(site.postgres.data)
    shutil.move(older, site.postgres.data)
    site.postgres.start()


def overtake(site, position):
    wait_for(lambda: lsn(site.position()) > position or site.admin("INSERT INTO r SELECT generate_series(1, 20000)"), "the server goes further", 60)


def wal_objects(site):
    found = {}
    for path in objects(site, "/wal/"):
        with open(path + "@", "rb") as f:
            found[path] = f.read()
    return found


def stopped(driver, words):
    facts = driver.until(lambda facts: facts["state"] == "stopped", "stopped")
    contains(facts["problem"], words)
    driver.stop()


def end_segment(site, driver):
    """Archived up to the end of a segment, and nothing behind it."""
    site.admin("INSERT INTO r VALUES (1)")
    end = (lsn(site.admin("SELECT pg_switch_wal()")) + SEGMENT - 1) // SEGMENT * SEGMENT
    driver.until(lambda facts: facts["durable_lsn"] >= end, "the whole segment")
    return end


@case("the slot keeps the segment that the archive ends with, and a restart is held against it")
def _(_):
    site = drive_own()
    site.set(autovacuum="off")
    site.admin("CREATE TABLE r (n int)")
    driver = site.driver(interval=0)
    end = end_segment(site, driver)
    wait_for(lambda: lsn(slot_row(site)[0]) == end - 1, f"the slot is at {end - 1:X}, one byte before the boundary")
    driver.stop()
    for _ in range(3):
        site.admin("INSERT INTO r SELECT generate_series(1, 1000); SELECT pg_switch_wal(); CHECKPOINT")
    assert oldest_segment(site) <= end - SEGMENT, "the segment is kept"
    driver = site.driver(interval=0)
    site.admin("SELECT pg_switch_wal()")
    driver.until(lambda facts: facts["durable_lsn"] > end + SEGMENT, "further segments")
    equal(driver.stop()["gaps"], 0)
    equal(len(compare_wal(site)), 1)
    # without it nobody can tell
    driver = site.driver(interval=0)
    end = end_segment(site, driver)
    driver.stop()
    before = wal_objects(site)
    site.postgres.stop()
    os.unlink(os.path.join(site.postgres.data, "pg_wal", f"00000001{end - SEGMENT >> 32:08X}{(end - SEGMENT & 0xffffffff) // SEGMENT:08X}"))
    site.postgres.start()
    stopped(site.driver(interval=0), "nothing shows that the server goes on")
    equal(wal_objects(site) == before, True, "the store is as it was")
    site.close()


@case("a server that went on from an older state is refused: behind the head, in whole segments, and in WAL that the head does not know")
def _(_):
    site = drive_own()
    site.admin("CREATE TABLE r (n int)")
    driver = site.driver()
    driver.wait_lsn(site.position())
    head = os.path.join(site.state, "head")
    older = copy_data(site)
    shutil.copy(head, head + ".older")  # the archiver runs, and knows all that is stored
    site.postgres.start()
    site.admin("INSERT INTO r SELECT generate_series(1, 1000)")
    durable = driver.wait_lsn(site.position())["durable_lsn"]
    driver.kill()
    before = wal_objects(site)
    os.rename(head, head + ".newer")
    swap_data(site, older)
    overtake(site, durable)
    for name in (".newer", ".older"):  # the whole volume was rolled back, and only the server's
        shutil.copy(head + name, head)
        shutil.chown(head, os.geteuid(), os.getegid())
        try:
            stopped(site.driver(), "is not what was archived of it")
        except Refused as refused:  # a minute passed, and a record told of it
            equal((name, refused.reason), (".older", "repository-ahead"))
        equal(wal_objects(site) == before, True, f"the store is as it was, with the head{name}")
    site.close()


@case("an end of the archive that does not open proves nothing")
def _(_):
    site = drive_own()
    site.admin("CREATE TABLE r (n int)")
    driver = site.driver()
    driver.wait_lsn(site.position())
    driver.stop()
    last = sorted(p for p in objects(site, "/wal/") if "." in os.path.basename(p))[-1] + "@"
    with open(last, "r+b") as f:
        f.seek(-1, os.SEEK_END)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_END)
        f.write(bytes([byte ^ 1]))
    stopped(site.driver(), "nothing shows that the server goes on")
    with open(last, "r+b") as f:
        f.seek(-1, os.SEEK_END)
        f.write(bytes([byte]))
    driver = site.driver()
    driver.wait_lsn(site.position())
    equal(driver.stop()["gaps"], 0)
    site.close()


if __name__ == "__main__":
    shared = Site()
    try:
        failed = tap.run(shared)
    finally:
        shared.close()
    sys.exit(1 if failed else 0)
