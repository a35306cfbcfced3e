"""A managed PostgreSQL that is written to all the time, its backups, and what comes back of them: the parts of test-backup.py and test-backup-stores.py."""

import collections
import contextlib
import hashlib
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from . import ceph, pgclient, tap
from .archive import Archive, CephObjects, FileObjects, GcsObjects
from .processes import TEESQL, Process, folder, free_port, run, wait_for
from .world import World, postgres_bindir, postgres_user

SEED = int(os.environ.get("TEESQL_TEST_SEED", "0")) or time.time_ns() % 1000000
RANDOM = random.Random(SEED)


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(number):
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def time_text(moment):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}+00"


def payload(number):
    return hashlib.md5(str(number).encode()).hexdigest()


def pass_time(seconds):
    """Lets a random moment come: a condition with a deadline like any other."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end, "a moment", seconds + 5)


def give_to_host(path):
    """Started by root, the storage host runs as a user of its own."""
    if os.geteuid() != 0:
        return
    for name in ("teesql-storage", "nobody"):
        try:
            owner = pwd.getpwnam(name)
        except KeyError:
            continue
        for base, _, files in os.walk(path):
            for one in (base, *(os.path.join(base, file) for file in files)):
                os.chown(one, owner.pw_uid, owner.pw_gid)
        return


# --- stores: their settings, and how they go away and come back


class FileStore:
    """What is killed of a file system is the way to it."""
    name, prefix = "disk", "/"

    def __init__(self, name="disk"):
        self.name, self.path = name, folder("teesql-store-")
        os.chmod(self.path, 0o711)
        self.path = os.path.join(self.path, "objects")
        os.mkdir(self.path, 0o700)
        give_to_host(self.path)

    def settings(self, _):
        return {"plugin": "file", "path": self.path}

    def objects(self):
        return FileObjects(self.path)

    def kill(self):
        os.chmod(self.path, 0)

    def start(self):
        os.chmod(self.path, 0o700)

    def stop(self):
        self.start()


class CephStore:
    name, bucket = "ceph", "teesql-test"

    def __init__(self):
        self.ceph = ceph.Ceph()
        self.ceph.make_bucket(self.bucket)

    def settings(self, world):
        secret = world.write("s3-secret", self.ceph.SECRET_KEY)
        world.secret_files.append(secret)
        return {"plugin": "s3", "endpoint": self.ceph.url, "bucket": self.bucket, "prefix": "orders", "path-style": "true",
                "access-key-id": self.ceph.ACCESS_KEY, "secret-access-key": f"file:{secret}"}

    def objects(self):
        return CephObjects(self.ceph, self.bucket, "orders")

    def kill(self):
        self.ceph.gateway.kill()

    def start(self):
        self.ceph.start_gateway()

    def stop(self):
        self.ceph.stop()


class GcsStore:
    name, bucket, token = "gcs", "teesql-test", "token-of-the-machine"

    def __init__(self):
        self.folder, self.port = folder("teesql-gcs-"), free_port()
        self.start()

    def settings(self, _):
        return {"plugin": "gcs", "endpoint": f"http://127.0.0.1:{self.port}", "bucket": self.bucket, "prefix": "orders", "credentials": "metadata",
                "metadata-endpoint": f"http://127.0.0.1:{self.port}"}

    def objects(self):
        return GcsObjects(self.port, self.bucket, "orders", self.token)

    def kill(self):
        self.process.kill()

    def start(self):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gcs.py")
        self.process = Process("gcs", [sys.executable, program, "--port", str(self.port), "--bucket", self.bucket, "--token", self.token, "--machine",
                                       "--file", os.path.join(self.folder, "objects")], self.folder, environment=dict(os.environ))
        self.process.wait_until(self._answers, "an answer on its port")

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.kill()


# --- who writes


class Session(pgclient.Client):
    """The superuser's, on the server's own socket."""

    def __init__(self, world):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.parameters, self.backend_key = {}, None
        try:
            self.sock.connect(os.path.join(world.postgres.run_dir, ".s.PGSQL." + world.postgres.port))
            self.login("postgres", world.postgres.password)
        except BaseException:
            self.sock.close()
            raise


class Row:
    """One committed row: LSN and time from before it was written, and from after its commit was acknowledged."""

    def __init__(self, number, before, after):
        self.number = number
        self.lsn_before, self.time_before = lsn(before[0]), float(before[1])
        self.lsn_after, self.time_after = lsn(after[0]), float(after[1])


class Writer(threading.Thread):
    """Commits one row after the other."""
    MARK = "SELECT pg_current_wal_insert_lsn(), extract(epoch FROM clock_timestamp())"

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.ending, self.lock = world, threading.Event(), threading.Lock()
        self.rows, self.acknowledged, self.problem = [], 0, None

    def run(self):
        while not self.ending.is_set():
            try:
                session = Session(self.world)
            except (OSError, EOFError, pgclient.ServerError, AssertionError):
                self.ending.wait(0.1)  # the server is away; it comes back
                continue
            try:
                self.write(session)
            except (OSError, EOFError, pgclient.ServerError) as error:
                self.problem = error
            finally:
                session.close()

    def write(self, session):
        number = int(session.query("SELECT coalesce(max(id), 0) + 1 FROM ticks")[0][0])
        before = session.query(self.MARK)[0]
        while not self.ending.wait(0.004):
            session.query(f"INSERT INTO ticks VALUES ({number}, '{payload(number)}')")
            with self.lock:
                self.acknowledged = number
            after = session.query(self.MARK)[0]
            with self.lock:
                self.rows.append(Row(number, before, after))
            number, before = number + 1, after

    def stop(self):
        self.ending.set()
        self.join(130)

    def snapshot(self):
        with self.lock:
            return list(self.rows)

    def wait_rows(self, condition, what):
        def check():
            rows = self.snapshot()
            return rows if condition(rows) else None
        try:
            return wait_for(check, what, 120)
        except AssertionError as error:
            raise AssertionError(f"{error}; {len(self.snapshot())} rows, the last problem was {self.problem!r}") from None

    def wait_more(self, count=40):
        have = len(self.snapshot())
        return self.wait_rows(lambda rows: len(rows) >= have + count, f"{count} more rows") if count else self.snapshot()


class Bench:
    """pgbench, again and again: it ends when the server goes away."""

    def __init__(self, world, rate):
        self.world, self.rate, self.ending = world, rate, threading.Event()
        self.environment = {**os.environ, "PGPASSWORD": world.postgres.password}
        self.address = ["-h", world.postgres.run_dir, "-U", "postgres"]
        run([world.program("pgbench"), *self.address, "-i", "-q", "-s", "1", "postgres"], env=self.environment)
        self.transactions, self.child = 0, None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending.is_set():
            self.child = subprocess.Popen([self.world.program("pgbench"), *self.address, "-n", "-c", "2", "-R", str(self.rate), "-T", "3600", "postgres"],
                                          env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.child.wait()
            self.ending.wait(0.2)

    def stop(self):
        self.ending.set()
        while self.thread.is_alive():  # it may just start another one
            if self.child is not None:
                self.child.kill()
            self.thread.join(0.2)


class Claims(threading.Thread):
    """What the server was told to be durable, by the moment: it may forget WAL up to there."""
    QUESTION = "SELECT coalesce(max(greatest(s.restart_lsn, r.flush_lsn)), '0/0') FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid"

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.ending, self.newest = world, threading.Event(), 0

    def run(self):
        while not self.ending.is_set():
            try:
                session = Session(self.world)
            except (OSError, EOFError, pgclient.ServerError, AssertionError):
                self.ending.wait(0.1)  # the server is away
                continue
            try:
                while not self.ending.wait(0.001):
                    self.newest = max(self.newest, lsn(session.query(self.QUESTION)[0][0]))
            except (OSError, EOFError, pgclient.ServerError):
                pass
            finally:
                session.close()

    def stop(self):
        self.ending.set()
        self.join(130)
        return self.newest


# --- the operator


class Site:
    """A World with one or more stores, started, and somebody who writes."""

    def __init__(self, stores, bench=50, **backup):
        self.stores, self.restored = stores, 0
        self.archive, self.durable, self.lineages = None, {}, 0
        self.world = World(start=False, managed=True)
        self.backup_settings = {"storages": ";".join(store.name for store in stores)}
        self.configure(**backup)
        self.world.start_daemon()
        self.world.postgres.admin("CREATE TABLE ticks (id int PRIMARY KEY, payload text)")
        self.bench = Bench(self.world, bench) if bench else None
        self.writer = Writer(self.world)
        self.writer.start()

    def configure(self, **backup):
        """Writes the configuration; takes effect at the next start or reload."""
        self.backup_settings.update({key.replace("_", "-"): value for key, value in backup.items()})
        self.world.overrides = {"backup": self.backup_settings, **{f"storage:{store.name}": store.settings(self.world) for store in self.stores}}
        self.world.daemon_config = self.world.write_daemon_config()

    def close(self):
        self.writer.stop()
        if self.bench:
            self.bench.stop()
        self.world.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def teesql(self, *arguments, check=True, timeout=300):
        return run([TEESQL, "--config", self.world.daemon_config, "--json", *arguments], check=check, timeout=timeout)

    def start(self, *arguments):
        return subprocess.Popen([TEESQL, "--config", self.world.daemon_config, "--json", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def text(self, *arguments, check=True):
        return run([TEESQL, "--config", self.world.daemon_config, *arguments], check=check).stdout

    def ask(self, *arguments, **extra):
        return json.loads(self.teesql(*arguments, **extra).stdout)

    def facts(self, store=None):
        result = self.teesql("status", check=False)
        if result.returncode not in (0, 1) or not result.stdout:
            return {}
        name = (store or self.stores[0]).name
        facts = json.loads(result.stdout)["backups"].get(name, {})
        if facts.get("durable_lsn") is not None:
            lineage, durable = self.durable.get(name, (None, 0))
            assert facts["durable_lsn"] >= durable or lineage != self.lineages, f"durable WAL went back from {lsn_text(durable)} to {lsn_text(facts['durable_lsn'])}"
            self.durable[name] = (self.lineages, facts["durable_lsn"])
        return facts

    def new_lineage(self):
        """An operator accepts what is there, or it was restored: only then may the end of durable WAL be an earlier one."""
        self.lineages += 1

    def wait_facts(self, condition, what, seconds=120, store=None):
        seen = {}

        def check():
            seen.clear()
            seen.update(self.facts(store))
            return seen and condition(seen)
        try:
            wait_for(check, what, seconds, every=0.1)
        except AssertionError:
            raise AssertionError(f"waited {seconds} s for {what}, and sees {seen}\n{self.world.daemon.log()[-3000:]}") from None
        return dict(seen)

    def wait_streaming(self, store=None):
        return self.wait_facts(lambda f: f["state"] == "streaming", "WAL to stream", store=store)

    def wait_durable(self, position):
        for store in self.stores:
            self.wait_facts(lambda f: (f["durable_lsn"] or 0) >= position, f"WAL to be durable up to {lsn_text(position)}", store=store)

    def durable_rows(self, more=0):
        """Rows that are all in every store."""
        rows = self.writer.wait_more(more) if more else self.writer.snapshot()
        self.wait_durable(rows[-1].lsn_after)
        return rows

    def start_daemon(self):
        self.world.start_daemon()

    def stop_daemon(self):
        tap.equal(self.world.daemon.stop(seconds=60), 0)
        self.world.postgres.stop()

    def reload(self, **backup):
        """Returns when the daemon goes by it."""
        done = self.world.daemon.log().count("reload done")
        self.configure(**backup)
        self.world.daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.world.daemon.log().count("reload done") > done, "the reload")

    @contextlib.contextmanager
    def reloaded(self, **backup):
        """With other settings, for a while: a case that fails must not leave them to the next."""
        before = {key: self.backup_settings.get(key.replace("_", "-")) for key in backup}
        self.reload(**backup)
        try:
            yield
        finally:
            self.reload(**before)

    # --- restore

    def target(self):
        self.restored += 1
        parent = os.path.join(self.world.dir, f"restored-{self.restored}")
        os.makedirs(parent)
        if postgres_user():
            os.chown(parent, postgres_user().pw_uid, postgres_user().pw_gid)
        return os.path.join(parent, "data")

    def restore(self, *arguments, check=True):
        target = self.target()
        return target, self.teesql("restore", "--no-adopt", "--target-directory", target, *arguments, check=check, timeout=600)

    def check_restored(self, rows, arguments, must, must_not, thorough=False):
        """Restores with recovery; @must (row): it was committed before the target; @must_not (row): only behind it."""
        target, result = self.restore("--recover", *arguments)
        report = json.loads(result.stdout)
        tap.equal(report["outcome"], "recovered")
        assert report["new_timeline"] > report["timeline"], report
        as_postgres([os.path.join(postgres_bindir(), "pg_checksums"), "--check", "-D", target])
        server = Restored(self.world, target)
        try:
            judge(rows, server.rows(), must, must_not)
            if self.bench:
                server.check_bench()
            if thorough:
                server.amcheck()
        finally:
            server.stop()
        shutil.rmtree(os.path.dirname(target))
        return report

    def check_lsn(self, rows, row, **extra):
        return self.check_restored(rows, ["--to-lsn", lsn_text(row.lsn_after)], lambda r: r.lsn_after <= row.lsn_after, lambda r: r.lsn_before > row.lsn_after, **extra)

    def check_time(self, rows, row, **extra):
        moment = row.time_after
        return self.check_restored(rows, ["--to-time", time_text(moment)], lambda r: r.time_after < moment - 0.001, lambda r: r.time_before > moment + 0.001, **extra)

    def check_latest(self, rows, *arguments, **extra):
        return self.check_restored(rows, list(arguments), lambda _: True, lambda _: False, **extra)

    def reachable_rows(self, more=0):
        """(rows that are all in every store, those of them that can be restored to): a backup lies before them, and behind them more was committed.
        Waited for: how many rows a second are committed is the machine's affair. A backup's end is known in whole seconds, upwards of what it says."""
        first = self.ask("backup", "list")["backups"][0]

        def enough(rows):
            return [row for row in rows[:-5] if row.lsn_before > lsn(first["stop_lsn"]) and row.time_before > first["finished"] + 1]
        self.writer.wait_more(more)
        self.writer.wait_rows(lambda rows: len(enough(rows)) >= 10, f"rows behind the oldest backup {first}")
        rows = self.durable_rows()
        return rows, enough(rows)

    # --- ends

    def hosts(self):
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii") as f:
                    text = f.read()
            except OSError:
                continue
            if "(teesql-storage" in text and int(text.rpartition(")")[2].split()[1]) == self.world.daemon.pid:
                found.append(int(entry))
        return found

    def kill(self, victim, away=0.0):
        """SIGKILL, at once; a store comes back after @away seconds."""
        if victim == "teesqld":
            kill_all([self.world.daemon.pid])
        elif victim == "host":
            kill_all(self.hosts())
        elif victim == "postgres":
            kill_all(filter(None, [self.world.postgres.pid()]))
        elif victim == "store":
            self.stores[0].kill()
            pass_time(away)
            self.stores[0].start()
        else:
            kill_all([*self.world.postgres.processes(), *self.hosts(), self.world.daemon.pid])
        if victim in ("teesqld", "everything"):
            self.world.daemon.child.wait()
            self.world.postgres.stop()

    def check_archive(self, start, end):
        """WAL from @start up to @end is in the store, by somebody else's reading. Returns: how far it goes."""
        if self.archive is None:
            self.archive = Archive(self.stores[0].objects(), self.world)
        return self.archive.check(start, end)[-1][-1]

    def kill_round(self, number):
        kept = lsn(self.ask("backup", "list")["backups"][-1]["start_lsn"])
        victim = RANDOM.choice(["teesqld", "host", "postgres", "store", "everything"])
        kind = RANDOM.choice([None, [], ["--full"]])
        asked = None
        if kind is not None:
            asked = self.start("backup", "now", *kind)
        claims = Claims(self.world)
        claims.start()
        pass_time(RANDOM.uniform(0.1, 2.5))
        durable = self.facts().get("durable_lsn") or 0
        self.kill(victim, RANDOM.uniform(0.2, 2))
        confirmed = claims.stop()
        there = self.check_archive(kept, max(durable, confirmed))  # before anybody can make up for it
        if not self.world.daemon.alive():
            self.start_daemon()
        if asked:
            asked.communicate(timeout=180)
        self.wait_streaming()
        rows, choice = self.reachable_rows(more=40)
        one, other = RANDOM.choice(choice), RANDOM.choice(choice)
        doing = "nothing" if kind is None else "a full backup" if kind else "a backup"
        tap.comment(f"round {number + 1}: killed {victim} during {doing}; confirmed {lsn_text(confirmed)}, stored {lsn_text(there)}; {len(rows)} rows; to {lsn_text(one.lsn_after)} and {time_text(other.time_after)}")
        self.check_lsn(rows, one, thorough=True)
        self.check_time(rows, other)
        return victim

    def kill_rounds(self, rounds):
        tap.comment(f"TEESQL_TEST_SEED={SEED}")
        victims = collections.Counter(self.kill_round(number) for number in range(rounds))
        tap.comment(f"{rounds} rounds: " + ", ".join(f"{victim} {count}" for victim, count in sorted(victims.items())))
        self.check_latest(self.durable_rows())
        result = self.ask("backup", "verify", "--deep")
        tap.equal(result["damages"], 0, result)
        assert {f["reason"] for f in result["findings"]} <= {"object-stray"}, result  # of backups that were broken off


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def as_postgres(command):
    extra = {"user": postgres_user().pw_uid, "group": postgres_user().pw_gid, "extra_groups": []} if postgres_user() else {}
    return run(command, cwd="/", timeout=300, **extra)


def judge(rows, found, must, must_not):
    for number, text in found.items():
        tap.equal(text, payload(number), f"row {number}")
    missing = [row.number for row in rows if must(row) and row.number not in found]
    assert not missing, f"{len(missing)} committed rows are missing, the first is {missing[0]}"
    extra = [row.number for row in rows if must_not(row) and row.number in found]
    assert not extra, f"{len(extra)} rows of later are there, the first is {extra[0]}"


class Restored:
    """A server on a restored directory, by itself."""

    def __init__(self, world, data):
        self.world, self.data, self.bindir, self.user = world, data, postgres_bindir(), postgres_user()
        self.sockets = os.path.dirname(data)
        self.process = Process("restored", [os.path.join(self.bindir, "postgres"), "-D", data, "-clisten_addresses=", f"-cunix_socket_directories={self.sockets}",
                                            "-cfsync=off", "-csummarize_wal=off", "-csynchronous_standby_names="], world.logs, user=self.user)
        self.process.wait_until(lambda: run([os.path.join(self.bindir, "pg_isready"), "-q", "-h", self.sockets], check=False).returncode == 0, "ready", 60)

    def sql(self, text):
        return run([os.path.join(self.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.sockets, "-U", "postgres", "-d", "postgres", "-c", text],
                   env={**os.environ, "PGPASSWORD": self.world.postgres.password}).stdout.strip()

    def rows(self):
        return {int(line.split("|")[0]): line.split("|")[1] for line in self.sql("SELECT id, payload FROM ticks").splitlines()}

    def check_bench(self):
        """What pgbench changes in one transaction adds up, whenever that was."""
        sums = self.sql("SELECT count(DISTINCT s) FROM (SELECT coalesce(sum(abalance), 0) s FROM pgbench_accounts UNION ALL SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers"
                        " UNION ALL SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches UNION ALL SELECT coalesce(sum(delta), 0) FROM pgbench_history) x")
        tap.equal(sums, "1", "different sums in the tables of pgbench")

    def amcheck(self):
        run([os.path.join(self.bindir, "pg_amcheck"), "-h", self.sockets, "-U", "postgres", "-d", "postgres", "--install-missing", "--heapallindexed", "--parent-check"],
            env={**os.environ, "PGPASSWORD": self.world.postgres.password}, timeout=300)

    def stop(self):
        self.process.stop(signal.SIGINT)
