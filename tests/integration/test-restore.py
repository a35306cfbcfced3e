#!/usr/bin/env python3
"""`teesql restore` of what a teesqld archived: every target, every refusal, every interruption."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import schema, tap
from harness.backups import BackupWorld, Restored, checksums, lsn, shutil
from harness.processes import TEESQL, wait_for
from harness.tap import case, comment, contains, equal

ROUNDS = 20 if os.environ.get("TEESQL_FULL") == "1" else 5
DIGEST = "SELECT count(*) || ' ' || coalesce(md5(string_agg(id || x, ',' ORDER BY id)), '') FROM {}"
TABLES = ("t", "elsewhere")


class Moment:
    """A state of the database, and the positions that name it."""

    def __init__(self, world):
        self.lsn = world.postgres.admin("SELECT pg_current_wal_insert_lsn()")
        self.time = world.postgres.admin("SELECT clock_timestamp() AT TIME ZONE 'UTC'") + "+00"
        self.rows = {table: world.postgres.admin(DIGEST.format(table)) for table in TABLES}


def insert(world, n):
    for table in TABLES:
        world.postgres.admin(f"INSERT INTO {table} SELECT m + g, md5((m + g)::text) FROM generate_series(1, {n}) g, (SELECT coalesce(max(id), 0) m FROM {table}) s")


def fill(world):
    world.space = os.path.join(world.place, "space")
    os.mkdir(world.space, 0o700)
    if world.postgres.user:
        os.chown(world.space, world.postgres.user.pw_uid, world.postgres.user.pw_gid)
    world.postgres.admin(f"CREATE TABLESPACE fast LOCATION '{world.space}'")
    world.postgres.admin("CREATE TABLE t (id bigint PRIMARY KEY, x text)")
    world.postgres.admin("CREATE TABLE elsewhere (id bigint PRIMARY KEY, x text) TABLESPACE fast")
    insert(world, 20000)
    world.oid = world.postgres.admin("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'")
    for name, value in (("listen_addresses", "'*'"), ("archive_command", "'touch /nowhere/%f'"), ("primary_conninfo", "'host=old'"), ("work_mem", "'5MB'")):
        world.postgres.admin(f"ALTER SYSTEM SET {name} = {value}")
    # a restored cluster that believed this would start on the old one
    with open(os.path.join(world.postgres.data, "postgresql.conf"), "a", encoding="utf-8") as f:
        f.write(f"data_directory = '{world.postgres.data}'\n")
    world.full = world.backup("--full")
    insert(world, 5000)
    world.first = Moment(world)
    world.postgres.admin("SELECT pg_create_restore_point('before the accident')")
    wait_for(lambda: world.postgres.admin("SELECT clock_timestamp() > '" + world.first.time + "'::timestamptz + interval '50 ms'") == "t", "time to pass")
    insert(world, 5000)
    for _ in range(3):
        world.postgres.admin("SELECT pg_switch_wal()")
        insert(world, 1000)
    world.incremental = world.backup()
    equal(world.incremental["type"], "incremental", "the second backup")
    world.at_backup = Moment(world)
    for _ in range(3):
        insert(world, 1000)
        world.postgres.admin("SELECT pg_switch_wal()")
    insert(world, 777)
    world.last = Moment(world)
    world.archived()


def check(world, name, moment):
    """Starts it and compares row for row; then pages and indexes."""
    with Restored(world, name) as restored:
        for table in TABLES:
            equal(restored.sql(DIGEST.format(table)), moment.rows[table], f"rows of {table}")
        timeline = restored.sql("SELECT timeline_id FROM pg_control_checkpoint()")
        equal(restored.sql("SELECT pg_is_in_recovery()"), "f", "in recovery")
        restored.amcheck()
    checksums(world, name)
    shutil.rmtree(world.target(name))
    return int(timeline)


def refuse(world, reason, *arguments, name="refused", **extra):
    code, result, stderr = world.restore(name, *arguments, check=False, **extra)
    equal(code, 1, f"exit code ({stderr})")
    equal(result["reason"], reason, stderr)
    contains(stderr, "teesql: ")
    assert name is None or not os.path.exists(world.target(name)), "the final folder is there"
    equal(world.leftovers(), [], "left over")
    return stderr


def contents(folder):
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(base, name), "rb") as f:
                found[os.path.join(base, name)] = hashlib.sha256(f.read()).hexdigest()
    return found


# --- targets


@case("latest: the incremental chain, all rows, a new timeline, and the JSON as its schema says")
def latest(world):
    _, result, _ = world.restore("latest", "--recover")
    schema.check_text(json.dumps(result), "restore")
    equal([b for b in result["backups"]], [world.full["name"], world.incremental["name"]], "the chain")
    equal(result["outcome"], "recovered", "outcome")
    equal(result["new_timeline"], 2, "the new timeline")
    assert lsn(world.last.lsn) <= lsn(result["recovered_lsn"]), result
    equal(check(world, "latest", world.last), 2, "the timeline it writes to")


@case("latest from the full backup alone")
def from_full(world):
    _, result, _ = world.restore("full", "--recover", "--backup", world.full["id"][:8])
    equal(result["backups"], [world.full["name"]], "the chain")
    check(world, "full", world.last)


@case("to an LSN, with the backup that ends before it")
def to_lsn(world):
    _, result, _ = world.restore("lsn", "--recover", "--to-lsn", world.first.lsn)
    equal(result["backups"], [world.full["name"]], "the chain")
    check(world, "lsn", world.first)


@case("to a time, with its zone")
def to_time(world):
    _, result, _ = world.restore("time", "--recover", "--backup", world.full["id"], "--to-time", world.first.time)
    equal(result["target"], "time", "target")
    check(world, "time", world.first)


@case("to a named restore point")
def to_name(world):
    world.restore("name", "--recover", "--backup", world.full["id"], "--to-name", "before the accident")
    check(world, "name", world.first)


@case("to the end of the backup")
def immediate(world):
    world.restore("immediate", "--recover", "--to", "immediate")
    with Restored(world, "immediate") as restored:
        n = int(restored.sql("SELECT count(*) FROM t"))
        assert n == int(world.at_backup.rows["t"].split()[0]), n
    shutil.rmtree(world.target("immediate"))


@case("a tablespace goes where it is told, also with an incremental chain")
def tablespaces(world):
    for name, arguments in (("ts-chain", ()), ("ts-full", ("--backup", world.full["id"]))):
        new = world.target("moved-" + name)
        _, result, _ = world.restore(name, "--recover", "--tablespace", f"{world.space}={new}", *arguments)
        equal(result["tablespaces"], [f"{world.oid} {new}"], "tablespaces")
        equal(os.readlink(os.path.join(world.target(name), "pg_tblspc", world.oid)), new, "the link")
        check(world, name, world.last)
        shutil.rmtree(new)
    equal(sorted(os.listdir(world.site)), ["s"], "what is left")


@case("a tablespace is a folder inside where nothing is said")
def tablespace_inside(world):
    world.restore("inside", "--recover")
    inside = os.path.join(world.target("inside"), "pg_tblspc", world.oid)
    assert os.path.isdir(inside) and not os.path.islink(inside)
    check(world, "inside", world.last)


@case("without --recover: recovery is prepared, WAL is empty, and the old cluster's settings are out")
def prepared(world):
    _, result, _ = world.restore("prepared", "--to-lsn", world.last.lsn)
    path = world.target("prepared")
    with open(os.path.join(path, "postgresql.auto.conf"), encoding="utf-8") as f:
        conf = f.read()
    for part in ("work_mem = '5MB'", "teesql-wal-fetch", "wal.sock", '"%f" "%p"', f"recovery_target_lsn = '{world.last.lsn}'", "recovery_target_timeline = '1'"):
        contains(conf, part)
    for gone in ("host=old", "/nowhere/", "listen_addresses = '*'"):
        assert gone not in conf, conf
    equal(sorted(result["removed_settings"]), sorted(["data_directory (postgresql.conf)", *(f"{s} (postgresql.auto.conf)" for s in ("archive_command", "listen_addresses", "primary_conninfo"))]), "removed")
    assert os.path.exists(os.path.join(path, "recovery.signal")) and os.path.exists(os.path.join(path, "backup_label"))
    equal([n for n in os.listdir(os.path.join(path, "pg_wal")) if len(n) == 24], [], "WAL")
    modes = {os.lstat(os.path.join(d, n)).st_mode & 0o777 for d, folders, files in os.walk(path) for n in folders + files}
    equal(modes, {0o600, 0o700}, "modes")
    shutil.rmtree(path)


# --- looking only


@case("--dry-run and --verify-only write nothing")
def looking(world):
    _, result, _ = world.restore("dry", "--dry-run")
    equal((result["outcome"], result["bytes"]), ("planned", 0), "dry run")
    equal(lsn(result["repository_lsn"]) >= lsn(world.last.lsn), True, "what the repository offers")
    assert result["known_lsn"] is not None
    _, result, _ = world.restore(None, "--verify-only")
    equal(result["outcome"], "verified", "verify")
    assert result["files"] > 1500 and result["bytes"] > world.full["size"]
    equal(sorted(os.listdir(world.site)), ["s"], "what is left")


# --- refusals


@case("a folder that is not empty, a link, and a missing parent are refused")
def places(world):
    os.mkdir(world.target("busy"))
    with open(os.path.join(world.target("busy"), "PG_VERSION"), "w", encoding="ascii") as f:
        f.write("17\n")
    code, result, _ = world.restore("busy", check=False)
    equal((code, result["reason"]), (1, "target-not-empty"), "not empty")
    equal(os.listdir(world.target("busy")), ["PG_VERSION"], "its content")
    os.mkdir(world.target("real"))
    os.symlink(world.target("real"), world.target("link"))
    code, result, _ = world.restore("link", check=False)
    equal((code, result["reason"]), (1, "target-link"), "a link")
    code, result, _ = world.restore("link/below", check=False)
    equal((code, result["reason"]), (1, "target-link"), "below a link")
    code, result, _ = world.restore("nowhere/below", check=False)
    equal((code, result["reason"]), (1, "target-parent"), "no parent")
    os.unlink(world.target("link"))
    shutil.rmtree(world.target("busy"))
    os.rmdir(world.target("real"))


@case("an empty folder that is there already is taken")
def empty_folder(world):
    os.mkdir(world.target("empty"))
    world.restore("empty", "--to", "immediate", "--backup", world.full["id"])
    assert os.path.exists(os.path.join(world.target("empty"), "PG_VERSION"))
    shutil.rmtree(world.target("empty"))


@case("targets that nothing leads to, and targets that make no sense")
def wrong_targets(world):
    refuse(world, "target-beyond", "--to-lsn", "FF/0")
    refuse(world, "backup-none", "--to-lsn", "0/1000000")
    refuse(world, "backup-none", "--to-time", "2001-01-01 00:00:00+00")
    for arguments in (("--to-time", "2026-03-01 12:00:00"), ("--to-lsn", "12"), ("--tablespace", "x=relative")):
        code, result, _ = world.restore("wrong", *arguments, check=False)
        assert code in (1, 2), code
        contains(result["reason"], "restore-")
    code = world.teesql("restore", "--to", "yesterday", "--target-directory", world.target("wrong"), check=False).returncode
    equal(code, 2, "exit code of a usage error")


@case("a target that recovery does not find fails, says so, and leaves nothing")
def unreached(world):
    stderr = refuse(world, "recovery-failed", "--recover", "--to-name", "never made")
    contains(stderr, "recovery ended before configured recovery target was reached")


@case("older than what is known: both are said, and it is refused unless it is accepted")
def known(world):
    stderr = refuse(world, "repository-behind", "--known-lsn", "1/0")
    contains(stderr, "1/0 is known")
    _, result, _ = world.restore("older", "--known-lsn", "1/0", "--accept-older", "--dry-run")
    equal((result["known_lsn"], result["known_timeline"]), ("1/0", None), "known")
    refuse(world, "repository-behind", "--known-lsn", "0/1000000", "--known-timeline", "2")
    world.restore("known", "--known-lsn", "0/1000000", "--known-timeline", "1", "--dry-run")


# --- a store that lies


def find(world, part):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(world.objects) for f in files if part in os.path.join(d, f))


class Without:
    """The store without one object, for a while."""

    def __init__(self, path):
        self.path, self.aside = path, path + ".aside"

    def __enter__(self):
        with open(self.path, "rb") as f:
            self.content = f.read()
        self.stat = os.stat(self.path)
        os.unlink(self.path)
        return self

    def put(self, content):
        with open(self.path, "wb") as f:
            f.write(content)
        os.chown(self.path, self.stat.st_uid, self.stat.st_gid)

    def __exit__(self, *_):
        self.put(self.content)


def base_pieces(world, archive):
    return find(world, f"/base/{world.full['id']}/{archive}.")


@case("a base backup that is damaged, cut, lost or somebody else's never reaches the final folder")
def tampered_base(world):
    base, manifest = base_pieces(world, "base")[0], base_pieces(world, "manifest")[0]
    with Without(base) as hole:
        refuse_any(world)
        for offset in (0, 70, len(hole.content) // 2, len(hole.content) - 1):
            flipped = bytearray(hole.content)
            flipped[offset] ^= 1
            hole.put(bytes(flipped))
            refuse_any(world)
        hole.put(hole.content[:-1000])
        refuse_any(world)
    with Without(manifest) as hole:
        with open(base, "rb") as f:
            hole.put(f.read())
        refuse_any(world)


def refuse_any(world):
    code, _, stderr = world.restore("refused", "--backup", world.full["id"], check=False)
    equal(code, 1, stderr)
    assert not os.path.exists(world.target("refused"))
    equal(world.leftovers(), [], "left over")


def segments(world, start, end):
    """The objects of whole segments that lie in [start, end), by LSN; of each the only object, so that nothing stands in for it."""
    size = int(world.postgres.admin("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"))
    found = []
    for path in find(world, "/wal/00000001/"):
        name = os.path.basename(path).rstrip("@")  # the storage marks objects so
        if len(name) != 24 or [p for p in find(world, f"/wal/00000001/{name}.")]:
            continue
        at = (int(name[8:16], 16) * (2 ** 32 // size) + int(name[16:], 16)) * size
        if start <= at and at + size <= end:
            found.append(path)
    return found


def middle_segment(world):
    """One that recovery from the full backup cannot do without, and that the catalog promises: what the incremental one stored its record
    behind. Where WAL was in how many segments by then is a matter of the machine."""
    start, end = world.full["stop_lsn"], world.incremental["start_lsn"]
    wait_for(lambda: segments(world, lsn(start), lsn(end)), f"a whole segment between {start} and {end}")
    whole = segments(world, lsn(start), lsn(end))
    return whole[len(whole) // 2]


def damages(hole):
    """Of one WAL object: gone, cut by a byte, one bit of it changed, and cut to what can hold no WAL."""
    flipped = bytearray(hole.content)
    flipped[len(flipped) // 2] ^= 1
    return {None: "wal-missing", hole.content[:-1]: "seal-", bytes(flipped): "seal-", hole.content[:150]: "wal-size"}


@case("WAL that is missing or damaged in the middle: nothing is put in the final place, whoever would run the recovery")
def damaged_wal(world):
    path = middle_segment(world)
    with Without(path) as hole:
        for content, reason in damages(hole).items():
            if content is not None:
                hole.put(content)
            for arguments in (("--recover",), (), ("--verify-only",)):
                name = None if arguments == ("--verify-only",) else "hole"
                code, result, stderr = world.restore(name, "--backup", world.full["id"], *arguments, check=False)
                equal(code, 1, stderr)
                assert result["reason"].startswith(reason), (arguments, result)
                contains(stderr, os.path.basename(path)[:24])
                assert not os.path.exists(world.target("hole")), "the final folder is there"
                equal(world.leftovers(), [], "left over")
    code, _, stderr = world.restore(None, "--verify-only", check=False)
    equal(code, 0, stderr)


@case("missing WAL is named by --dry-run too, and damage is left to the server with --no-read-wal")
def looked_at(world):
    path = middle_segment(world)
    with Without(path) as hole:
        stderr = refuse(world, "wal-missing", "--backup", world.full["id"], "--dry-run")
        contains(stderr, os.path.basename(path)[:24])
        refuse(world, "wal-missing", "--backup", world.full["id"], "--no-read-wal")
        hole.put(hole.content[:-1])
        world.restore("unread", "--backup", world.full["id"], "--no-read-wal")
        shutil.rmtree(world.target("unread"))


@case("missing WAL behind the target is none of its business: an LSN before it, and a time where recovery is run")
def missing_behind(world):
    with Without(middle_segment(world)):
        world.restore("before", "--recover", "--to-lsn", world.first.lsn)
        check(world, "before", world.first)
        backup = ("--backup", world.full["id"])
        stderr = refuse(world, "wal-missing", *backup, "--to-name", "before the accident")
        contains(stderr, "--recover")
        world.restore("named", "--recover", *backup, "--to-name", "before the accident")
        check(world, "named", world.first)
        refuse(world, "wal-missing", "--recover", *backup, "--to-name", "never made")


@case("WAL that is missing behind the newest record is refused by what this node remembers")
def missing_end(world):
    start, end = world.incremental["stop_lsn"], world.last.lsn
    wait_for(lambda: segments(world, lsn(start), lsn(end)), f"a whole segment between {start} and {end}")
    with Without(segments(world, lsn(start), lsn(end))[0]):
        code, result, stderr = world.restore("short", "--recover", check=False)
        equal(code, 1, stderr)
        assert result["reason"] in ("repository-behind", "wal-missing"), result  # by whether a record has it by now
        assert not os.path.exists(world.target("short"))


def records(world):
    return find(world, "/catalog/")


@case("a catalog that lost a record is refused with its name, and restored from where that is accepted; a fork and an older one are not")
def broken_catalog(world):
    known = json.loads(world.teesql("--json", "status").stdout)["backups"]["disk"]["head_sequence"]
    assert known == len(records(world)) > 2, known
    with Without(records(world)[-2]):
        stderr = refuse(world, "catalog-broken", "--dry-run")
        contains(stderr, f"record {known - 1} ")
        contains(stderr, "--accept-broken-catalog")
        _, result, _ = world.restore("broken", "--recover", "--accept-broken-catalog")
        schema.check_text(json.dumps(result), "restore")
        assert any(f"record {known - 1} " in p for p in result["catalog_problems"]), result
        check(world, "broken", world.last)
    with Without(records(world)[-1]) as hole:
        for content in (None, hole.content[:-1]):
            if content is not None:
                hole.put(content)
            refuse(world, "repository-behind", "--accept-broken-catalog")
            _, result, _ = world.restore("broken", "--accept-broken-catalog", "--accept-older", "--dry-run")
            equal(result["catalog_problems"] != [], content is not None, "problems")  # one that is not listed was never there
    _, result, _ = world.restore("whole", "--dry-run")
    equal(result["catalog_problems"], [], "problems")


# --- interruptions


def start_restore(world, name, *arguments):
    return subprocess.Popen([TEESQL, "--config", world.daemon_config, "--quiet", "restore", "--no-adopt", "--bin-directory", world.postgres.bindir,
                             "--target-directory", world.target(name), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def servers(world):
    """Postmasters on a folder that is no final one."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[0].endswith(b"/postgres") and words[1] == b"-D" and words[2].startswith(os.path.join(world.site, ".teesql-restore-").encode()):
            found.append(int(pid))
    return found


def is_complete(world, name):
    path = world.target(name)
    return all(os.path.exists(os.path.join(path, n)) for n in ("recovery.signal", "backup_label", "global/pg_control", "postgresql.auto.conf"))


@case("SIGKILL at any moment leaves no part of a cluster, and the next restore cleans up")
def killed(world):
    before = time.monotonic()
    equal(start_restore(world, "timed").wait(120), 0, "the timed one")
    whole = time.monotonic() - before
    shutil.rmtree(world.target("timed"))
    cut = 0
    for _ in range(ROUNDS):
        child = start_restore(world, "killed")
        try:
            child.wait(random.uniform(0, whole * 1.05))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait(30)
        if os.path.exists(world.target("killed")):
            assert is_complete(world, "killed"), os.listdir(world.target("killed"))
            shutil.rmtree(world.target("killed"))
        else:
            cut += 1
    comment(f"{cut} of {ROUNDS} were cut, {len(world.leftovers())} left a folder, one takes {whole:.2f} s")
    world.restore("after", "--recover")
    equal(world.leftovers(), [], "left over")
    check(world, "after", world.last)


@case("SIGKILL while recovery runs: nothing is in the final place, no server goes on, and the next restore cleans up")
def killed_recovering(world):
    new = world.target("moved")
    arguments = ("--recover", "--tablespace", f"{world.space}={new}")
    before = time.monotonic()
    equal(start_restore(world, "timed", *arguments).wait(120), 0, "the timed one")
    whole = time.monotonic() - before
    cut = running = 0
    for _ in range(ROUNDS):
        shutil.rmtree(world.target("timed"), ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)
        child = start_restore(world, "timed", *arguments)
        wait_for(lambda: servers(world) or child.poll() is not None, "the server of the recovery", every=0.001)
        try:
            child.wait(random.uniform(0, whole * 0.4))
        except subprocess.TimeoutExpired:
            running += bool(servers(world))
            child.send_signal(signal.SIGKILL)
            child.wait(30)
        wait_for(lambda: not servers(world), "the end of the server", every=0.01)
        if os.path.exists(world.target("timed")):
            control = world.postgres.as_user([world.program("pg_controldata"), world.target("timed")]).stdout
            contains(control, "shut down")
            assert not os.path.exists(os.path.join(world.target("timed"), "recovery.signal"))
            assert os.path.isdir(new)
        else:
            cut += 1
    comment(f"{cut} of {ROUNDS} were cut, {running} of them in the recovery, one takes {whole:.2f} s")
    shutil.rmtree(world.target("timed"), ignore_errors=True)
    world.restore("after", "--recover")
    equal(world.leftovers(), [], "left over")
    shutil.rmtree(new, ignore_errors=True)
    check(world, "after", world.last)


@case("SIGINT ends a restore and takes everything away")
def interrupted(world):
    child = start_restore(world, "interrupted")
    wait_for(world.leftovers, "the staging folder", every=0.001)
    child.send_signal(signal.SIGINT)
    code = child.wait(60)
    if code == 0:
        shutil.rmtree(world.target("interrupted"))
    else:
        equal(code, 1, child.stderr.read())
        assert not os.path.exists(world.target("interrupted"))
    equal(world.leftovers(), [], "left over")


@case("the staging folder of a restore that runs is left alone")
def beside(world):
    stopped = start_restore(world, "one")
    wait_for(world.leftovers, "the staging folder", every=0.001)
    stopped.send_signal(signal.SIGSTOP)
    mine = world.leftovers()
    world.restore("two", "--to", "immediate", "--backup", world.full["id"])
    equal(world.leftovers(), mine, "the other one's folder")
    stopped.send_signal(signal.SIGCONT)
    equal(stopped.wait(120), 0, "the other one")
    for name in ("one", "two"):
        assert is_complete(world, name)
        shutil.rmtree(world.target(name))


@case("a tablespace that was made behind the backup: the old cluster's files are not written to, and it is made where somebody made room")
def tablespace_new(world):
    """Behind those that go from the first backup to the newest point: from here on there lies a tablespace on that way."""
    home = tempfile.mkdtemp(dir=world.place)
    late = os.path.join(home, "late")
    os.mkdir(late, 0o700)
    if world.postgres.user:
        os.chown(late, world.postgres.user.pw_uid, world.postgres.user.pw_gid)
        os.chmod(home, 0o711)
    before = Moment(world)
    world.postgres.admin(f"CREATE TABLESPACE late LOCATION '{late}'")
    world.postgres.admin("CREATE TABLE latecomer TABLESPACE late AS SELECT g AS id, 'old' AS x FROM generate_series(1, 1000) g")
    world.postgres.admin("CHECKPOINT")
    world.archived()
    # the old cluster goes on, and recovery, which ends before, must not set its files back
    moment = Moment(world)
    world.postgres.admin("UPDATE latecomer SET x = 'new'")
    world.postgres.admin("CHECKPOINT")
    files = contents(late)
    stderr = refuse(world, "recovery-failed", "--recover", "--to-lsn", moment.lsn)
    contains(stderr, "WAL redo")
    contains(stderr, "--tablespace PATH=PATH")
    equal(contents(late), files, "the old cluster's files")
    for new, said in ((late, "is no empty folder"), ("/elsewhere", "made behind it")):
        code, result, stderr = world.restore("refused", "--recover", "--tablespace", f"{late}={new}", check=False)
        equal((code, result["reason"]), (2, "restore-tablespace"), stderr)
        contains(stderr, said)
    # on the machine of the old cluster it can be had as of before; on another one with room for it
    world.restore("before", "--recover", "--to-lsn", before.lsn)
    check(world, "before", before)
    world.postgres.admin("DROP TABLE latecomer")
    world.postgres.admin("DROP TABLESPACE late")
    os.rename(late, late + ".old")
    os.mkdir(late, 0o700)
    if world.postgres.user:
        os.chown(late, world.postgres.user.pw_uid, world.postgres.user.pw_gid)
    world.restore("made", "--recover", "--to-lsn", moment.lsn, "--tablespace", f"{late}={late}")
    with Restored(world, "made") as restored:
        equal(restored.sql("SELECT count(*) || min(x) || max(x) FROM latecomer"), "1000oldold", "rows")
    shutil.rmtree(world.target("made"))
    shutil.rmtree(home)
    world.backup()
    world.last = Moment(world)
    world.archived()


# --- roll back, and go on


@case("a storage that was rolled back is refused by what this node remembers")
def rolled_back(world):
    copy = world.objects + ".copy"
    shutil.copytree(world.objects, copy)
    insert(world, 100)
    world.postgres.admin("SELECT pg_switch_wal()")
    insert(world, 100)
    world.archived()
    world.daemon.stop(seconds=45)
    shutil.move(world.objects, world.objects + ".new")
    shutil.move(copy, world.objects)
    stat = os.stat(world.objects + ".new")
    for path, folders, files in os.walk(world.objects):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(path, name), stat.st_uid, stat.st_gid)
    try:
        stderr = refuse(world, "repository-behind")
        contains(stderr, "--accept-older")
        world.restore("accepted", "--accept-older", "--recover")
        check(world, "accepted", world.last)
    finally:
        shutil.rmtree(world.objects)
        shutil.move(world.objects + ".new", world.objects)


@case("with an empty state directory the repository's cluster becomes this node's, and another's is refused")
def adopted(world):
    state = os.path.join(world.place, "fresh-state")
    os.mkdir(state, 0o700)
    config = world.write("fresh.conf", world.keyfile(world.daemon_groups(), {**world.overrides, "teesql": {"state-directory": state}}))
    _, result, _ = world.restore("adopted", config=config, adopt=True)
    equal(result["adopted"], True, "adopted")
    with open(os.path.join(state, "backup", "cluster-id"), encoding="ascii") as f:
        equal(f.read().strip(), result["cluster_id"], "the cluster id")
    assert os.path.exists(os.path.join(state, "backup", "disk", "accept"))
    with open(os.path.join(state, "backup", "cluster-id"), "w", encoding="ascii") as f:
        f.write("00" * 32 + "\n")
    code, reason, _ = world.restore("other", "--cluster-id", result["cluster_id"], config=config, adopt=True, check=False)
    equal((code, reason["reason"]), (1, "cluster-id-differs"), "another cluster's state")
    shutil.rmtree(world.target("adopted"))


if __name__ == "__main__":
    with BackupWorld() as the_world:
        fill(the_world)
        failed = tap.run(the_world)
    sys.exit(1 if failed else 0)
