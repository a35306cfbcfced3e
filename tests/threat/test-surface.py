#!/usr/bin/env python3
"""What surrounds a session: a reload with many clients, the health listener, the tool's environment."""

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pgclient, tap  # noqa: E402
from harness.processes import TEESQL, run, wait_for  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402

MANY = 80  # more than are verified at once


@case("a reload with more clients than are verified at once closes no session")
def _(w):
    sessions = [pgclient.attested(w, certificate=w.certificate(f"many{n}")) for n in range(MANY)]
    accepted = w.daemon.log().count("peer accepted")
    w.write_daemon_config({"policy:clients": {"verdict-ttl": "1234s"}})
    w.daemon.signal(signal.SIGHUP)
    wait_for(lambda: w.daemon.log().count("peer accepted") >= accepted + MANY or "when judged again" in w.daemon.log(), "every client to be judged again")
    for session in sessions:
        equal(session.query("select 1"), [["1"]])
        session.close()


@case("half a request on every connection does not keep the health check out")
def _(w):
    crowd = []
    for n in range(100):
        s = socket.create_connection(("127.0.0.1", w.http_port), 10, source_address=(f"127.0.2.{1 + n % 10}", 0))
        s.sendall(b"G")
        crowd.append(s)
    equal([w.http("/health")[0] for _ in range(5)], [200] * 5)
    for s in crowd:
        s.close()


PASSWORD = "correct-horse-battery"


def exec_with(w, url, target=None):
    command = [TEESQL, "--config", w.client_config, "connect", *([target] if target else []), "--exec", "--", "sh", "-c", 'echo started; echo "$DATABASE_URL"']
    return run(command, check=False, env={**w.environment("teesql_read"), "DATABASE_URL": url})


@case("a DATABASE_URL that cannot be pointed at the forwarder ends the command before it starts")
def _(w):
    for url in (f"mysql://app:{PASSWORD}@db.example/x", f"jdbc:postgresql://db.example/x?password={PASSWORD}", f"postgresql+psycopg://app:{PASSWORD}@db.example/x?nonsense=1"):
        result = exec_with(w, url, target=f"127.0.0.1:{w.port}")
        equal(result.returncode, 125, url)
        equal(result.stdout, "", url)
        contains(result.stderr, "DATABASE_URL")


@case("a target that is not understood is not repeated, for it may hold a password")
def _(w):
    for url in (f"mysql://app:{PASSWORD}@db.example/x", f"app:{PASSWORD}@db.example:5433", f"postgress://app:{PASSWORD}@db.example/x", f"postgresql://app:{PASSWORD}/x@db.example/x"):
        result = exec_with(w, url)
        equal(result.returncode, 125, url)
        assert PASSWORD not in result.stdout + result.stderr, result.stderr


@case("a scheme that names a driver is rewritten like any other")
def _(w):
    result = exec_with(w, f"postgresql+psycopg://app:{PASSWORD}@127.0.0.1:{w.port}/x")
    equal(result.returncode, 0, result.stderr)
    contains(result.stdout, "started\npostgresql+psycopg://app:")
    contains(result.stdout, "sslmode=disable")
    assert f":{w.port}/" not in result.stdout, result.stdout


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
