#!/usr/bin/env python3
"""The same as test-backup.py, its core, with S3 (a real Ceph) and Google's JSON API as the store, whose server is killed among the others. One World for
each of them. TEESQL_FULL=1 runs 25 rounds for each instead of 2."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import ceph, schema, tap  # noqa: E402
from harness.managed import RANDOM, CephStore, GcsStore, Site  # noqa: E402
from harness.processes import wait_for  # noqa: E402

ROUNDS = int(os.environ.get("TEESQL_TEST_ROUNDS", "0")) or (25 if os.environ.get("TEESQL_FULL") == "1" else 2)


def open_ceph():
    name = ceph.missing() or next((name for name in ("aws",) if shutil.which(name) is None), None)
    if name is not None:
        tap.absent(f"{name} is not here")
    return CephStore()


def check_core(site):
    site.wait_facts(lambda f: f["backups"] >= 1, "the first backup")
    tap.equal(schema.check_text(site.teesql("backup", "now").stdout, "backup-now")["backup"]["type"], "incremental")
    # more than one part, so that parts go up side by side and are put together by the store
    site.world.postgres.admin("CREATE TABLE big AS SELECT n, md5(n::text) || md5((n + 1)::text) || md5((n * 7)::text) AS noise FROM generate_series(1, 400000) n")
    backup = site.ask("backup", "now", "--full")["backup"]
    assert backup["stored_size"] > 9 << 20, backup
    result = schema.check_text(site.teesql("backup", "verify", "--deep").stdout, "backup-verify")
    tap.equal(result["findings"], [])
    site.check_latest(site.durable_rows(), thorough=True)
    rows, choice = site.reachable_rows(more=40)
    site.check_lsn(rows, RANDOM.choice(choice))
    site.check_time(rows, RANDOM.choice(choice))


def check_away(site):
    """The store's server dies in the middle of a backup: SQL goes on, health says so, and the backup too goes on when it is back."""
    store = site.stores[0]
    asked = site.start("backup", "now", "--full")
    wait_for(lambda: site.facts().get("running") or asked.poll() is not None, "the backup to run", 60)
    store.kill()
    site.writer.wait_more(100)
    site.wait_facts(lambda f: f["state"] == "waiting" or f["problem"], "the store to be missed")
    wait_for(lambda: site.world.http("/health")[1]["status"] == "degraded", "health to say so")
    tap.equal(site.world.http("/health/ready")[0], 200)
    store.start()
    out, error = asked.communicate(timeout=300)
    tap.equal(asked.returncode, 0, out + error)
    site.wait_streaming()
    site.durable_rows()
    wait_for(lambda: site.world.http("/health")[1]["status"] == "ok", "health to be ok again", 60)


def whole(store):
    try:
        with Site([store]) as site:
            check_core(site)
            check_away(site)
            site.kill_rounds(ROUNDS)
    finally:
        store.stop()


@tap.case("s3, a real Ceph: backups, restore, its gateway away, and everything killed at random")
def on_ceph():
    whole(open_ceph())


@tap.case("gcs: backups, restore, its server away, and everything killed at random")
def on_gcs():
    whole(GcsStore())


if __name__ == "__main__":
    sys.exit(1 if tap.run() else 0)
