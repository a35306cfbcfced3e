#!/usr/bin/env python3
"""A store that lies, seen from outside: objects of a real repository are changed on the disk, and `teesql backup verify`, `teesql restore
--verify-only` and `teesql restore` each say so. Nothing is ever in the place of a restore that failed."""

import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import tap
from harness.backups import BackupWorld, lsn, shutil
from harness.processes import wait_for
from harness.tap import case, comment, equal

SEED = int(os.environ.get("TEESQL_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
FLIPS = None if os.environ.get("TEESQL_FULL") == "1" else 200  # positions within each object; None: every byte of all but the longest
SEGMENT, TAG, HEADER = 1 << 20, 16, 140  # docs/sealed-format.md
QUIET = {"autovacuum": "off", "checkpoint_timeout": "1h"}


class Store:
    """The objects of storage `file` as name -> bytes: each is a file whose name ends in @."""

    def __init__(self, path):
        self.path, owner = path, os.stat(path)
        self.owner = (owner.st_uid, owner.st_gid)
        self.genuine = self.read_all()

    def read_all(self):
        found = {}
        for folder, _, files in os.walk(self.path):
            for file in files:
                path = os.path.join(folder, file)
                if file.endswith("@"):
                    with open(path, "rb") as f:
                        found[os.path.relpath(path, self.path)[:-1]] = f.read()
        return found

    def file(self, name):
        return os.path.join(self.path, name + "@")

    def put(self, name, content):
        path = self.file(name)
        missing = []
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for folder in reversed(missing):
            os.mkdir(folder, 0o700)
            os.chown(folder, *self.owner)
        with open(path, "wb") as f:
            f.write(content)
        os.chown(path, *self.owner)
        os.chmod(path, 0o600)

    def drop(self, name):
        os.unlink(self.file(name))

    def names(self, part):
        return sorted(n for n in self.genuine if part in n)


class Lie:
    """with Lie(world) as store: … The store is honest again behind it: what was touched is as before, what came meanwhile stays."""

    def __init__(self, world):
        self.store = Store(world.objects)
        self.touched = set()

    def __enter__(self):
        return self

    def __getattr__(self, name):
        return getattr(self.store, name)

    def put(self, name, content):
        self.touched.add(name)
        self.store.put(name, content)

    def drop(self, name):
        self.touched.add(name)
        self.store.drop(name)

    def __exit__(self, *_):
        for name in self.touched:
            if name in self.genuine:
                self.store.put(name, self.genuine[name])
            elif os.path.exists(self.store.file(name)):
                self.store.drop(name)


# --- the repository


def insert(world, rows=500):
    world.postgres.admin(f"INSERT INTO t SELECT g, md5(random()::text) FROM generate_series(1, {rows}) g")


def segment(world):
    insert(world)
    world.postgres.admin("SELECT pg_switch_wal()")
    world.archived()


def promote(world):
    """Timeline 2, and the archiver follows."""
    world.postgres.stop()
    world.postgres.as_user(["/usr/bin/touch", os.path.join(world.postgres.data, "standby.signal")])
    world.postgres.start()
    world.postgres.admin("SELECT pg_promote()")
    wait_for(lambda: world.postgres.admin("SELECT timeline_id FROM pg_control_checkpoint()") == "2", "timeline 2")
    wait_for(lambda: world.teesql("status", check=False).returncode == 0, "teesqld to be connected again", 60, every=0.2)


def fill_foreign(world):
    """Another cluster of the same KMS, the same PostgreSQL and the same timeline: only its cluster id is another one."""
    world.foreign_objects = world.objects + ".foreign"
    os.mkdir(world.foreign_objects, 0o700)
    owner = os.stat(world.objects)
    os.chown(world.foreign_objects, owner.st_uid, owner.st_gid)
    groups = {group: dict(keys) for group, keys in world.overrides.items()}
    groups["teesql"] = {"state-directory": os.path.join(world.dir, "foreign-state")}
    groups["storage:disk"]["path"] = world.foreign_objects
    groups["backup"]["slot"] = "foreign"
    ours, world.overrides = world.overrides, groups
    try:
        world.restart_daemon()
        world.postgres.admin("CREATE TABLE t (id bigint, x text)")
        segment(world)
        world.backup("--full")
        segment(world)
        world.daemon.stop(seconds=45)
    finally:
        world.overrides = ours
    world.postgres.admin("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
    return Store(world.foreign_objects).genuine


def fill(world):
    world.foreign = fill_foreign(world)
    world.restart_daemon()
    world.full = world.backup("--full")
    for _ in range(3):
        segment(world)
    world.incremental = world.backup()
    equal(world.incremental["type"], "incremental", "the second backup")
    promote(world)
    for _ in range(2):
        segment(world)
    insert(world)
    world.archived()
    settle(world)


def settle(world):
    """Waits until nothing is written any more: the server logs its running transactions once behind the last change, and the last record
    of the catalog is stored when teesqld stops."""
    last = world.current_lsn()
    wait_for(lambda: world.current_lsn() != last, "the server's last word", 40, every=0.2)
    world.archived()
    world.restart_daemon()
    world.archived()


# --- what the tools say


def verify(world):
    """{object: {reason, …}} of the damages that `backup verify --deep` names"""
    result = world.teesql("--json", "backup", "verify", "--deep", check=False)
    lines = result.stdout.strip().splitlines()
    assert lines, f"verify gave {result.returncode} {result.stderr}"
    report = json.loads(lines[-1])
    found = {}
    for finding in report["findings"]:
        if finding["severity"] == "damage":
            found.setdefault(finding["name"], set()).add(finding["reason"])
    equal(result.returncode, 1 if found else 0, f"exit code of verify ({result.stdout})")
    return found


def restore(world, *arguments):
    """(reason, text) of a restore that must fail and leave nothing."""
    code, result, stderr = world.restore("refused", *arguments, check=False)
    assert code == 1, f"restore {arguments} gave {code}: {result}"
    assert not os.path.lexists(world.target("refused")), f"the final folder is there: {stderr}"
    equal(world.leftovers(), [], "left over")
    return result["reason"], stderr


def look(world, *arguments):
    code, result, stderr = world.restore(None, "--verify-only", *arguments, check=False)
    assert code == 1, f"--verify-only {arguments} gave {code}: {result}"
    return result["reason"], stderr


def recover(world, *arguments):
    """(reason, text) of a restore that runs the recovery too: it leaves nothing either."""
    return restore(world, "--recover", *arguments)


def told(world, what, name, found, reasons):
    """Each tool says one of @reasons: @found by verify, and every way to restore the full backup and all WAL behind it."""
    equal(set(found), {name}, f"{what}: what verify names")
    assert found[name] <= reasons[0], f"{what}: verify says {found[name]}, expected of {reasons[0]}"
    for way in (look, restore, recover):
        reason, text = way(world, "--backup", world.full["id"])
        assert reason in reasons[1], f"{what}: {way.__name__} says {reason}, expected of {reasons[1]}\n{text}"


def pieces(store, backup, archive):
    return store.names(f"/base/{backup['id']}/{archive}.")


def whole_wal(store, timeline="00000001"):
    return [n for n in store.names(f"/wal/{timeline}/") if "." not in os.path.basename(n)]


def parts(store):
    return [n for n in store.names("/wal/") if "-" in os.path.basename(n)]


def header_size(content):
    return HEADER + struct.unpack_from(">H", content, HEADER - 2)[0]


def segments(content):
    """header, and the sealed segments behind it"""
    size = header_size(content)
    return content[:size], [content[i:i + SEGMENT + TAG] for i in range(size, len(content), SEGMENT + TAG)]


def kinds(world, store):
    """one name of each kind that a restore of the full backup needs"""
    wal = whole_wal(store)
    catalog = store.names("/catalog/")
    return {
        "an archive": pieces(store, world.full, "base")[0],
        "a manifest": pieces(store, world.full, "manifest")[0],
        "a WAL segment": wal[len(wal) // 2],
        "a part of a WAL segment": parts(store)[-1],
        "a timeline's history": store.names(".history")[0],
        "the newest record": catalog[-1],
        "a record in the middle": catalog[len(catalog) // 2],
    }


PIECE = {"piece-size", "piece-commitment", "seal-truncated", "seal-size", "seal-tag", "seal-context", "seal-commitment"}
OBJECT = {"seal-truncated", "seal-size", "seal-tag", "seal-context", "seal-commitment", "frame-size", "object-too-large", "wal-size"}


def reasons_of(name, verify_says):
    """What the tools may say of an object that is another one than was stored: verify, and then restore."""
    if "/catalog/" in name:
        return {"catalog-broken"}, {"catalog-broken"}
    if "/base/" in name:
        return verify_says | PIECE, PIECE
    return verify_says | OBJECT, OBJECT


def verify_name(world, name):
    """verify names a broken chain by its lineage"""
    return name.split("/")[2] if "/catalog/" in name else name


def changed(world, what, changes, verify_says=frozenset()):
    """@changes: name -> bytes; one name."""
    with Lie(world) as store:
        for name, content in changes.items():
            assert content != store.genuine.get(name), what
            store.put(name, content)
        (name,) = changes
        told(world, f"{what} {name}", verify_name(world, name), verify_by(world, name), reasons_of(name, set(verify_says)))


def verify_by(world, name):
    found = verify(world)
    assert found, f"verify says nothing of {name}"
    return found


# --- the attacks


@case("an honest store: nothing is found, everything is restored")
def honest(world):
    equal(verify(world), {}, "verify")
    world.restore("honest", "--recover", "--backup", world.full["id"])
    shutil.rmtree(world.target("honest"))
    world.restore(None, "--verify-only")


@case("objects that are cut, lengthened, emptied or doubled")
def cut(world):
    names = kinds(world, Store(world.objects))
    for what, name in names.items():
        content = Store(world.objects).genuine[name]
        lengths = {len(content) - 1, len(content) - TAG, header_size(content), header_size(content) - 1, 0}
        if len(content) > SEGMENT:
            lengths.add(header_size(content) + SEGMENT + TAG)
        for length in sorted(lengths):
            changed(world, f"{what} cut to {length}", {name: content[:length]}, {"object-truncated"})
        for tail in (b"\0", bytes(TAG), content[-100:], content):
            changed(world, f"{what} longer by {len(tail)}", {name: content + tail}, {"object-substituted"})


@case("objects that are gone, from the beginning, the middle and the end")
def gone(world):
    store = Store(world.objects)
    catalog, wal = store.names("/catalog/"), whole_wal(store)
    expected = {pieces(store, world.full, "base")[0]: ({"object-missing"}, {"no-such-object"}),
                pieces(store, world.full, "manifest")[0]: ({"object-missing"}, {"no-such-object"}),
                store.names(".history")[0]: ({"object-missing"}, {"wal-missing"})}
    for name in catalog:
        expected[name] = ({"catalog-broken"}, {"catalog-broken"} if name != catalog[-1] else {"repository-behind"})
    for name in wal[1:] + whole_wal(store, "00000002") + parts(store):
        expected[name] = ({"wal-gap"}, {"wal-missing"})
    for name, reasons in expected.items():
        with Lie(world) as lie:
            lie.drop(name)
            found = verify(world)
            said = f"timeline {int(name.split('/')[4], 16)}" if "wal-gap" in reasons[0] else verify_name(world, name)
            equal({said: found.get(said)}, found, f"verify without {name}")
            told(world, f"without {name}", said, found, reasons) if "wal-gap" not in reasons[0] else gone_wal(world, name, found[said], reasons)


def gone_wal(world, name, said, reasons):
    equal(said, reasons[0], f"verify without {name}")
    for way in (look, recover):
        reason, text = way(world, "--backup", world.full["id"])
        assert reason in reasons[1], f"without {name}: {way.__name__} says {reason}\n{text}"


@case("everything is gone")
def all_gone(world):
    with Lie(world) as store:
        for name in store.genuine:
            store.drop(name)
        assert "catalog-broken" in set().union(*verify(world).values())
        equal({look(world)[0], restore(world)[0]}, {"catalog-absent"}, "restore")


@case("objects exchanged between names, backups, segments and timelines")
def exchanged(world):
    store = Store(world.objects)
    content = store.genuine
    full, incremental, wal, later = pieces(store, world.full, "base"), pieces(store, world.incremental, "base"), whole_wal(store), whole_wal(store, "00000002")
    catalog = store.names("/catalog/")
    for to, origin in ((full[0], incremental[0]), (full[0], pieces(store, world.full, "manifest")[0]), (pieces(store, world.full, "manifest")[0], full[0]),
                       (pieces(store, world.full, "manifest")[0], pieces(store, world.incremental, "manifest")[0]), (wal[2], wal[1]), (wal[2], later[0]), (later[0], later[1]),
                       (later[0], wal[-1]), (parts(store)[-1], parts(store)[0]), (store.names(".history")[0], wal[1]), (catalog[-1], catalog[-2]),
                       (catalog[2], catalog[3]), (catalog[1], full[0]), (wal[1], catalog[0]), (full[0], store.names("v1/lineages/")[0])):
        changed(world, f"{origin} as", {to: content[origin]}, {"object-truncated", "object-substituted"})


@case("parts of a segment that claim other bytes")
def renamed(world):
    name = parts(Store(world.objects))[-1]
    base, offsets = name.rsplit(".", 1)
    begin, end = (int(t, 16) for t in offsets.split("-"))
    for claimed in ((begin, end + 4096), (0, end), (begin, SEGMENT * 16)):
        with Lie(world) as store:
            store.drop(name)
            store.put(f"{base}.{claimed[0]:08x}-{claimed[1]:08x}", store.genuine[name])
            assert set().union(*verify(world).values()) <= OBJECT | {"wal-gap", "object-substituted"}, verify(world)
            for way in (look, restore, recover):
                reason, text = way(world)
                assert reason in OBJECT | {"wal-missing"}, f"{claimed}: {reason} {text}"


@case("segments spliced within an object and between objects")
def spliced(world):
    store = Store(world.objects)
    name = pieces(store, world.full, "base")[0]
    header, own = segments(store.genuine[name])
    assert len(own) > 2, len(own)
    other = segments(store.genuine[pieces(store, world.incremental, "base")[0]])[1][0]
    foreign_name = next(n for n in world.foreign if "/base/" in n and "/base." in n)
    foreign_header, foreign = segments(world.foreign[foreign_name])
    for what, body in (("swapped", [own[1], own[0], *own[2:]]), ("doubled", [own[0], own[0], *own[2:]]), ("middle left out", [own[0], *own[2:]]),
                       ("end left out", own[:-1]), ("last one put in the middle", [own[0], own[-1]]), ("another backup's end", [*own[:-1], other]),
                       ("another cluster's first", [foreign[0], *own[1:]]), ("another cluster's middle", [own[0], foreign[1], *own[2:]])):
        changed(world, what, {name: header + b"".join(body)}, {"object-truncated", "object-substituted"})
    changed(world, "own segments behind another cluster's header", {name: foreign_header + b"".join(own)}, {"object-substituted"})
    changed(world, "another cluster's segments behind our header", {name: header + b"".join(foreign)}, {"object-truncated", "object-substituted"})


@case("genuine objects of another cluster with the same KMS, PostgreSQL and timeline")
def foreign(world):
    names = kinds(world, Store(world.objects))
    for name in names.values():
        part = "/catalog/" if "/catalog/" in name else "/wal/" if "/wal/" in name else "/base." if "/base." in name else "/manifest."
        changed(world, "a foreign object as", {name: next(c for n, c in sorted(world.foreign.items()) if part in n)}, {"object-truncated", "object-substituted"})


@case("another cluster and lineages that somebody made up, beside ours: nothing of them is taken")
def beside(world):
    with Lie(world) as store:
        for name, content in world.foreign.items():
            store.put(name, content)
        ours = next(n for n in store.names("/catalog/")).split("/")
        foreign_records = [c for n, c in sorted(world.foreign.items()) if "/catalog/" in n]
        mark = store.genuine[store.names("v1/lineages/")[0]]
        store.put(f"v1/{ours[1]}/00000009-0123456789abcdef/catalog/0000000000000001", foreign_records[0])
        store.put(f"v1/{ours[1]}/00000008-0123456789abcdef/catalog/0000000000000001", store.genuine[store.names("/catalog/")[0]])
        store.put(f"v1/lineages/{ours[1]}/00000009-0123456789abcdef", mark)
        equal(verify(world), {}, "verify")
        _, result, _ = world.restore("beside", "--recover")
        equal((result["cluster_id"], result["lineage"]), (ours[1], ours[2]), "what was restored")
        shutil.rmtree(world.target("beside"))


@case("every flipped byte is found, in many objects at once")
def flipped(world):
    """One verification judges a flip in each object, and each must be named; of the records one at a time, since a chain breaks once.
    TEESQL_FULL=1: every byte of all but the three largest objects."""
    names, records = sorted_by_kind(Store(world.objects))
    generator = random.Random(SEED)
    sizes = {n: len(c) for n, c in Store(world.objects).genuine.items()}
    rounds = FLIPS or max(sorted(sizes[n] for n in names)[-4], sum(sizes[n] for n in records))
    comment(f"seed {SEED}, {rounds} rounds, {len(sizes)} objects")
    for i in range(rounds):
        with Lie(world) as lie:
            at = {name: place(i, rounds, sizes[name], generator) for name in names}
            name = records[i % len(records)]
            at[name] = place(i // len(records), max(rounds // len(records), 1), sizes[name], generator)
            for name, offset in at.items():
                lie.put(name, flip(lie.genuine[name], offset, generator))
            found = set(verify(world))
            missed = {verify_name(world, name) for name in at} - found
            assert not missed, f"of the flips at {at} verify misses {missed}"
            equal(found, {verify_name(world, name) for name in at}, "what is named")


def sorted_by_kind(store):
    """names of all but the records, and of these"""
    return [n for n in store.genuine if "/catalog/" not in n], store.names("/catalog/")


def place(i, rounds, size, generator):
    """All bytes where there are rounds enough, else one of each of as many parts."""
    if size <= rounds:
        return i % size
    return min(size * i // rounds + generator.randrange(size // rounds), size - 1)


def flip(content, at, generator):
    flipped_content = bytearray(content)
    flipped_content[at] ^= 1 << generator.randrange(8)
    return bytes(flipped_content)


@case("a flipped byte anywhere is never restored")
def flipped_restore(world):
    """All of a header, and places drawn in the rest."""
    generator = random.Random(SEED)
    names = kinds(world, Store(world.objects))
    del names["the newest record"]
    for name in names.values():
        content = Store(world.objects).genuine[name]
        for at in [*range(0, header_size(content), 24), *(generator.randrange(len(content)) for _ in range(6)), len(content) - 1]:
            with Lie(world) as store:
                store.put(name, flip(content, at, generator))
                reason, text = look(world, "--backup", world.full["id"])
                assert reason == "catalog-broken" or reason.startswith(("seal-", "piece-", "key-epoch-absent")), f"{name} at {at}: {reason} {text}"
                if "/base/" in name or "/catalog/" in name:
                    equal(restore(world, "--backup", world.full["id"])[0], reason, f"{name} at {at}")


# --- a whole that is genuine, and not the newest


class Swapped:
    """The storage is another state of itself for a while; teesqld does not run."""

    def __init__(self, world, objects):
        self.world, self.objects = world, objects

    def __enter__(self):
        if self.world.daemon.alive():
            self.world.daemon.stop(seconds=45)
        self.now = Store(self.world.objects)
        replace(self.now, self.objects)

    def __exit__(self, *_):
        replace(Store(self.world.objects), self.now.genuine)


def replace(store, objects):
    for name in store.genuine.keys() - objects.keys():
        store.drop(name)
    for name, content in objects.items():
        if store.genuine.get(name) != content:
            store.put(name, content)


def refused_at_start(world, reason):
    """teesqld starts, serves, and backs nothing up."""
    world.start_daemon(ready=False)

    def said():
        result = world.teesql("--json", "status", check=False)
        return reason in result.stdout
    wait_for(said, f"{reason} in status", 60, every=0.2)
    world.daemon.stop(seconds=45)


@case("the storage is rolled back: to an older catalog, with and without newer WAL, and to an older whole")
def rolled_back(world):
    old = Store(world.objects).genuine
    segment(world)
    world.backup("--full")
    segment(world)
    world.daemon.stop(seconds=45)
    new = Store(world.objects).genuine
    older_catalog = {n: c for n, c in new.items() if "/catalog/" not in n or n in old}
    for what, objects in (("whole", old), ("catalog", older_catalog)):
        with Swapped(world, objects):
            for way in (look, restore):
                equal(way(world)[0], "repository-behind", f"{what}: {way.__name__}")
            refused_at_start(world, "repository-behind")
    world.start_daemon()
    equal(verify(world), {}, "verify")


@case("the storage shows a fork of its own history: genuine records that this node never stored")
def forked(world):
    """Two nodes went on from one volume. The other one's history is longer in records and in WAL."""
    state = os.path.join(world.dir, "state")
    world.daemon.stop(seconds=45)
    before = Store(world.objects).genuine
    shutil.copytree(state, state + ".before")
    world.start_daemon()
    segment(world)
    world.daemon.stop(seconds=45)
    ours = Store(world.objects).genuine
    shutil.move(state, state + ".ours")
    shutil.move(state + ".before", state)
    replace(Store(world.objects), before)
    world.start_daemon()
    for _ in range(2):
        segment(world)
        world.backup("--full")
    world.daemon.stop(seconds=45)
    other = Store(world.objects).genuine
    shutil.rmtree(state)
    shutil.move(state + ".ours", state)
    replace(Store(world.objects), ours)
    with Swapped(world, other):
        for way in (look, restore):
            equal(way(world)[0], "repository-forked", way.__name__)
        refused_at_start(world, "repository-forked")
    world.start_daemon()


@case("a storage that took WAL but no record of it, and then hides the WAL")
def hidden_wal(world):
    segment(world)
    before = Store(world.objects).genuine
    insert(world)
    position = world.archived()
    world.daemon.kill()
    with Swapped(world, before):
        for way in (look, restore):
            reason, text = way(world)
            equal(reason, "repository-behind", f"{way.__name__} (WAL was stored up to {lsn(position):X}): {text}")
    world.start_daemon()


if __name__ == "__main__":
    with BackupWorld(**QUIET) as the_world:
        fill(the_world)
        failed = tap.run(the_world)
    sys.exit(1 if failed else 0)
