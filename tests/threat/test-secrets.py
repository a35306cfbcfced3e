#!/usr/bin/env python3
"""No key and no password is in any log, whatever is done and whatever fails: at the level `debug`, in text, hex and base64, keys that are
derived of others included. Every other test that starts an installation looks for the same at its end."""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import leaks, pgclient, tap  # noqa: E402
from harness.backups import BackupWorld  # noqa: E402
from harness.tap import case  # noqa: E402


@case("the search finds a secret however it is written")
def _(w):
    hidden = w.hidden()
    assert len(hidden) >= 8 and "epoch key 0" in hidden and "the head's key" in hidden, sorted(hidden)
    for name, secret in hidden.items():
        for form in leaks.forms_of(secret):
            assert name in leaks.find(hidden, b"2026 teesqld[1] debug: " + form + b" is a word\n"), (name, form)
    assert not leaks.find(hidden, b"2026 teesqld[1] debug: nothing of interest " + b"0" * 64)


def nothing(w, *outputs):
    found = leaks.find_in(w.hidden(), w.logs)
    assert not found, found
    for output in outputs:
        assert not leaks.find(w.hidden(), output.encode()), output


@case("sessions that succeed, and sessions with wrong secrets and names")
def _(w):
    said = w.psql("SELECT 1").stderr
    for role, secret in (("teesql_read", w.secrets["teesql_readwrite"][::-1]), ("nobody_at_all", w.secrets["teesql_read"])):
        said += w.psql("SELECT 1", role=role, secret=secret, check=False).stderr
    try:
        pgclient.attested(w, "teesql_read", "f" * 64)
    except pgclient.ServerError:
        pass
    nothing(w, said)


@case("backups, their check, a new key, retention, status and what the configuration says of itself")
def _(w):
    said = ""
    for command in (("backup", "now", "--full"), ("backup", "now"), ("backup", "verify", "--deep"), ("backup", "rotate-key"), ("backup", "now", "--full"),
                    ("backup", "list"), ("--json", "backup", "list"), ("backup", "expire"), ("status",), ("--json", "status")):
        result = w.teesql(*command)
        said += result.stdout + result.stderr
    w.archived()
    nothing(w, said)


@case("a restore, and one of objects that were damaged")
def _(w):
    code, _, said = w.restore("good")
    assert code == 0, said
    for piece in glob.glob(os.path.join(w.objects, "**", "base.00000@"), recursive=True):
        os.truncate(piece, os.path.getsize(piece) - 1)
    code, _, more = w.restore("bad", check=False)
    verdict = w.teesql("backup", "verify", check=False)
    assert code != 0 and verdict.returncode != 0, (code, verdict)
    nothing(w, said + more + verdict.stdout + verdict.stderr)


@case("a server that refuses the daemon's password, and a daemon that is killed")
def _(w):
    w.postgres.admin("ALTER ROLE postgres PASSWORD 'another'")
    w.daemon.kill()
    w.start_daemon(ready=False)
    w.daemon.wait_until(lambda: "password" in w.daemon.log() or "auth" in w.daemon.log(), "it to be refused")
    nothing(w)


if __name__ == "__main__":
    with BackupWorld() as world:
        world.overrides["teesql"] = {"log-level": "debug"}
        world.restart_daemon()
        failed = tap.run(world)
    sys.exit(1 if failed else 0)
