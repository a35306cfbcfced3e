#!/usr/bin/env python3
"""Backups as their operator sees them: a managed PostgreSQL that is written to all the time, teesqld with a storage, `teesql backup` and `teesql restore`;
and the same while teesqld, the storage host, PostgreSQL and the store are killed at random moments. Row by row: what was committed before a point is there,
what came behind it is not. TEESQL_FULL=1 runs 50 rounds instead of 5, TEESQL_TEST_SEED repeats one."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.managed import RANDOM, FileStore, Session, Site, give_to_host, judge, kill_all, lsn, lsn_text, time_text  # noqa: E402
from harness.processes import TEESQL, run, wait_for  # noqa: E402

ROUNDS = int(os.environ.get("TEESQL_TEST_ROUNDS", "0")) or (50 if os.environ.get("TEESQL_FULL") == "1" else 5)


# --- taken


@tap.case("the first full backup is taken without being asked for, and the operator sees it")
def first_backup(site):
    facts = site.wait_facts(lambda f: f["backups"] >= 1, "the first backup")
    assert facts["last_full"] is not None and facts["oldest_restorable"] is not None, facts
    listing = schema.check_text(site.teesql("backup", "list").stdout, "backup-list")
    tap.equal(listing["backups"][0]["type"], "full")
    wait_for(lambda: site.world.http("/health")[1]["status"] == "ok", "health to be ok")
    tap.contains(site.text("backup", "list"), listing["backups"][0]["name"])


@tap.case("a backup that is asked for stands on the last one")
def incremental(site):
    result = schema.check_text(site.teesql("backup", "now", "--label", "before the upgrade").stdout, "backup-now")["backup"]
    tap.equal(result["type"], "incremental")
    tap.equal(result["label"], "before the upgrade")
    tap.equal(site.ask("backup", "show", result["name"])["id"], result["id"])
    tap.equal(site.ask("backup", "show", "latest")["id"], result["id"])
    tap.contains(site.text("backup", "show", result["id"][:9]), "before the upgrade")
    tap.equal(site.ask("backup", "now", "--full")["backup"]["type"], "full")


@tap.case("nothing of a row lies readable in the storage")
def no_plaintext(site):
    number, text = Session(site.world).query("SELECT id, payload FROM ticks ORDER BY id DESC LIMIT 1")[0]
    needles = [text.encode(), b"ticks", b"PG_VERSION", b"before the upgrade", site.world.postgres.password.encode()]
    for folder, _, names in os.walk(site.stores[0].path):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                content = f.read()
            for needle in needles:
                assert needle not in content, f"{needle!r} in {name}, row {number}"


@tap.case("what the storage has is what the catalog says, byte by byte")
def verify(site):
    for how in ([], ["--deep"]):
        result = schema.check_text(site.teesql("backup", "verify", *how).stdout, "backup-verify")
        tap.equal(result["findings"], [])
        assert result["objects"] > 3, result
    tap.contains(site.text("backup", "verify"), "nothing is damaged or missing")


def on_terminal(*command):
    """(exit status, what a terminal shows)"""
    master, slave = pty.openpty()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # nobody has it open any more
            break
        if not part:
            break
        shown += part
    os.close(master)
    return child.wait(60), shown.decode()


@tap.case("on a terminal there is progress, and at the end one line that stays")
def terminal(site):
    base = [TEESQL, "--config", site.world.daemon_config]
    with site.reloaded(max_rate="16MiB"):
        status, shown = on_terminal(*base, "backup", "now", "--full")
    tap.equal(status, 0, shown)
    assert "\r\x1b[K" in shown and " %" in shown, shown
    lines = [line for line in shown.split("\r\x1b[K")[-1].splitlines() if line]
    tap.equal(len(lines), 1, lines)
    assert re.match(r"\S+: full backup of [0-9.]+.[KMG]iB", lines[0]), lines
    status, shown = on_terminal(*base, "--quiet", "backup", "now")
    tap.equal((status, shown), (0, ""))


# --- restored


@tap.case("restored to the newest point every committed row is there")
def restore_latest(site):
    site.check_latest(site.durable_rows(), thorough=True)


@tap.case("restored to an LSN it holds what was committed before, and nothing of later")
def restore_lsn(site):
    rows, choice = site.reachable_rows(more=40)
    site.check_lsn(rows, RANDOM.choice(choice))


@tap.case("restored to a time it holds what was committed before, and nothing of later")
def restore_time(site):
    rows, choice = site.reachable_rows(more=40)
    site.check_time(rows, RANDOM.choice(choice))


@tap.case("a time in the second in which a backup ended is restored from the one before it")
def restore_same_second(site):
    newest = site.ask("backup", "now")["backup"]
    rows = site.durable_rows(more=20)
    moment = newest["finished"] + 0.001
    report = site.check_restored(rows, ["--to-time", time_text(moment)], lambda r: r.time_after < moment - 0.001, lambda r: r.time_before > moment + 0.001)
    assert newest["name"] not in report["backups"], report


@tap.case("restored to a named point it holds what was committed before")
def restore_name(site):
    site.writer.wait_more(5)
    point = lsn(site.world.postgres.admin("SELECT pg_create_restore_point('before the upgrade')"))
    rows = site.durable_rows(more=20)
    site.check_restored(rows, ["--to-name", "before the upgrade"], lambda row: row.lsn_after <= point, lambda row: row.lsn_before > point)


@tap.case("restored to the end of a backup that is named it holds nothing of later")
def restore_backup(site):
    before = site.durable_rows()
    backup = site.ask("backup", "now")["backup"]
    rows = before + site.durable_rows(more=20)[len(before):]
    stop = lsn(backup["stop_lsn"])
    site.check_restored(rows, ["--backup", backup["name"], "--to", "immediate"], lambda row: row.lsn_after <= lsn(backup["start_lsn"]), lambda row: row.lsn_before > stop)
    first = site.ask("backup", "list")["backups"][0]
    report = site.check_latest(rows, "--backup", first["id"][:12])
    tap.equal(report["backups"], [first["name"]])


@tap.case("a folder that is not empty stays as it is")
def not_empty(site):
    target = site.target()
    os.makedirs(target)
    with open(os.path.join(target, "mine"), "w", encoding="ascii") as f:
        f.write("mine")
    result = site.teesql("restore", "--no-adopt", "--target-directory", target, check=False)
    tap.equal(result.returncode, 1, result.stderr)
    tap.equal(schema.check_text(result.stdout, "restore")["reason"], "target-not-empty")
    tap.equal(os.listdir(target), ["mine"])


@tap.case("a dry run, and reading all without restoring, write nothing and say what would be done")
def dry_run(site):
    target = site.target()
    for how, outcome in ((["--target-directory", target, "--dry-run"], "planned"), (["--verify-only"], "verified")):
        report = schema.check_text(site.teesql("restore", "--no-adopt", *how).stdout, "restore")
        tap.equal(report["outcome"], outcome)
        tap.equal(report["backups"][-1], site.ask("backup", "list")["backups"][-1]["name"])
    tap.equal(os.listdir(os.path.dirname(target)), [])


@tap.case("a new key seals what comes, and what was sealed before stays readable")
def rotate(site):
    tap.equal(site.ask("backup", "rotate-key")["epoch"], 1)
    tap.equal(site.ask("backup", "now")["backup"]["epoch"], 1)
    site.check_latest(site.durable_rows())
    tap.equal(site.ask("backup", "list")["epochs"], [0, 1])


# --- what an operator changes, and is told


def notices(site, reason):
    return [n for n in site.ask("status")["notices"] if n["reason"] == reason]


@tap.case("WAL that is stored is counted, and goes on being counted")
def counters(site):
    def counted():
        return site.ask("status")["counters"]
    wait_for(lambda: counted()["wal_bytes"] > 0, "bytes to be counted")
    before = counted()
    site.world.postgres.admin("SELECT pg_switch_wal()")
    wait_for(lambda: counted()["wal_segments"] > before["wal_segments"] and counted()["wal_bytes"] > before["wal_bytes"], "a segment to be counted")


@tap.case("recipients, key epoch and interval are taken up by a reload")
def live(site):
    key, pem = (os.path.join(site.world.dir, f"alice.{kind}") for kind in ("key", "pem"))
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", pem])
    cluster = next(name for name in os.listdir(os.path.join(site.stores[0].path, "v1")) if len(name) == 64)
    keys = os.path.join(site.stores[0].path, "v1", cluster, "keys")
    epochs = site.ask("backup", "list")["epochs"]
    site.reload(recovery_recipients=pem)
    wait_for(lambda: os.path.isdir(keys) and len([n for n in os.listdir(keys) if not n.startswith(".")]) == len(epochs), "the keys for alice")
    with open(key, "rb") as f, open(pem, "wb") as out:
        out.write(f.read())  # the secret one, by mistake
    site.reload(recovery_recipients=pem)
    wait_for(lambda: site.world.http("/health")[1]["reason"] == "recovery-recipient", "the mistake to be named")
    site.wait_streaming()  # and WAL goes on
    site.reload(recovery_recipients="none", key_epoch=epochs[-1] + 1)
    wait_for(lambda: site.world.http("/health")[1]["status"] == "ok", "health to be ok")
    tap.equal(site.ask("backup", "now")["backup"]["epoch"], epochs[-1] + 1)
    result = site.teesql("backup", "rotate-key", check=False)
    tap.equal(result.returncode, 1, result.stdout)
    tap.contains(result.stderr, "hint: key-epoch = auto")
    site.reload(key_epoch="auto", wal_interval="none")
    segment = 16 << 20
    site.wait_facts(lambda f: f["durable_lsn"] is not None and f["durable_lsn"] % segment == 0, "whole segments only")
    site.writer.wait_more(40)
    tap.equal(site.facts()["durable_lsn"] % segment, 0)
    site.reload(wal_interval="1s")
    site.durable_rows(more=5)
    tap.equal(notices(site, "pending-restart"), [])


@tap.case("other clusters, and lineages that this node did not begin, are a notice")
def strangers(site):
    marks = os.path.join(site.stores[0].path, "v1", "lineages")
    lineage = site.ask("backup", "list")["lineage"]
    ours = next(name for name in os.listdir(marks) if os.path.exists(os.path.join(marks, name, lineage + "@")))
    tap.equal((notices(site, "foreign-clusters"), notices(site, "unknown-lineage")), ([], []))
    other = os.path.join(marks, "5b" * 32)
    os.mkdir(other)
    shutil.copy(os.path.join(marks, ours, lineage + "@"), os.path.join(other, "00000001-0123456789abcdef@"))
    sibling = os.path.join(marks, ours, "000000ff-0123456789abcdef@")
    shutil.copy(os.path.join(marks, ours, lineage + "@"), sibling)
    give_to_host(marks)
    site.ask("backup", "expire")
    tap.contains(notices(site, "foreign-clusters")[0]["message"], "5b" * 32)
    tap.contains(notices(site, "unknown-lineage")[0]["message"], "000000ff-0123456789abcdef")
    shown = site.text("status")
    tap.contains(shown, f"notice foreign-clusters {site.stores[0].name}: storage")
    tap.contains(shown, "\n  hint: right where they share it on purpose")
    shutil.rmtree(other)
    os.remove(sibling)
    site.ask("backup", "expire")
    tap.equal((notices(site, "foreign-clusters"), notices(site, "unknown-lineage")), ([], []))


@tap.case("a setting of the server that is not as it should be is a notice until it is mended")
def server_settings(site):
    tap.equal(notices(site, "slot-unlimited"), [])
    # a managed server takes no ALTER SYSTEM: the file it reads last of all is written as teesqld writes it
    place = os.path.join(site.world.postgres.data, "postgresql.conf")
    with open(place, encoding="utf-8") as f:
        text = f.read()
    try:
        with open(place, "a", encoding="utf-8") as f:
            f.write("\nmax_slot_wal_keep_size = -1\n")
        site.world.postgres.admin("SELECT pg_reload_conf()")
        wait_for(lambda: notices(site, "slot-unlimited"), "the notice", 60)
    finally:
        with open(place, "w", encoding="utf-8") as f:
            f.write(text)
        site.world.postgres.admin("SELECT pg_reload_conf()")
    wait_for(lambda: not notices(site, "slot-unlimited"), "the notice to go", 60)


@tap.case("what is asked for wrongly is answered with what would be right")
def wrong(site):
    for arguments, status, words in (
            (["backup", "now", "--storage", "oslo"], 1, f"hint: it names {site.stores[0].name}"),
            (["backup", "show", "2099"], 1, "hint: teesql backup list"),
            (["backup", "show"], 2, "one name is expected"),
            (["backup", "accept"], 1, "leaves no question"),
            (["backup", "nonsense"], 2, "hint: teesql backup --help"),
            (["backup", "verify", "everything"], 2, "everything is not expected")):
        result = site.teesql(*arguments, check=False)
        tap.equal((result.returncode, result.stdout), (status, ""), arguments)
        tap.contains(result.stderr, words)
    result = run([TEESQL, "--config", site.world.write("teesql.conf", "[connect]\nserver = db.example.org:5433\n"), "status"], check=False)
    tap.equal(result.returncode, 2)
    tap.contains(result.stderr, "hint: --config with teesqld.conf")


# --- what happens to it


@tap.case("while everything is killed at random nothing that was acknowledged is lost")
def kills(site):
    site.kill_rounds(ROUNDS)


def check_retention(site):
    removed = wait_for(lambda: site.ask("backup", "expire")["removed"], "something to expire")
    assert removed > 3, removed
    tap.equal([b["type"] for b in site.ask("backup", "list")["backups"]], ["full", "incremental"])
    newest = site.ask("backup", "now", "--full")["backup"]
    tap.equal([b["name"] for b in site.ask("backup", "list")["backups"]], [newest["name"]])
    tap.equal(site.ask("backup", "expire")["removed"], 0)
    tap.equal(site.ask("backup", "verify", "--deep")["damages"], 0)
    rows, choice = site.reachable_rows(more=40)
    site.check_lsn(rows, RANDOM.choice(choice))
    target, result = site.restore("--to-lsn", lsn_text(lsn(newest["start_lsn"]) - 1), check=False)
    tap.equal(result.returncode, 1, result.stdout)
    tap.equal(json.loads(result.stdout)["reason"], "backup-none")
    assert not os.path.exists(target)


@tap.case("backups that are kept need nothing of those that go")
def retention(site):
    site.ask("backup", "now", "--full")
    site.ask("backup", "now")
    with site.reloaded(retain_full=1):
        check_retention(site)


def check_slot_lost(site):
    store, admin = site.stores[0], site.world.postgres.admin
    newest = site.ask("backup", "list")["backups"][-1]
    gaps = site.facts()["gaps"]
    site.writer.wait_more()  # between that backup and the gap
    wait_for(lambda: admin("SHOW max_slot_wal_keep_size") == "64MB", "the limit")
    store.kill()
    try:
        inside = int(admin("SELECT pg_current_wal_insert_lsn() - '0/0'"))
        wait_for(lambda: site.world.http("/health")[1]["reason"] in ("wal-lag", "wal-waiting", "file-permission"), "an alarm")
        for _ in range(16):
            admin("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'a', 'b')")
        admin("CHECKPOINT")
        wait_for(lambda: admin("SELECT wal_status FROM pg_replication_slots") in ("lost", "unreserved") and not admin("CHECKPOINT"), "the slot to be lost", 60)
        wait_for(lambda: admin("CHECKPOINT; SELECT wal_status FROM pg_replication_slots") == "lost", "the slot to be lost", 60)
        behind = int(admin("SELECT pg_current_wal_insert_lsn() - '0/0'"))
    finally:
        store.start()
    site.wait_facts(lambda f: f["gaps"] == gaps + 1, "the gap to be seen")
    listing = wait_for(lambda: (lambda l: l["backups"][-1]["id"] != newest["id"] and l)(site.ask("backup", "list")), "a new backup", 60)
    tap.equal(listing["backups"][-1]["type"], "full")
    ranges = [(lsn(r["start_lsn"]), lsn(r["end_lsn"])) for r in listing["wal"]]
    end, start = ranges[-2][1], ranges[-1][0]
    assert inside < end < start, (inside, behind, ranges)  # what had been received was stored
    log = site.world.daemon.log()
    assert re.search(f"gap.*{lsn_text(end)}.*{lsn_text(start)}", log) or re.search(f"{lsn_text(end)}.*{lsn_text(start)}", log), log[-3000:]
    rows = site.durable_rows(more=40)
    site.check_latest(rows)
    _, result = site.restore("--to-lsn", lsn_text(end + 8192), check=False)
    tap.equal(json.loads(result.stdout)["reason"], "wal-gap", result.stdout)
    before = [row for row in rows if lsn(newest["stop_lsn"]) < row.lsn_before and row.lsn_after < end]
    site.check_lsn(rows, before[-1])
    result = site.ask("backup", "verify")
    # what was broken off when things were killed stays for a day
    tap.equal([(f["severity"], f["reason"]) for f in result["findings"] if f["reason"] != "object-stray"], [("note", "wal-gap")])


@tap.case("a slot that is lost is a gap that is named, and a full backup at once")
def slot_lost(site):
    with site.reloaded(slot_limit="64MiB", max_lag="2s"):
        check_slot_lost(site)


def exchange(store, other):
    shutil.rmtree(store.path)
    os.rename(other, store.path)


@tap.case("a storage that was rolled back is refused until the operator says otherwise")
def rolled_back(site):
    store = site.stores[0]
    site.stop_daemon()
    older = store.path + ".older"
    shutil.copytree(store.path, older)
    give_to_host(older)
    site.start_daemon()
    lineage = site.ask("backup", "list")["lineage"]
    site.ask("backup", "now")
    site.durable_rows(more=20)
    site.stop_daemon()
    exchange(store, older)
    site.start_daemon()
    site.wait_facts(lambda f: f["state"] == "refused", "the repository to be refused")
    tap.equal(site.world.http("/health")[1]["reason"], "repository-behind")
    tap.equal((site.facts()["wal_lag_bytes"], site.facts()["wal_lag_ms"]), (None, None))
    tap.contains(site.text("status"), "\n  WAL         is not being stored\n")
    result = site.teesql("backup", "now", check=False)
    tap.equal(result.returncode, 1, result.stderr)
    tap.contains(result.stderr, "was rolled back")
    site.writer.wait_more(5)  # SQL goes on
    site.new_lineage()
    tap.equal(site.ask("backup", "accept")["parent_lineage"], lineage)
    site.wait_streaming()
    listing = wait_for(lambda: (lambda l: l if l["backups"] else None)(site.ask("backup", "list")), "a full backup", 60)
    tap.equal([b["type"] for b in listing["backups"]], ["full"])
    assert listing["lineage"] > lineage and listing["parent_lineage"] == lineage, listing
    rows = site.durable_rows(more=20)
    site.check_latest(rows, thorough=True)


@tap.case("zero loss: a commit waits for every storage; all of it dies right behind a commit, and an empty volume is filled with everything acknowledged")
def zero_loss(_):
    one, two = FileStore("one"), FileStore("two")
    with Site([one, two], bench=0, zero_loss="true", restore_empty="true") as site:
        admin = site.world.postgres.admin
        for store in (one, two):
            site.wait_facts(lambda f: f["backups"] >= 1 and f["state"] == "streaming", "the first backup", store=store)
        wait_for(lambda: site.world.http("/health")[1]["status"] == "ok", "health to be ok")
        tap.equal(site.teesql("backup", "now", check=False).returncode, 2)  # which of the two?
        tap.equal(site.ask("backup", "now", "--storage", "two")["storage"], "two")
        site.writer.wait_more(20)
        two.kill()
        try:
            wait_for(lambda: admin("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'INSERT INTO ticks%'") == "1", "a commit that waits")
            site.wait_facts(lambda f: f["state"] == "waiting", "the storage to be missed", store=two)
            stuck = site.writer.acknowledged
            tap.equal(site.facts(one)["state"], "streaming")
            tap.equal(int(admin("SELECT max(id) FROM ticks")), stuck)  # reading goes on, and does not see it
        finally:
            two.start()
        wait_for(lambda: site.writer.acknowledged > stuck + 20, "commits to go on")
        kill_all([*site.world.postgres.processes(), *site.hosts(), site.world.daemon.pid])
        acknowledged = site.writer.acknowledged
        site.world.daemon.child.wait()
        site.world.postgres.stop()
        rows = [row for row in site.writer.snapshot() if row.number <= acknowledged]
        shutil.rmtree(os.path.join(site.world.dir, "state"))
        site.new_lineage()
        site.start_daemon()
        if os.geteuid() == 0:  # PostgreSQL's user passes, and root's own group keeps nobody out who is in it
            tap.equal(oct(os.stat(os.path.join(site.world.dir, "state")).st_mode & 0o777), "0o711")
        found = {int(n): text for n, text in Session(site.world).query(f"SELECT id, payload FROM ticks WHERE id <= {acknowledged}")}
        judge(rows, found, lambda _: True, lambda _: False)
        tap.equal(len(found), acknowledged)
        assert admin("SELECT timeline_id FROM pg_control_checkpoint()") != "1"
        # the storage it was filled from goes on; of the other one the node knows nothing, and an operator decides
        site.wait_streaming(one)
        site.wait_facts(lambda f: f["state"] == "refused", "the other storage to be a question", store=two)
        site.ask("backup", "accept", "--storage", "two")
        site.wait_streaming(two)
        listing = site.ask("backup", "list", "--storage", "one")
        assert listing["lineage"].startswith("00000002-") and listing["parent_lineage"].startswith("00000001-"), listing
        rows = site.durable_rows(more=20)
        for store in ("one", "two"):
            site.check_latest(rows, "--storage", store)


def main():
    with Site([FileStore()]) as site:
        return 1 if tap.run(site) else 0


if __name__ == "__main__":
    sys.exit(main())
