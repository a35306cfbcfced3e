#!/usr/bin/env python3
"""This machine's own users and PostgreSQL's user as attackers: the forwarder's socket (SR-22), the daemon's memory and agent (SR-25)."""

import os
import pwd
import socket
import stat
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pgclient, tap  # noqa: E402
from harness.processes import TEESQL, Process, run, wait_for  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402


class Forwarder:
    """`teesql connect` with a configuration of its own."""

    def __init__(self, w, name, *arguments, **connect):
        self.world, self.directory = w, os.path.join(w.dir, "sockets-" + name)
        config = w.write_client_config(name, w.client, {"connect": {key.replace("_", "-"): value for key, value in connect.items()}})
        self.path = os.path.join(self.directory, ".s.PGSQL.5432")
        self.process = Process("connect-" + name, [TEESQL, "--verbose", "--config", config, "connect", *arguments], w.logs)

    def ready(self):
        self.process.wait_until(lambda: os.path.exists(self.path), "its socket")
        return self

    def psql(self, sql, user="teesql_readwrite", secret=None, check=True, **extra):
        environment = self.world.environment(user, secret if secret is not None else self.world.secrets[user], PGHOST=self.directory, PGPORT="5432")
        return run([self.world.program("psql"), "-XAtqc", sql], env=environment, check=check, **extra)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(self.path)
        return s


def refused_start(w, name, *arguments, **connect):
    forwarder = Forwarder(w, name, *arguments, **connect)
    code = forwarder.process.child.wait(60)
    assert code != 0, "it started"
    return forwarder.process.log()


@case("SR-22: the socket is its owner's alone, and so is its folder")
def _(w):
    forwarder = Forwarder(w, "mode").ready()
    equal(stat.S_IMODE(os.stat(forwarder.path).st_mode), 0o600)
    equal(stat.S_IMODE(os.stat(forwarder.directory).st_mode), 0o700)
    equal(forwarder.psql("select 1").stdout, "1\n")
    forwarder.process.stop()


@case("SR-22: another user of this machine cannot connect")
def _(w):
    if os.geteuid() != 0:
        raise tap.Skip("needs root to be another user")
    forwarder = Forwarder(w, "others").ready()
    os.chmod(forwarder.directory, 0o755)
    os.chmod(forwarder.path, 0o777)  # even where the mode was opened by mistake
    nobody = pwd.getpwnam("nobody")
    probe = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({forwarder.path!r}); s.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47])); print(s.recv(1))"
    result = subprocess.run([sys.executable, "-c", probe], user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/", capture_output=True, text=True, check=False)
    assert "b'N'" not in result.stdout, "another user was served"
    equal(forwarder.psql("select 1").stdout, "1\n")
    forwarder.process.stop()


@case("SR-22: TCP must be asked for, and is loopback only")
def _(w):
    contains(refused_start(w, "anywhere", "--listen", "0.0.0.0:0"), "loopback")
    contains(refused_start(w, "named", "--listen", "example.org:5432"), "loopback")


@case("SR-22: a secret and a TCP port do not go together")
def _(w):
    contains(refused_start(w, "open", "--listen", "127.0.0.1:0", secret=f"file:{w.dir}/teesql_readwrite.secret"), "secret")


@case("SR-22: a folder that others may write is refused")
def _(w):
    path = os.path.join(w.dir, "shared")
    os.mkdir(path)
    os.chmod(path, 0o777)
    contains(refused_start(w, "shared-folder", "--socket-directory", path), "nobody else may write")


@case("a forwarder that runs keeps its socket")
def _(w):
    first = Forwarder(w, "kept").ready()
    second = Process("second", first.process.command, w.logs)
    equal(second.child.wait(60) != 0, True)
    contains(second.log(), "in use")
    equal(first.psql("select 1").stdout, "1\n")
    first.process.stop()


@case("with a secret of its own the forwarder logs in, bound to the channel")
def _(w):
    forwarder = Forwarder(w, "login", secret=f"file:{w.dir}/teesql_readwrite.secret").ready()
    equal(forwarder.psql("select current_user", secret="not needed").stdout, "teesql_readwrite\n")
    equal(forwarder.psql("select current_user", user="teesql_read", secret="").stdout, "teesql_read\n")
    contains(w.daemon.log().lower(), "scram-sha-256-plus")
    forwarder.process.stop()
    forwarder = Forwarder(w, "as-role", secret=f"file:{w.dir}/teesql_readwrite.secret", role="teesql_read").ready()
    equal(forwarder.psql("select current_user", user="teesql_readwrite", secret="").stdout, "teesql_read\n")
    forwarder.process.stop()


@case("with a wrong secret of its own it passes the server's refusal on")
def _(w):
    wrong = w.write("wrong.secret", "ab" * 32 + "\n")
    forwarder = Forwarder(w, "wrong", secret=f"file:{wrong}").ready()
    contains(forwarder.psql("select 1", secret="", check=False).stderr, "password authentication failed")
    forwarder.process.stop()


@case("a secret that others may read is refused")
def _(w):
    loose = w.write("loose.secret", "ab" * 32 + "\n")
    os.chmod(loose, 0o644)
    contains(refused_start(w, "loose", secret=f"file:{loose}"), "loose.secret")


@case("local applications that misbehave disturb nobody")
def _(w):
    forwarder = Forwarder(w, "garbage").ready()
    held = []
    for data in (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\xff" * 64, struct.pack("!II", 10_000_000, pgclient.PROTOCOL_3),
                 struct.pack("!II", 8, pgclient.SSL_REQUEST) * 3, struct.pack("!IIII", 16, pgclient.CANCEL_REQUEST, 1, 2)):
        s = forwarder.connect()
        s.sendall(data)
        held.append(s)
    equal(forwarder.psql("select 1").stdout, "1\n")
    for s in held:
        s.close()
    equal(forwarder.psql("select 2").stdout, "2\n")
    forwarder.process.stop()


@case("a server that cannot be reached is an error with its name, not a hang")
def _(w):
    forwarder = Forwarder(w, "gone", server="127.0.0.1:1").ready()
    result = forwarder.psql("select 1", check=False)
    contains(result.stderr, "127.0.0.1:1")
    forwarder.process.stop()


# --- PostgreSQL's user ------------------------------------------------------------------------------------------------


def as_postgres(w, command):
    """What a program that PostgreSQL starts can do: COPY FROM PROGRAM is all that a hostile extension would need."""
    if w.postgres.user is None:
        raise tap.Skip("everything runs as one user here")
    quoted = command.replace("'", "''")
    w.postgres.admin("drop table if exists probe; create table probe (t text)")
    w.postgres.admin(f"copy probe from program '({quoted}) 2>&1; echo code $?'")
    return w.postgres.admin("select string_agg(t, ' ') from probe")


@case("SR-25: PostgreSQL cannot read the daemon's memory, environment or descriptors")
def _(w):
    for name in ("mem", "environ", "fd/0", "maps", "auxv"):
        answer = as_postgres(w, f"head -c 1 /proc/{w.daemon.pid}/{name} > /dev/null")
        contains(answer.lower(), "permission denied", name)


@case("SR-25: PostgreSQL cannot reach the guest agent, and it would be said if it could")
def _(w):
    answer = as_postgres(w, f"python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('{w.server.socket}')\" | tail -n 1")
    contains(answer, "PermissionError")
    assert "agent-socket-exposed" not in w.daemon.log()
    mode = stat.S_IMODE(os.stat(w.server.socket).st_mode)
    os.chmod(w.server.socket, 0o777)
    try:
        w.restart_daemon()
        wait_for(lambda: "agent-socket-exposed" in w.daemon.log() or "agent socket" in w.daemon.log(), "the warning")
    finally:
        os.chmod(w.server.socket, mode)
        w.restart_daemon()


@case("nobody but root can trace the daemon, and it leaves no core")
def _(w):
    with open(f"/proc/{w.daemon.pid}/limits", encoding="ascii") as f:
        core = next(line for line in f if line.startswith("Max core file size"))
    equal(core.split()[4:6], ["0", "0"])
    with open(f"/proc/{w.daemon.pid}/status", encoding="ascii") as f:
        contains(f.read(), "NoNewPrivs:\t1")


@case("no secret stands in a command line or an environment")
def _(w):
    secrets = [*w.secrets.values(), w.postgres.password]
    for pid in (w.daemon.pid, w.server.process.pid, w.postgres.process.pid):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                text = f.read().decode("latin1")
            assert not any(s in text for s in secrets), f"{name} of {pid}"


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
