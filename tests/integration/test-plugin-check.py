#!/usr/bin/env python3
"""`teesql plugin check`: the contract suite, through the storage host, against file and the example of a stranger's plugin."""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.processes import PLUGINS, TEESQL, folder, free_port, run  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402

EXAMPLES = os.path.join(os.path.dirname(PLUGINS), "tests", "plugin", "example")
HOST_USER = (65534, 65534)


def check(*arguments, code=0, config=None, plugins=PLUGINS):
    before = ["--plugin-path", plugins] + (["--config", config] if config else [])
    result = run([TEESQL, *before, "plugin", "check", *arguments], check=False)
    equal(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
    return result


def repository(directory, name):
    path = os.path.join(directory, name)
    os.mkdir(path, 0o700)
    if os.geteuid() == 0:  # the host then runs as somebody else
        os.chown(path, *HOST_USER)
        os.chmod(directory, 0o711)
    config = os.path.join(directory, name + ".conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"# one group is enough\n[storage:disk]\nplugin = file\npath = {path}\n")
    return path, config


def objects_in(path):
    return [f for _, _, files in os.walk(path) for f in files]


@case("file keeps the contract")
def file_plugin(directory):
    path, config = repository(directory, "file")
    found = schema.check_text(check("--storage", "disk", "--quick", "--json", config=config).stdout, "plugin-check")
    equal(found["passed"], True)
    equal([c["name"] for c in found["checks"] if c["status"] != "passed"], [])
    assert len(found["checks"]) > 20, found
    equal(objects_in(path), [])


@case("the example keeps the contract, without a configuration")
def example(directory):
    result = check("--storage", "example", "--quick", plugins=EXAMPLES)
    contains(result.stdout, "passed  if-absent-race")
    contains(result.stdout, " 0 failed, 0 skipped")


@case("where nobody answers it says so, and does not hold nobody to a contract")
def nobody(directory):
    config = os.path.join(directory, "away.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"[storage:away]\nplugin = s3\nendpoint = http://127.0.0.1:{free_port()}\nbucket = orders\npath-style = true\n"
                "access-key-id = env:TEESQL_TEST_KEY\nsecret-access-key = env:TEESQL_TEST_KEY\n")
    result = subprocess.run([TEESQL, "--plugin-path", PLUGINS, "--config", config, "plugin", "check", "--storage", "away", "--json"], check=False,
                            env={**os.environ, "TEESQL_TEST_KEY": "key"}, capture_output=True, text=True, timeout=60)
    equal(result.returncode, 3, result.stdout + result.stderr)
    found = schema.check_text(result.stdout, "plugin-check")
    equal((found["passed"], found["checks"]), (False, []))
    contains(found["message"], "hint: ")


@case("chosen checks run alone, and clean up behind themselves")
def chosen(directory):
    found = schema.check_text(check("--storage", "example", "--only", "ranges", "--only", "absent", "--json", plugins=EXAMPLES).stdout, "plugin-check")
    equal([c["name"] for c in found["checks"]], ["ranges", "absent", "cleanup"])


@case("what cannot be checked is said with the exit code of its kind")
def refused(directory):
    path, config = repository(directory, "refused")
    check(code=2)
    said = check("--storage", "nosuch", code=2).stderr
    contains(said, "no storage nosuch")
    contains(said, "teesql plugin list")
    said = check("--storage", "nosuch", code=2, config=config).stderr
    contains(said, "refused.conf")
    contains(said, "hint: the storages there are: disk")
    check("--storage", "example", "--only", "nosuch", code=2, plugins=EXAMPLES)
    os.rmdir(path)
    result = check("--storage", "disk", "--json", code=2, config=config)
    found = schema.check_text(result.stdout, "plugin-check")
    equal(found["passed"], False)
    assert found["message"], found
    os.mkdir(path, 0o700)
    if os.geteuid() == 0:
        os.chown(path, *HOST_USER)
    with open(config, "a", encoding="utf-8") as f:
        f.write("pth = /x\n")
    contains(check("--storage", "disk", code=2, config=config).stderr, "refused.conf:5")


@case("interrupted, it takes away what it made")
def interrupted(directory):
    path, config = repository(directory, "interrupted")
    process = subprocess.Popen([TEESQL, "--plugin-path", PLUGINS, "--config", config, "plugin", "check", "--storage", "disk", "--only", "list"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(objects_in(path)) < 50:
        assert time.monotonic() < deadline and process.poll() is None, "no objects appear"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    equal(process.returncode, 1, out + err)
    equal(objects_in(path), [])


sys.exit(1 if tap.run(folder()) else 0)
