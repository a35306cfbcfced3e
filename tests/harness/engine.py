"""The driver of core/backup against a real PostgreSQL 17 and the storage `file`: the parts of test-backup-engine.py."""

import json
import os
import queue
import shutil
import signal
import subprocess
import tarfile
import threading
import time

from .processes import BUILD, folder, run, wait_for
from .tap import equal
from .world import Postgres

DRIVER = os.path.join(BUILD, "tests/integration/backup-driver")
PASSWORD = "7" * 64
SEGMENT = 16 * 1024 * 1024
SETTINGS = {"max_wal_senders": "8", "checkpoint_timeout": "30s"}
CHANGING = {"summarize_wal": "on", "max_wal_size": "128MB"}  # by cases, so not on the command line


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer["reason"] + ": " + answer["message"])
        self.reason, self.message = answer["reason"], answer["message"]


class Driver:
    """`run` of the driver, as a conversation."""

    def __init__(self, site, slot="teesql", interval=200, mode="async"):
        self.events, self.answers = [], queue.Queue()
        self.log = open(os.path.join(site.logs, "driver.log"), "ab")
        self.child = subprocess.Popen([DRIVER, site.path, "run", slot, str(interval), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.log, text=True, env=clean_environment())
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.answer("ready", 60)

    def read(self):
        for line in self.child.stdout:
            item = json.loads(line)
            if "event" in item:
                self.events.append(item)
            else:
                self.answers.put(item)
        self.answers.put(None)

    def answer(self, expected, seconds):
        item = self.answers.get(timeout=seconds)
        assert item is not None, f"the driver ended with {self.child.wait(30)}\n{self.log_tail()}"
        if "reason" in item:
            raise Refused(item)
        equal(item["result"], expected, "the driver's answer")
        return item

    def log_tail(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def ask(self, line, expected, seconds=120):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.answer(expected, seconds)

    def full(self, label="full"):
        return self.ask(f"full {label}", "backup", 300)

    def incremental(self, parent, label="incremental"):
        return self.ask(f"incremental {parent} {label}", "backup", 300)

    def facts(self):
        return self.ask("facts", "facts")

    def wait_lsn(self, position, seconds=60):
        return self.ask(f"wait {position} {seconds * 1000}", "durable", seconds + 10)

    def until(self, condition, what, seconds=60):
        return wait_for(lambda: (lambda facts: facts if condition(facts) else None)(self.facts()), what, seconds, every=0.05)

    def stop(self):
        self.child.stdin.write("stop\n")
        self.child.stdin.flush()
        facts = None
        while (item := self.answers.get(timeout=30)) is not None:
            facts = item
        equal(self.child.wait(30), 0, "the driver's exit status")
        self.log.close()
        return facts

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(30)
        self.log.close()


def clean_environment():
    names = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TEESQL_TEST_DEBUG")
    return {n: os.environ[n] for n in names if n in os.environ}


class Site:
    def __init__(self, postgres=None, **settings):
        self.dir = folder()
        self.logs = os.path.join(self.dir, "log")
        self.state, self.storage = os.path.join(self.dir, "state"), os.path.join(self.dir, "storage")
        self.fault_path = os.path.join(self.dir, "fault")
        for path in (self.logs, self.state, self.storage):
            os.mkdir(path, 0o700)
        self.postgres = postgres or Postgres(self, PASSWORD, **{**SETTINGS, **settings})
        if postgres is None:
            self.set(**CHANGING)
        self.password_file = os.path.join(self.dir, "password")
        with open(self.password_file, "w", encoding="ascii") as f:
            f.write(PASSWORD)
        self.path = self.write_site()
        self.drivers = []

    def write_site(self, host=None):
        path = os.path.join(self.dir, "site.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"[site]\nstate={self.state}\nstorage={self.storage}\nhost={host or self.postgres.run_dir}\nport=5432\nuser=postgres\n"
                    f"password-file={self.password_file}\nfault={self.fault_path}\n")
        return path

    def fault(self, what):
        with open(self.fault_path + ".new", "w", encoding="ascii") as f:
            f.write(what)
        os.rename(self.fault_path + ".new", self.fault_path)

    def set(self, **settings):
        for name, value in settings.items():
            self.admin(f"ALTER SYSTEM SET {name} = '{value}'" if value is not None else f"ALTER SYSTEM RESET {name}")
        self.admin("SELECT pg_reload_conf()")
        for name, value in settings.items():
            if value is not None:
                wait_for(lambda: self.admin(f"SELECT setting = '{value}' OR current_setting(name) = '{value}' FROM pg_settings WHERE name = '{name}'") == "t",
                         f"{name} = {value}")

    def driver(self, **options):
        for left in self.drivers:  # of a case that failed
            if left.child.poll() is None:
                left.kill()
        self.fault("")
        driver = Driver(self, **options)
        self.drivers.append(driver)
        return driver

    def admin(self, sql):
        return self.postgres.admin(sql)

    def position(self):
        return self.admin("SELECT pg_current_wal_flush_lsn()")

    def read(self, *command):
        result = subprocess.run([DRIVER, self.path, *command], capture_output=True, text=True, timeout=300, env=clean_environment())
        assert result.returncode == 0, (result.stdout, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def record(self):
        return self.read("show")[0]

    def wal(self):
        """(folder of segments as they are in the store, ranges without a hole)"""
        path = os.path.join(self.dir, f"wal-{time.monotonic_ns()}")
        os.mkdir(path)
        return path, [item for item in self.read("wal", path) if item["result"] == "range"]

    def extract(self, name):
        """The folder of a backup's archives, unpacked, as `base`, oid, `manifest`"""
        path = os.path.join(self.dir, f"extract-{time.monotonic_ns()}")
        os.mkdir(path)
        self.read("extract", name, path)
        for archive in os.listdir(path):
            if archive != "manifest":
                os.rename(os.path.join(path, archive), os.path.join(path, archive + ".tar"))
                with tarfile.open(os.path.join(path, archive + ".tar")) as tar:
                    tar.extractall(os.path.join(path, archive))
                os.unlink(os.path.join(path, archive + ".tar"))
        shutil.move(os.path.join(path, "manifest"), os.path.join(path, "base", "backup_manifest"))
        return path

    def close(self):
        for driver in self.drivers:
            if driver.child.poll() is None:
                driver.kill()
        if self.postgres.process.alive():
            self.postgres.stop(signal.SIGQUIT)


def pgbench(site, *options, background=False):
    command = [os.path.join(site.postgres.bindir, "pgbench"), "-h", site.postgres.run_dir, "-U", "postgres", *options, "postgres"]
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    if background:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run(command, env=environment, timeout=300)


def compare_wal(site, driver_position=None):
    """Every byte that the server keeps and the store holds is the same."""
    path, ranges = site.wal()
    server = os.path.join(site.postgres.data, "pg_wal")
    compared = 0
    for item in ranges:
        at = item["start"]
        while at < item["end"]:
            name = f"{item['timeline']:08X}{at >> 32:08X}{(at & 0xffffffff) // SEGMENT:08X}"
            end = min(item["end"], at - at % SEGMENT + SEGMENT)
            if os.path.exists(os.path.join(server, name)):
                with open(os.path.join(server, name), "rb") as there, open(os.path.join(path, name), "rb") as here:
                    there.seek(at % SEGMENT)
                    here.seek(at % SEGMENT)
                    assert there.read(end - at) == here.read(end - at), f"{name} differs from the server's"
                compared += end - at
            at = end
    assert compared > 0, "nothing to compare"
    shutil.rmtree(path)
    return ranges


def verify_backup(site, path, *options):
    return run([os.path.join(site.postgres.bindir, "pg_verifybackup"), "-n", *options, os.path.join(path, "base")])


def slot_row(site):
    return site.admin("SELECT restart_lsn, active, wal_status FROM pg_replication_slots WHERE slot_name = 'teesql'").split("|")
