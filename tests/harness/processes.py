"""Programs under test: started with a log, waited for by condition, ended with everything they started, and nothing else."""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = os.path.abspath(os.environ.get("TEESQL_TEST_SOURCE") or os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("TEESQL_TEST_BUILD") or os.path.join(SOURCE, "build"))
TEESQLD = os.path.join(BUILD, "core/daemon/teesqld")
TEESQL = os.path.join(BUILD, "core/cli/teesql")
SIMULATOR = os.path.join(BUILD, "core/simulator/teesql-simulator")
PLUGINS = os.path.join(BUILD, "plugins")

TERM = signal.SIGTERM  # inside Process the name `signal` is its method

_running = []
_folders = []
_ports = []


def wait_for(condition, what, seconds=30, every=0.02):
    """Returns what @condition returned as soon as it is true; a deadline fails the test."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(every)  # the interval of a poll with a deadline


def folder(prefix="teesql-test-"):
    """A short path: a unix socket's name has 107 bytes. Others may pass through it (PostgreSQL's user), and list nothing."""
    path = tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("TEESQL_TEST_FOLDER", "/tmp"))
    os.chmod(path, 0o711)
    _folders.append(path)
    return path


class Process:
    def __init__(self, name, command, log_folder, environment=None, user=None, cwd=None):
        self.name, self.command = name, command
        self.log_path = os.path.join(log_folder, name + ".log")
        self.out_path = os.path.join(log_folder, name + ".out")
        extra = {}
        if user is not None:
            extra = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with open(self.out_path, "ab") as out, open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment,
                                          start_new_session=True, cwd=cwd or "/", **extra)
        _running.append(self)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child.poll() is None

    def out(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_until(self, condition, what, seconds=30):
        def check():
            if condition():
                return True
            if not self.alive():
                raise AssertionError(f"{self.name} ended with {self.child.returncode} while waiting for {what}:\n{self.log()[-3000:]}")
            return False
        try:
            wait_for(check, f"{self.name}: {what}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    def signal(self, number):
        if self.alive():
            self.child.send_signal(number)

    def stop(self, number=TERM, seconds=20):
        """Returns the exit status; after the deadline the whole group is killed and that is an error."""
        self.signal(number)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds} s of signal {number}") from None

    def kill(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.child.wait()


@atexit.register
def _clean():
    for process in reversed(_running):
        if process.alive():
            process.kill()
    if not os.environ.get("TEESQL_TEST_KEEP"):
        for path in _folders:
            shutil.rmtree(path, ignore_errors=True)


def _candidates():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        ephemeral = int(f.read().split()[0])
    return range(15000, ephemeral if 16000 < ephemeral < 30000 else 30000)


def free_port():
    """A port that is ours until we end, though nobody listens yet: below those that connections out are given, and a name in the abstract namespace
    keeps others that run beside us from it."""
    candidates = _candidates()
    for port in random.sample(candidates, len(candidates)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0teesql-test-port-{port}")
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _ports.append(claim)
        return port
    raise AssertionError("no port is free")


def run(command, check=True, **extra):
    extra.setdefault("timeout", 120)
    result = subprocess.run(command, stdin=extra.pop("stdin", subprocess.DEVNULL) if "input" not in extra else None,
                            capture_output=True, text=extra.pop("text", True), **extra)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} gave {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result
