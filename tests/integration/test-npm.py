#!/usr/bin/env python3
"""Other people's clients against the simulator: the dstack SDK for JavaScript, unchanged, and dcap-qvl as a second opinion on its quotes.
Needs node 18 and npm, and what package-lock.json names (from npm's cache or its registry)."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.processes import SIMULATOR, Process, folder, run  # noqa: E402

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npm")


def install(node, npm):
    """A folder with the proof and the packages of the lock file; nothing of a package runs while it is installed."""
    major = int(run([node, "--version"]).stdout.strip().lstrip("v").split(".")[0])
    if major < 18:
        tap.skip_all(f"node {major} is too old, 18 is needed")
    target = folder("teesql-npm-")
    for name in ("package.json", "package-lock.json", "proof.mjs"):
        shutil.copy(os.path.join(SOURCE, name), target)
    result = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=target, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if result.returncode != 0:
        tap.comment(result.stdout)
        tap.skip_all("npm could not fetch the packages")
    return target


def main():
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        tap.skip_all("node and npm are not here")
    target = install(node, npm)
    run([SIMULATOR, "init", os.path.join(target, "platform")])
    app = os.path.join(target, "app.json")
    with open(app, "w", encoding="ascii") as f:
        json.dump({"name": "orders", "image": "teesql-guest", "compose": "services:\n  teesqld: {}\n"}, f)
    simulator = Process("simulator", [
        SIMULATOR, "--platform-seed", f"file:{target}/platform/seed", "--machine", "server", "--app", app, "--listen", f"{target}/agent.sock",
        "--http-listen", "127.0.0.1:0", "--pccs-listen", "127.0.0.1:0", "--write-root", f"{target}/root.pem",
        "--control-socket", f"{target}/control.sock"], target)
    simulator.wait_until(lambda: simulator.out().endswith("\n"), "its ready line")
    proof = subprocess.run([node, "proof.mjs", simulator.out()], cwd=target, timeout=300)
    ended = simulator.stop()
    if ended != 0:
        tap.comment(f"the simulator ended with {ended}\n{simulator.log()}")
    return proof.returncode or ended


if __name__ == "__main__":
    sys.exit(main())
