#!/usr/bin/env python3
"""SIGKILL of any process at any moment leaves something that starts again and says what happened."""

import os
import random
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pgclient, tap  # noqa: E402
from harness.processes import TEESQL, TEESQLD, Process, wait_for  # noqa: E402
from harness.tap import case, equal  # noqa: E402
from harness.world import World  # noqa: E402

ROUNDS = 50 if os.environ.get("TEESQL_FULL") == "1" else 5


def works(w):
    client = pgclient.attested(w)
    equal(client.query("select 1"), [["1"]])
    client.close()


def works_again(w, seconds=60):
    def attempt():
        try:
            works(w)
            return True
        except (OSError, EOFError, pgclient.ServerError):
            return False
    wait_for(attempt, "a login", seconds, every=0.2)


@case("teesqld killed under load starts again on the same state")
def _(w):
    certificate = w.certificate()
    for _ in range(ROUNDS):
        ended = threading.Event()

        def load():
            while not ended.is_set():
                try:
                    client = pgclient.attested(w, certificate=certificate)
                    client.query("select repeat('x', 100000)")
                except (OSError, EOFError, pgclient.ServerError):
                    pass
        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        target = w.daemon.log().count("\n") + random.randint(1, 30)
        wait_for(lambda: w.daemon.log().count("\n") >= target, "some sessions")
        w.daemon.kill()
        ended.set()
        for t in threads:
            t.join(60)
        w.start_daemon()
        works(w)


@case("teesqld killed while it starts starts again")
def _(w):
    w.daemon.stop()
    for _ in range(ROUNDS):
        process = w.start_daemon(ready=False)
        lines = random.randint(0, 8)
        wait_for(lambda: process.log().count("\n") >= lines or not process.alive(), "its first lines")
        process.kill()
    w.start_daemon()
    works(w)


@case("a second daemon on the same runtime directory is refused and disturbs nobody")
def _(w):
    second = Process("second", [TEESQLD, "--config", w.daemon_config], w.logs)
    equal(second.child.wait(30) != 0, True)
    assert second.log().strip(), "it said nothing"
    works(w)


@case("PostgreSQL killed: clients read an error, health says so, sessions work after its restart")
def _(w):
    client = pgclient.attested(w)
    w.postgres.process.kill()

    def ended():
        try:
            client.query("select 1")  # a backend outlives its postmaster for a moment
            return False
        except (OSError, EOFError, pgclient.ServerError):
            return True
    wait_for(ended, "the session's end")
    try:
        works(w)
        raise AssertionError("a login succeeded")
    except (OSError, EOFError, pgclient.ServerError):
        pass
    assert w.daemon.alive()
    w.postgres.start()
    works_again(w)
    wait_for(lambda: w.http("/health/ready")[0] == 200, "health to recover", 60)


@case("the guest agent killed: sessions go on, and its return is noticed")
def _(w):
    client = pgclient.attested(w)
    w.server.process.kill()
    equal(client.query("select 1"), [["1"]])
    works(w)
    w.server.start()


@case("a daemon that starts before its agent waits, says so, and becomes ready")
def _(w):
    w.daemon.stop()
    w.server.process.kill()
    w.start_daemon(ready=False)
    w.daemon.wait_until(lambda: w.http("/health/startup")[0] == 503, "/health/startup to say 503")
    assert w.http("/health/ready")[0] == 503
    w.server.start()
    w.daemon.wait_until(lambda: w.http("/health/ready")[0] == 200, "/health/ready", 90)
    works(w)


@case("teesql connect killed leaves a socket that its next start replaces")
def _(w):
    path = os.path.join(w.dir, "sockets-client", ".s.PGSQL.5432")
    command = [TEESQL, "--config", w.client_config, "connect"]
    for _ in range(2):
        forwarder = Process("forwarder", command, w.logs)
        forwarder.wait_until(lambda: answers(w, path), "its socket to answer")
        equal(os.stat(path).st_mode & 0o777, 0o600)
        forwarder.kill()
    forwarder = Process("forwarder", command, w.logs)
    forwarder.wait_until(lambda: answers(w, path), "its socket to answer")
    forwarder.stop()
    equal(os.path.exists(path), False, "the socket after an orderly end")


def answers(w, path):
    if not os.path.exists(path):
        return False
    environment = w.environment("teesql_readwrite", PGHOST=os.path.dirname(path), PGPORT="5432")
    return subprocess.run([w.program("psql"), "-XAtqc", "select 1"], env=environment, capture_output=True, check=False).stdout == b"1\n"


@case("a torn or garbage state file is said and survived")
def _(w):
    w.daemon.stop()
    state = os.path.join(w.dir, "state")
    changed = 0
    for folder, _, names in os.walk(state):
        for name in names:
            with open(os.path.join(folder, name), "wb") as f:
                f.write(b"\x00\xffgarbage")
            changed += 1
    cache = os.path.join(w.dir, "cache-server")
    for folder, _, names in os.walk(cache):
        for name in names:
            os.truncate(os.path.join(folder, name), 7)
            changed += 1
    assert changed, "no state to damage"
    w.start_daemon()
    works(w)


@case("killed clients leave no session behind")
def _(w):
    children = [subprocess.Popen([w.program("psql"), "-Xqc", "select pg_sleep(600)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=w.environment("teesql_readwrite", PGHOST="127.0.0.1", PGPORT=str(w.port), PGSSLMODE="require",
                                                   PGSSLCERT=w.certificate()[0], PGSSLKEY=w.certificate()[1])) for _ in range(10)]
    sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid() and state = 'active'"
    wait_for(lambda: w.postgres.admin(sleeping) == "10", "the queries to run")
    for child in children:
        child.send_signal(signal.SIGKILL)
        child.wait()
    wait_for(lambda: w.http("/health")[0] == 200, "health")
    # PostgreSQL notices a vanished client when it next writes; ours is closed at once
    w.postgres.admin("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()")
    works(w)


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
