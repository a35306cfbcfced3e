#!/usr/bin/env python3
"""The README's first command, on the build under test: up, what it prints, a fast second up, down, status, reset."""

import json
import os
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.processes import BUILD, SOURCE, folder, free_port, run  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import postgres_bindir  # noqa: E402

STATE = os.path.join(folder(), "quickstart")
ENVIRONMENT = {**os.environ, "TEESQL_BUILD_DIR": BUILD, "TEESQL_QUICKSTART_DIR": STATE, "TEESQL_QUICKSTART_PORT": str(free_port()),
               "TEESQL_QUICKSTART_HTTP_PORT": str(free_port()), "TEESQL_PG_BINDIR": postgres_bindir()}


def quickstart(*arguments, check=True, **extra):
    return run([os.path.join(SOURCE, "data/quickstart.sh"), *arguments], env=ENVIRONMENT, check=check, timeout=600, **extra)


@case("up runs a query, shows the proof and a refusal")
def _():
    out = quickstart().stdout
    contains(out, "teesql_readwrite")
    contains(out, "MRTD")
    contains(out, "FATAL:  client attestation refused: compose hash")


@case("a second up takes seconds and keeps the data")
def _():
    begin = time.monotonic()
    out = quickstart("up").stdout
    contains(out, "| teesql_readwrite")
    contains(out, " 2 |")
    assert time.monotonic() - begin < 60, "it took over a minute"


@case("psql works as the README says")
def _():
    equal(quickstart("psql", "-Atc", "select 6 * 7").stdout.strip(), "42")


@case("status tells what runs")
def _():
    out = quickstart("status").stdout
    contains(out, "teesqld        running")
    contains(out, "postgres       running")
    contains(out, "trusted-root")


@case("everything it keeps is for its owner only")
def _():
    for name in ("secrets", "platform", "conf", "log"):
        for base, _, names in os.walk(os.path.join(STATE, name)):
            for n in names:
                mode = os.stat(os.path.join(base, n)).st_mode & 0o077
                equal(mode, 0, os.path.join(base, n))


@case("down stops everything, status says so, up starts again")
def _():
    quickstart("down")
    result = quickstart("status", check=False)
    equal(result.returncode, 1)
    contains(result.stdout, "teesqld        stopped")
    contains(result.stdout, "postgres       stopped")
    contains(quickstart("up").stdout, " 3 |")


@case("a teesqld that was killed is started again by up, and the data are there")
def _():
    with open(os.path.join(STATE, "pid", "teesqld"), encoding="ascii") as f:
        os.kill(int(f.read().split()[0]), 9)
    contains(quickstart("up").stdout, " 4 |")


def health():
    with open(os.path.join(STATE, "conf", "ports"), encoding="ascii") as f:
        port = f.read().split()[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        return json.load(answer)


def pid_of(name):
    with open(os.path.join(STATE, "pid", name), encoding="ascii") as f:
        return int(f.read().split()[0])


def runs(pid):
    """Not one that has ended and that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def listeners(pid):
    """Local addresses of the process's listening TCP sockets, as the kernel writes them."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        found += [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]
    return found


@case("up --verifier all: a Trust Authority beside it, both verify on both sides, and it is tainted")
def _():
    out = quickstart("up", "--verifier", "all").stdout
    contains(out, "by dcap: verified")
    contains(out, "by ita: verified")
    contains(out, "FATAL:  client attestation refused: compose hash")
    taints = " ".join(health()["taints"])
    contains(taints, "trusted-root ")
    contains(taints, "trust authority http://127.0.0.1:")
    out = quickstart("status").stdout
    contains(out, "authority      running")
    contains(out, "trust authority http://127.0.0.1:")
    equal(listeners(pid_of("authority")), ["0100007F"], "nobody else reaches it")


@case("the API key is drawn, for its owner only, and in no log")
def _():
    with open(os.path.join(STATE, "secrets", "ita-key"), encoding="ascii") as f:
        key = f.read().strip()
    assert len(key) >= 32, key
    equal(os.stat(os.path.join(STATE, "secrets", "ita-key")).st_mode & 0o077, 0)
    for name in os.listdir(os.path.join(STATE, "log")):
        with open(os.path.join(STATE, "log", name), encoding="utf-8", errors="replace") as f:
            equal(key in f.read(), False, name)


@case("up alone keeps the choice and takes seconds")
def _():
    before = pid_of("teesqld"), pid_of("authority")
    contains(quickstart("up").stdout, "by ita: verified")
    equal((pid_of("teesqld"), pid_of("authority")), before)


@case("an authority that was killed: peers are refused and told why, and up starts it again")
def _():
    os.kill(pid_of("authority"), 9)
    result = quickstart("psql", "-Atc", "select 1", check=False)
    equal(result.returncode != 0, True, "somebody was let in")
    contains(result.stdout + result.stderr, "ita-")
    equal(quickstart("status", check=False).returncode, 1)
    contains(quickstart("up").stdout, "by ita: verified")


@case("up --verifier ita: by its word alone")
def _():
    out = quickstart("up", "--verifier=ita").stdout
    contains(out, "by ita: verified")
    equal("by dcap" in out, False)
    contains(out, "FATAL:  client attestation refused: compose hash")
    equal([t for t in health()["taints"] if t.startswith("trust authority")] != [], True)


@case("down ends the authority too, and up --verifier dcap goes without it")
def _():
    pid = pid_of("authority")
    quickstart("down")
    equal(runs(pid), False)
    contains(quickstart("status", check=False).stdout, "authority      stopped")
    out = quickstart("up", "--verifier", "dcap").stdout
    contains(out, "by dcap: verified")
    equal("by ita" in out, False)
    equal("authority" in quickstart("status").stdout, False)


@case("a verifier nobody knows, and arguments nobody knows, change nothing")
def _():
    for arguments, code in ((("up", "--verifier", "nonsense"), 1), (("up", "--verifier"), 2), (("up", "all"), 2), (("sideways",), 2)):
        equal(quickstart(*arguments, check=False).returncode, code, str(arguments))
    contains(quickstart("status").stdout, "teesqld        running")


@case("reset removes the state")
def _():
    quickstart("reset")
    equal(os.path.exists(STATE), False)


def main():
    try:
        return tap.run()
    finally:
        quickstart("reset", check=False)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
