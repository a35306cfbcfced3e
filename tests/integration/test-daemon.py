#!/usr/bin/env python3
"""The life of teesqld: what it refuses, what it waits for, what a reload changes, what it tells a service manager."""

import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pgclient, schema, tap  # noqa: E402
from harness.processes import TEESQL, TEESQLD, run, wait_for  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402


def works(w):
    client = pgclient.attested(w)
    equal(client.query("select 1"), [["1"]])
    client.close()


def teesqld(*arguments, **extra):
    return run([TEESQLD, *arguments], check=False, **extra)


def variant(w, name, overrides):
    """A configuration beside the running daemon's, with folders of its own."""
    groups = {"teesql": {"runtime-directory": os.path.join(w.dir, name + "-run"), "state-directory": os.path.join(w.dir, name + "-state")},
              "http": {"listen": "none"}, "proxy": {"listen": "127.0.0.1:0"}}
    for group, keys in overrides.items():
        groups.setdefault(group, {}).update(keys)
    return w.write(name + ".conf", w.keyfile(w.daemon_groups(), groups))


class Log:
    """What the daemon says from now on."""

    def __init__(self, w):
        self.w, self.start = w, len(w.daemon.log())

    def text(self):
        return self.w.daemon.log()[self.start:]

    def wait(self, *parts):
        wait_for(lambda: all(part in self.text() for part in parts), f"the log to say {parts}")


def reload(w, *parts):
    """Sends SIGHUP and waits until the log says all @parts behind it."""
    log = Log(w)
    w.daemon.signal(signal.SIGHUP)
    log.wait(*parts)
    return log.text()


def digests(w):
    return re.findall(r"configuration digest ([0-9a-f]{96})", w.daemon.log())


@case("--version and --help exit with 0, an unknown argument with 78")
def _(w):
    result = teesqld("--version")
    equal(result.returncode, 0)
    assert result.stdout.startswith("teesqld "), result.stdout
    result = teesqld("--help")
    equal(result.returncode, 0)
    contains(result.stdout, "--check-config")
    equal(teesqld("--nonsense").returncode, 78)
    equal(teesqld("nonsense").returncode, 78)


@case("a wrong configuration is refused with every finding, file and line, and 78")
def _(w):
    path = w.write("wrong.conf", "[teesql]\ncluster = a\nlog-level = loud\n[proxy]\nmax-sesions = 4\n")
    for extra in ((), ("--check-config",)):
        result = teesqld("--config", path, *extra)
        equal(result.returncode, 78)
        contains(result.stderr, "wrong.conf:3: [teesql] log-level: ")
        contains(result.stderr, "wrong.conf:5: [proxy] max-sesions: unknown key\nhint: did you mean max-sessions?")
    equal(teesqld("--config", "/nonexistent").returncode, 78)


@case("a configuration that others can write is refused")
def _(w):
    path = w.write("open.conf", "[teesql]\ncluster = a\n", mode=0o666)
    os.chmod(path, 0o666)
    result = teesqld("--config", path)
    equal(result.returncode, 78)
    contains(result.stderr, "chmod go-w")


@case("--check-config loads plugins, names open pins and prints the digest")
def _(w):
    result = teesqld("--config", w.daemon_config, "--check-config")
    equal(result.returncode, 0, result.stderr)
    contains(result.stdout, "configuration digest " + digests(w)[-1])
    path = variant(w, "unsettled", {"policy:clients": {"allowed-key-provider": None}})
    result = teesqld("--config", path, "--check-config")
    equal(result.returncode, 0, result.stderr)
    contains(result.stdout, "allowed-key-provider")
    result = teesqld("--config", variant(w, "bad-option", {"verifier:dcap": {"no-such-option": "1"}}), "--check-config")
    equal(result.returncode, 78)
    contains(result.stderr, "no-such-option")
    result = teesqld("--config", variant(w, "no-module", {"verifier:dcap": {"plugin": "nothing"}}), "--check-config")
    equal(result.returncode, 78)
    contains(result.stderr, "nothing")


@case("the effective configuration can be dumped and read back as the same")
def _(w):
    dump = run([TEESQL, "--config", w.daemon_config, "config", "dump", "--effective"]).stdout
    again = w.write("teesqld-again.conf", dump)
    # what was a default is written now, and written keys come first
    equal(sorted(run([TEESQL, "--config", again, "config", "dump", "--effective"]).stdout.splitlines()), sorted(dump.splitlines()))
    result = schema.check_text(run([TEESQL, "--config", w.daemon_config, "--json", "config", "dump", "--effective"]).stdout, "config-dump")
    options = {(o["group"], o["key"]): o for o in result["options"]}
    equal(options["proxy", "listen"]["value"], [f"127.0.0.1:{w.port}"])
    equal(options["postgresql", "admin-password"]["value"], "kms:pg/superuser")
    assert int(options["proxy", "workers"]["chosen"]) >= 1


@case("a simulator beside Intel's root is refused with 78")
def _(w):
    path = variant(w, "mixed", {"verifier:dcap": {"trusted-root": "intel", "collateral-url": "none"}})
    result = teesqld("--config", path)
    equal(result.returncode, 78, result.stderr[-600:])
    contains(result.stderr, "simulator")


@case("variables that change libraries are dropped, and one line names them")
def _(w):
    keylog = os.path.join(w.dir, "keylog")
    hostile = {"SSLKEYLOGFILE": keylog, "GNUTLS_SYSTEM_PRIORITY_FILE": "/nonexistent", "GIO_EXTRA_MODULES": w.dir, "LD_LIBRARY_PATH": w.dir,
               "PGOPTIONS": "-c default_transaction_read_only=on", "https_proxy": "http://127.0.0.1:1"}
    w.daemon.stop()
    before = len(w.daemon.log())
    w.start_daemon(environment={**os.environ, **hostile})
    works(w)
    lines = [line for line in w.daemon.log()[before:].splitlines() if "SSLKEYLOGFILE" in line]
    equal(len(lines), 1)
    for name in hostile:
        contains(lines[0], name)
    assert not os.path.exists(keylog), "traffic secrets were written"


@case("a reload that is refused changes nothing and says why")
def _(w):
    with open(w.daemon_config, encoding="utf-8") as f:
        text = f.read()
    w.write("teesqld.conf", text + "[prozy]\n[http]\n")
    said = reload(w, "reload refused, nothing has changed")
    contains(said, "[prozy]: unknown group")
    contains(said, "[http]: stands here a second time")
    works(w)
    w.write("teesqld.conf", text)
    reload(w, "reload done")


@case("a reload takes live keys, and names those that wait for a restart")
def _(w):
    before = digests(w)[-1]
    w.write_daemon_config({"teesql": {"node": "other"}, "proxy": {"workers": "1"}, "policy:clients": {"verdict-ttl": "30min"}})
    said = reload(w, "reload done")
    contains(said, "[teesql] node: the change waits for a restart")
    contains(said, "[proxy] workers: the change waits for a restart")
    assert "verdict-ttl: " not in said, said
    assert digests(w)[-1] != before, "the policy has changed"
    works(w)
    w.write_daemon_config()
    assert "waits for a restart" not in reload(w, "reload done")
    equal(digests(w)[-1], before)


@case("a new role of a reload can log in, and one that is gone cannot")
def _(w):
    w.make_secret("teesql_report")
    role = {"role:teesql_report": {"privileges": "read", "secret-verifier": w.verifiers["teesql_report"]}}
    w.write_daemon_config(role)
    w.daemon.signal(signal.SIGHUP)

    def can():
        try:
            pgclient.attested(w, user="teesql_report").close()
            return True
        except (OSError, EOFError, pgclient.ServerError):
            return False
    wait_for(can, "the new role to log in", every=0.2)
    w.write_daemon_config()
    w.daemon.signal(signal.SIGHUP)
    wait_for(lambda: not can(), "the role to be refused", every=0.2)


@case("a KMS that answers other keys is reported and not used")
def _(w):
    w.daemon.stop()
    checks = os.path.join(w.dir, "state", "key-checks")
    with open(checks, encoding="ascii") as f:
        before = f.read()
    with open(checks, "w", encoding="ascii") as f:
        f.write("pg/roles 0011223344556677\n")
    w.start_daemon(ready=False)
    w.daemon.wait_until(lambda: w.http("/health")[0] != 0 and w.http("/health")[1]["reason"] == "kms-key-changed", "the reason")
    equal(w.http("/health/ready")[0], 503)
    w.daemon.stop()
    with open(checks, "w", encoding="ascii") as f:
        f.write(before)
    w.start_daemon()
    works(w)


@case("an agent's socket that PostgreSQL's user can open is shown")
def _(w):
    mode = os.stat(w.server.socket).st_mode & 0o777
    os.chmod(w.server.socket, 0o777)
    contains(reload(w, "agent-socket-exposed"), w.server.socket)
    os.chmod(w.server.socket, mode)
    if os.geteuid() == 0:  # else PostgreSQL is the same user, which no mode keeps out
        assert "agent-socket-exposed" not in reload(w, "reload done", "PostgreSQL 17")


@case("a service manager is told about readiness, reload and the end")
def _(w):
    w.daemon.stop()
    path = os.path.join(w.dir, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30)
        w.start_daemon(ready=False, environment={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"})

        def told(word):
            while True:
                message = manager.recv(4096).decode()
                if message.startswith(word):
                    return message
        told("READY=1")
        equal(w.http("/health/ready")[0], 200)
        told("WATCHDOG=1")
        w.daemon.signal(signal.SIGHUP)
        told("RELOADING=1\nMONOTONIC_USEC=")
        told("READY=1")
        w.daemon.signal(signal.SIGTERM)
        told("STOPPING=1")
    equal(w.daemon.child.wait(30), 0)
    os.unlink(path)
    w.start_daemon()


@case("sockets of a service manager are taken over")
def _(w):
    w.daemon.stop()
    config = w.write("activated.conf", w.keyfile(w.daemon_groups(), {"proxy": {"listen": "127.0.0.1:1"}, "http": {"listen": "127.0.0.1:2"}}))
    listeners = []
    for port in (w.port, w.http_port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        listeners.append(listener)
    command = f'exec 3<&{listeners[0].fileno()} 4<&{listeners[1].fileno()}; LISTEN_PID=$$ exec "{TEESQLD}" --config "{config}"'
    with open(os.path.join(w.logs, "activated.log"), "wb") as log:
        child = subprocess.Popen(["sh", "-c", command], env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "proxy:http"}, stderr=log,
                                 pass_fds=[listener.fileno() for listener in listeners])
    try:
        wait_for(lambda: w.http("/health/ready")[0] == 200, "/health/ready", 60)
        works(w)
    finally:
        child.send_signal(signal.SIGTERM)
        equal(child.wait(40), 0)
        for listener in listeners:
            listener.close()
    w.start_daemon()


@case("a second signal ends at once")
def _(w):
    client = pgclient.attested(w)
    client.send_message(b"Q", b"select pg_sleep(25)\0")
    wait_for(lambda: w.postgres.admin("select count(*) from pg_stat_activity where query like '%pg_sleep(25)%' and pid <> pg_backend_pid()") == "1", "the query")
    log = Log(w)
    w.daemon.signal(signal.SIGTERM)
    log.wait("drains")
    w.daemon.signal(signal.SIGTERM)
    equal(w.daemon.child.wait(10), 0)
    w.start_daemon()
    works(w)


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
