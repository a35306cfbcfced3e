#!/usr/bin/env python3
"""SR-25: what runs inside PostgreSQL, as its superuser could load it, reaches no key of ours: not the agent's socket, not the daemon's memory,
descriptors or files, not another machine."""

import errno
import os
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.processes import run  # noqa: E402
from harness.tap import case  # noqa: E402
from harness.world import World  # noqa: E402

PROBE = sys.argv.pop(1)


def launcher(w):
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/comm", encoding="ascii") as comm, open(f"/proc/{name}/stat", encoding="ascii") as stat:
                if comm.read().strip() == "teesql-launcher" and stat.read().rsplit(") ", 1)[1].split()[1] == str(w.daemon.pid):
                    return int(name)
        except OSError:
            pass
    raise AssertionError("there is no launcher")


class Inside:
    """Runs attacks in a backend of PostgreSQL; one library file each, since a library is loaded once."""

    def __init__(self, w):
        self.world, self.number = w, 0
        self.folder = os.path.join(w.dir, "inside")
        os.mkdir(self.folder, 0o755)
        if w.postgres.user:
            os.chown(self.folder, w.postgres.user.pw_uid, w.postgres.user.pw_gid)

    def attack(self, *lines):
        """{line: errno}; the descriptors under None."""
        self.number += 1
        library = os.path.join(self.folder, f"probe{self.number}.so")
        shutil.copy(PROBE, library)
        os.chmod(library, 0o755)
        with open(library + ".targets", "w", encoding="utf-8") as f:
            f.write("".join(line + "\n" for line in lines))
        os.chmod(library + ".targets", 0o644)
        result = run([self.world.program("psql"), "-XAtq", "-h", self.world.postgres.run_dir, "-U", "postgres", "-d", "postgres", "-c", f"LOAD '{library}'"],
                     check=False, env={"PGPASSWORD": self.world.postgres.password})
        assert "missing magic block" in result.stderr, result.stderr  # it was mapped, so its constructor ran
        found = {None: []}
        with open(library + ".result", encoding="utf-8") as f:
            for line in f.read().splitlines():
                if line.startswith("descriptor /") or line.startswith("descriptor ") and ": " not in line:
                    found[None].append(line.split(" ", 1)[1])
                else:
                    attack, number = line.rsplit(": ", 1)
                    found[attack] = int(number)
        assert set(lines) <= set(found), found
        return found


def refused(inside, *lines):
    found = inside.attack(*lines)
    won = [line for line in lines if found[line] == 0]
    assert not won, f"these attacks succeeded: {won}"
    return found


def need_two_users(inside):
    if not inside.world.postgres.user:
        raise tap.Skip("PostgreSQL and the daemon are one user here, which status shows; needs root")


@case("SR-25: the probe itself can: it opens its own folder and reaches its own server")
def control(inside):
    w = inside.world
    found = inside.attack(f"open {inside.folder}", f"connect {w.postgres.run_dir}/.s.PGSQL.5432", f"signal {w.postgres.pid()}")
    assert all(number == 0 for line, number in found.items() if line), found


@case("SR-25: it cannot open the agent's socket")
def agent(inside):
    need_two_users(inside)
    refused(inside, f"connect {inside.world.server.socket}", f"connect {inside.world.client.socket}")


@case("SR-25: it cannot read the memory of the daemon or its launcher, trace them, or take a descriptor from them")
def memory(inside):
    for pid in (inside.world.daemon.pid, launcher(inside.world)):
        refused(inside, f"open /proc/{pid}/mem", f"open /proc/{pid}/maps", f"open /proc/{pid}/environ", f"ptrace {pid}", f"memory {pid}", f"descriptor {pid}")


@case("SR-25: it cannot signal them")
def signals(inside):
    need_two_users(inside)
    refused(inside, *(f"signal {pid}" for pid in (inside.world.daemon.pid, launcher(inside.world))))


@case("SR-25: it inherited no descriptor of theirs")
def descriptors(inside):
    w = inside.world
    for text in inside.attack("ring -")[None]:
        target, peer = text.rsplit(" ", 1)
        assert int(peer) not in (w.daemon.pid, launcher(w)), text
        ours = target.startswith(w.dir) and not target.startswith((w.postgres.data, inside.folder))
        assert not ours and "memfd" not in target, text


@case("SR-25: it cannot read the daemon's files or list its folders")
def files(inside):
    need_two_users(inside)
    w = inside.world
    refused(inside, *(f"open {os.path.join(w.dir, path)}" for path in
                      ("state", "run", "state/key-checks", "state/clock-floor", "run/teesqld.lock", "run/postgresql.lock", "teesqld.conf", "platform/seed",
                       "log/teesqld.log", "teesql_readwrite.secret")))


@case("SR-25: it reaches no other machine, not even this one's loopback")
def outward(inside):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        found = refused(inside, f"outward {address}", "outward 10.0.0.1:443", "ring -")
        assert found[f"outward {address}"] == errno.EAFNOSUPPORT, found


@case("SR-25: it does not become root")
def root(inside):
    refused(inside, "root -")


if __name__ == "__main__":
    with World(managed=True) as world:
        failed = tap.run(Inside(world))
    sys.exit(1 if failed else 0)
