#!/usr/bin/env python3
"""SR-25: a storage plugin that reads memory, opens sockets, forks, connects, lies, floods or never answers gets nothing and stops nothing.

Every attack runs in a real storage host: once for a daemon that was started by root, where the host has a user of its own, and once for a daemon
whose user the host shares, where nothing but the confinement is in between."""

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.tap import case, equal  # noqa: E402

PROBE = os.path.abspath(sys.argv.pop(1))
MODULE = os.path.abspath(sys.argv.pop(1))
NOBODY = 65534
SANITIZED = sys.argv.pop(1) == "true"


class World:
    """A daemon's folders, and what lies around it to be reached for."""

    def __init__(self, user):
        self.user = user  # None: whoever runs this
        self.folder = tempfile.mkdtemp(prefix="teesql-host-")
        self.sockets = []
        os.chmod(self.folder, 0o755)
        host_user = NOBODY if os.geteuid() == 0 else os.geteuid()
        for name in ("modules", "state", "objects"):
            os.mkdir(self.path(name), 0o755)
        for name in (MODULE, os.path.join(os.path.dirname(MODULE), "hostile.plugin")):
            shutil.copy(name, self.path("modules"))
        for name in os.listdir(self.path("modules")):
            os.chmod(self.path("modules", name), 0o644)
        self.write("state/head", "sequence 17\n")
        # readable and writable for the host's user as far as the file system goes: only the confinement is in between
        for name in ("state", "objects", "state/head"):
            os.chown(self.path(name), host_user, -1)
        self.agent = self.listen(socket.AF_UNIX, self.path("agent.sock"))
        os.chmod(self.path("agent.sock"), 0o777)  # as the dstack agent's is
        self.abstract = "teesql-host-" + os.path.basename(self.folder)
        self.listen(socket.AF_UNIX, "\0" + self.abstract)
        self.port = self.listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.declared_port = self.listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def listen(self, family, address):
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind(address)
        server.listen(8)
        self.sockets.append(server)
        return server

    def close(self):
        for server in self.sockets:
            server.close()
        shutil.rmtree(self.folder)


class Daemon:
    """One probe with one host."""

    def __init__(self, world, lines="", sandbox=None):
        if sandbox is not None:
            world.write("modules/hostile.plugin", "[Plugin]\nName=hostile\nInterfaces=storage\n\n[Sandbox]\n" + sandbox)
        world.write("teesqld.conf", f"[teesql]\ncluster = orders\nplugin-path = {world.path('modules')}\n\n"
                                    f"[backup]\nstorages = hostile\n\n[storage:hostile]\n{lines}")
        os.chmod(world.path("teesqld.conf"), 0o644)
        options = {"user": world.user, "group": world.user, "extra_groups": []} if world.user is not None else {}
        if world.user is not None:
            for name in ("teesqld.conf", "modules"):
                os.chown(world.path(name), world.user, -1)
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([PROBE, world.path("teesqld.conf"), "hostile"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, cwd="/", **options)
        self.buffer = b""

    def event(self, timeout=20):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], f"no answer within {timeout} s; {self.read_log()}"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the daemon ended: {self.process.wait()}; {self.read_log()}"
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def read_log(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def ready(self):
        found = self.event()
        equal(found["event"], "ready", str(found))
        return found

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def attack(self, name, timeout=20):
        self.ask(name)
        answer = self.event(timeout)
        equal((answer["event"], answer.get("name")), ("answer", name))
        return answer

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(20)
        self.log.close()
        self.process.stdout.close()
        equal(status, 0, "exit status of the daemon")


@contextlib.contextmanager
def daemon(lines="", sandbox=None, user=None):
    world = World(user)
    lines = lines.format(**{"folder": world.folder, "port": world.port, "declared": world.declared_port, "abstract": world.abstract})
    one = Daemon(world, lines, sandbox)
    one.world = world
    try:
        yield one
        one.close()
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        world.close()


def gone(pid):
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        select.select([], [], [], 0.01)


# user, name: who the daemon is
DAEMONS = [(None, "user of its own"), (NOBODY, "daemon's user")] if os.geteuid() == 0 else [(None, "daemon's user")]
DECLARED = "folder = {folder}/objects\n"


def gets_nothing(title, attack, lines=DECLARED, sandbox="paths=option:folder\n"):
    for user, who in DAEMONS:
        @case(f"a plugin with the {who} {title}")
        def _(user=user):
            with daemon(lines, sandbox, user) as one:
                one.ready()
                answer = one.attack(attack)
                assert answer.get("got") == 0, f"{attack}: {answer}"
                equal(one.attack("alive")["text"], "yes", "the host afterwards")


def breaks_host(title, attack, reason, lines=DECLARED, timeout=20):
    for user, who in DAEMONS:
        @case(f"a plugin with the {who} {title}, and its host is ended")
        def _(user=user):
            with daemon(lines, "paths=option:folder\n", user) as one:
                pid = one.ready()["pid"]
                one.ask(attack)
                events = [one.event(timeout)]
                if events[0]["event"] == "answer":
                    events.append(one.event(timeout))
                equal(events[-1]["event"], "broken", str(events))
                equal(events[-1]["reason"], reason, str(events))
                gone(pid)
                # the daemon lives, and every call fails at once instead of hanging
                equal(one.attack("alive")["reason"], reason)


# ---- what it must not read

for title, attack in (("cannot read the daemon's memory", "parent-mem"), ("cannot read the daemon's environment", "parent-environ"),
                      ("cannot see where the daemon's memory lies", "parent-maps"),
                      ("cannot open the daemon's descriptors", "parent-descriptors"),
                      ("cannot copy the daemon's memory", "process-vm-readv"), ("cannot attach to the daemon", "ptrace"),
                      ("cannot be traced", "ptrace-me"), ("cannot read its own environment from /proc", "own-environ"),
                      ("has no variables of ours", "environment"), ("has no descriptors of ours", "descriptors"),
                      ("cannot watch the daemon's performance", "perf"), ("cannot load a kernel program", "bpf"),
                      ("cannot handle page faults", "userfaultfd"), ("cannot read keyrings", "keyring")):
    gets_nothing(title, attack)

TARGETS = (("the daemon's state", "{folder}/state/head"), ("the configuration", "{folder}/teesqld.conf"), ("the system's users", "/etc/passwd"),
           ("the system's passwords", "/etc/shadow"), ("the machine's identity", "/etc/machine-id"), ("the kernel's log", "/proc/kmsg"),
           ("who else runs", "/proc/1/cmdline"), ("the agent's socket as a file", "{folder}/agent.sock"),
           ("a folder beside its own", "{folder}/objects/../state/head"))
for what, target in TARGETS:
    gets_nothing(f"cannot read {what}", "read-target", DECLARED + f"target = {target}\n")
gets_nothing("cannot read what a link in its folder names", "link-out", DECLARED + "target = {folder}/state/head\n")
gets_nothing("cannot link a foreign file into its folder", "hard-link-in", DECLARED + "target = {folder}/state/head\n")
gets_nothing("cannot write to the daemon's state", "write-target", DECLARED + "target = {folder}/state/head\n")
gets_nothing("cannot make files beside its folder", "write-target", DECLARED + "target = {folder}/state/new\n")
gets_nothing("cannot make files in /tmp", "write-target", DECLARED + "target = /tmp/teesql-host-was-here\n")
gets_nothing("cannot write to /dev/shm", "write-target", DECLARED + "target = /dev/shm/teesql-host-was-here\n")
gets_nothing("cannot remove the daemon's state", "remove-target", DECLARED + "target = {folder}/state/head\n")
gets_nothing("cannot list the daemon's folder", "list-target", DECLARED + "target = {folder}/state\n")
gets_nothing("cannot list processes", "list-target", DECLARED + "target = /proc\n")
gets_nothing("cannot list homes", "list-target", DECLARED + "target = /root\n")
gets_nothing("cannot attach shared memory of System V", "shared-memory")
gets_nothing("cannot look into /dev/shm", "posix-shared-memory")

# ---- whom it must not reach

gets_nothing("cannot reach the agent's socket", "unix", DECLARED + "target = {folder}/agent.sock\n")
gets_nothing("cannot reach an abstract socket", "abstract", DECLARED + "target = {abstract}\n")
gets_nothing("without ports cannot connect at all", "connect", DECLARED + "port = {port}\n")
gets_nothing("cannot connect to a port that is not declared", "connect", DECLARED + "port = {port}\n", "paths=option:folder\nports=443\n")
gets_nothing("with ports cannot reach the agent's socket either", "unix", DECLARED + "target = {folder}/agent.sock\n", "paths=option:folder\nports=443\n")
gets_nothing("cannot listen", "listen", DECLARED, "paths=option:folder\nports=443\n")
for title, attack in (("cannot make a raw socket", "raw-socket"), ("cannot make a packet socket", "packet-socket"),
                      ("cannot ask the kernel over netlink", "netlink"), ("cannot reach the hypervisor over vsock", "vsock"),
                      ("cannot make a socket pair", "socketpair")):
    gets_nothing(title, attack, DECLARED, "paths=option:folder\nports=443\n")

# Landlock's rules are about connect () of TCP; what reaches others without that is the filter's affair
PORTS = "paths=option:folder\nports=443\n"
for title, attack in (("by multipath TCP", "mptcp"), ("by SCTP", "sctp"), ("with the first packet", "fast-open"),
                      ("with the first packet of a message", "fast-open-message")):
    gets_nothing(f"cannot connect {title}", attack, DECLARED + "port = {port}\n", PORTS)
for title, attack in (("cannot send pings", "ping-socket"), ("cannot send UDP-Lite", "udplite")):
    gets_nothing(title, attack, DECLARED, PORTS)
for title, attack in (("open the daemon's state to others", "chmod-target"), ("empty the daemon's state", "truncate-target"),
                      ("make the daemon's state look old", "touch-target")):
    gets_nothing(f"cannot {title}", attack, DECLARED + "target = {folder}/state/head\n")

# ---- what it must not start or stop

for title, attack in (("cannot fork", "fork"), ("cannot fork by the system call", "raw-fork"), ("cannot fork by clone3", "clone3"),
                      ("cannot execute a program", "exec"), ("cannot execute memory", "exec-memory"), ("cannot kill the daemon", "kill"),
                      ("cannot kill everybody", "kill-all"), ("cannot kill the daemon's thread", "tgkill"),
                      ("cannot queue a signal to the daemon", "sigqueue"), ("cannot get a handle of the daemon", "pidfd"),
                      ("cannot have the kernel signal the daemon", "setown"), ("cannot have it signalled by ioctl", "setown-ioctl"),
                      ("cannot limit the daemon", "prlimit"), ("cannot raise its own limits", "raise-limit"),
                      ("cannot slow the daemon down", "priority"), ("cannot put the daemon to sleep behind all others", "schedule"),
                      ("cannot outlive the daemon", "no-death-signal"), ("cannot open itself to others", "dumpable"),
                      ("cannot use io_uring", "io-uring"), ("cannot make a namespace", "namespace"), ("cannot become root", "become-root"),
                      ("cannot cut the shared memory off", "shrink"), ("cannot write into the daemon's log", "stderr")):
    if not (SANITIZED and attack in ("raise-limit", "stderr")):  # there is no limit to raise, and its reports are wanted
        gets_nothing(title, attack)

if not SANITIZED:
    gets_nothing("cannot take all memory", "memory")
gets_nothing("cannot take all descriptors", "open-files")


# ---- lies

breaks_host("sends garbage", "lie-garbage", "storage-host-broken")
breaks_host("sends a message larger than there are", "lie-huge", "storage-host-broken")
breaks_host("answers a call that there is not", "lie-unknown-call", "storage-host-broken")
breaks_host("answers twice", "lie-answer-twice", "storage-host-broken")
breaks_host("claims to have filled a slot that it does not have", "lie-slot", "storage-host-broken")
breaks_host("is ready twice", "lie-ready-again", "storage-host-broken")
breaks_host("answers a ping that was not sent", "lie-pong", "storage-host-broken")
breaks_host("floods the log", "lie-flood", "storage-host-broken")
breaks_host("crashes", "crash", "storage-host-died")
breaks_host("closes the socket", "close-socket", "storage-host-died")
breaks_host("sends an empty message", "lie-empty", "storage-host-died")


@case("a plugin that sends descriptors leaves none with the daemon")
def _():
    with daemon(DECLARED, "paths=option:folder\n") as one:
        one.ready()
        before = len(os.listdir(f"/proc/{one.process.pid}/fd"))
        one.attack("lie-descriptors")
        equal(len(os.listdir(f"/proc/{one.process.pid}/fd")), before, "descriptors of the daemon")


@case("a plugin that lies before it is ready keeps nobody from starting")
def _():
    with daemon(DECLARED + "at-start = lie-garbage\n", "paths=option:folder\n") as one:
        found = one.event()
        equal((found["event"], found["reason"]), ("refused", "storage-host-broken"))


@case("a plugin that crashes at its start is named with the signal")
def _():
    with daemon(DECLARED + "at-start = crash\n", "paths=option:folder\n") as one:
        found = one.event()
        equal((found["event"], found["reason"]), ("refused", "storage-host-died"))
        assert SANITIZED or "signal 11" in found["message"], found


# ---- silence

@case("a call that is never answered ends with its cancellation, and others go on")
def _():
    with daemon(DECLARED, "paths=option:folder\n") as one:
        one.ready()
        one.ask("never-answer 100")
        equal(one.attack("alive")["text"], "yes")
        answer = one.event()
        equal(answer["name"], "never-answer")
        assert "got" not in answer and answer["ms"] < 1500, answer
        equal(answer["domain"], "g-io-error-quark")
        equal(one.attack("alive")["text"], "yes")


@case("a plugin whose loop stands still is ended after half a minute, and a call that was cancelled does not wait for that")
def _():
    with daemon(DECLARED, "paths=option:folder\n") as one, daemon(DECLARED, "paths=option:folder\n") as other:
        pid = one.ready()["pid"]
        other.ready()
        one.ask("hang 100")
        other.ask("never-answer 100")
        answer = one.event()
        assert "got" not in answer and answer["ms"] < 1500, answer
        other.event()
        for each in (one, other):
            found = each.event(60)
            equal((found["event"], found["reason"]), ("broken", "storage-host-hung"))
        gone(pid)


# ---- what it may

@case("a plugin may use what it declared")
def _():
    for user, _who in DAEMONS:
        with daemon(DECLARED + "port = {declared}\n", "paths=option:folder\nports=option:port\n", user) as one:
            found = one.ready()
            equal(found["degradation"], None, "a kernel of this age has all of the confinement")
            assert one.attack("declared")["got"] == 1
            assert one.attack("connect")["got"] == 1


@case("nothing of a host is left when its daemon is killed")
def _():
    with daemon(DECLARED, "paths=option:folder\n") as one:
        pid = one.ready()["pid"]
        one.ask("hang")
        one.process.kill()
        one.process.wait()
        gone(pid)
        one.close = lambda: None


sys.exit(1 if tap.run() else 0)
