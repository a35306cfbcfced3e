#!/usr/bin/env python3
"""Every JSON of the HTTP face and of the status against its schema."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import schema, tap  # noqa: E402
from harness.tap import case, equal  # noqa: E402

PROGRAM = sys.argv.pop(1)


def lines():
    output = subprocess.run([PROGRAM], stdout=subprocess.PIPE, check=True, text=True).stdout
    return [line.split("\t", 1) for line in output.splitlines()]


@case("every JSON matches its schema")
def _():
    found = lines()
    for name, text in found:
        schema.check_text(text, name)
    equal({name for name, _ in found}, {"health", "status", "http-error"})


@case("all four words of health were seen")
def _():
    equal({schema.check_text(text, "health")["status"] for name, text in lines() if name == "health"},
          {"starting", "ok", "degraded", "failed"})


sys.exit(1 if tap.run() else 0)
