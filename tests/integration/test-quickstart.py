#!/usr/bin/env python3
"""The README's first command, on the build under test: up, what it prints, a fast second up, down, status, reset."""

import os
import sys
import time

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
