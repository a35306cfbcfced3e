#!/usr/bin/env python3
"""SR-14: variables that make libraries talk, load or trust, and attempts to pass for a program's second run."""

import ctypes
import fcntl
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402

PROBE = os.path.abspath(sys.argv.pop(1))
TRAP = os.path.abspath(sys.argv.pop(1))
CARRIER = "TEESQL_CALLER_ENVIRONMENT_FD"
MAGIC = b"teesql caller environment 1"
SAFE_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
F_ADD_SEALS, ALL_SEALS = 1033, 15

folder = tempfile.TemporaryDirectory(prefix="teesql-environment-")


def path(name):
    return os.path.join(folder.name, name)


def hostile():
    """What every case is started with. PATH is fixed, HOME is kept, the rest must go."""
    return {
        "PATH": "/hostile/bin",
        "HOME": "/home/somebody",
        "TEESQL_TRAP_MARK": path("mark"),
        "SSLKEYLOGFILE": path("keys"),
        "GNUTLS_SYSTEM_PRIORITY_FILE": path("priorities"),
        "GIO_EXTRA_MODULES": os.path.dirname(TRAP),
        "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "/hostile/lib"),
        "PGOPTIONS": "-c log_statement=all",
        "G_MESSAGES_DEBUG": "all",
        "https_proxy": "http://192.0.2.1:3128",
        "MALLOC_CHECK_": "0",
        "SOME_TOKEN": "hunter2",
    }


HARMFUL = {"SSLKEYLOGFILE", "GNUTLS_SYSTEM_PRIORITY_FILE", "GIO_EXTRA_MODULES", "LD_LIBRARY_PATH", "PGOPTIONS", "G_MESSAGES_DEBUG",
           "https_proxy", "MALLOC_CHECK_"}


def clear_marks():
    for name in ("mark", "keys"):
        if os.path.exists(path(name)):
            os.unlink(path(name))


def run(*arguments, env=None, **options):
    clear_marks()
    result = subprocess.run([PROBE, *arguments], env=hostile() if env is None else env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, timeout=60, **options)
    return result


def seen(result):
    equal(result.returncode, 0, result.stderr)
    return json.loads(result.stdout)


def check_clean(found):
    names = [entry.split("=", 1)[0] for entry in found["environment"]]
    equal(sorted(names), ["HOME", "PATH", "TEESQL_TRAP_MARK"])
    contains(found["environment"], SAFE_PATH)
    equal(sorted(found["environment"]), sorted(e for e in found["shown"] if not e.startswith(CARRIER)))
    equal(os.path.exists(path("keys")), False, "TLS secrets on disk")
    equal(os.path.exists(path("mark")), False, "a foreign module was loaded")


@case("the traps spring in a program that keeps its environment")
def _():
    equal(run("--raw").returncode, 0)
    equal(os.path.exists(path("keys")), True, "SSLKEYLOGFILE")
    equal(os.path.exists(path("mark")), True, "GIO_EXTRA_MODULES")


@case("hostile variables are gone, do nothing and are named")
def _():
    found = seen(run())
    check_clean(found)
    equal(set(found["dropped"]), HARMFUL)


@case("the caller's own environment is kept aside, whole")
def _():
    found = seen(run())
    equal(sorted(found["caller"]), sorted(f"{k}={v}" for k, v in hostile().items()))


@case("a secret that was taken is in no environment any more")
def _():
    env = hostile() | {"TEESQL_PASSWORD": "hunter3"}
    for name, value in (("SOME_TOKEN", "hunter2"), ("TEESQL_PASSWORD", "hunter3")):
        found = seen(run("--take", name, env=env))
        equal(found["taken"], value)
        for where in ("environment", "shown", "caller"):
            equal([entry for entry in found[where] if value in entry], [], where)
    equal(seen(run("--take", "NOT_THERE"))["taken"], None)


@case("the program keeps its name, its arguments and its process")
def _():
    clear_marks()
    process = subprocess.Popen(["/somewhere/teesql-thing", "a b", ""], executable=PROBE, env=hostile(), stdout=subprocess.PIPE, text=True)
    found = json.loads(process.communicate(timeout=60)[0])
    equal(found["argv"], ["/somewhere/teesql-thing", "a b", ""])
    equal(found["comm"].strip(), "teesql-thing")
    equal(found["pid"], process.pid)


def memfd(content, seals):
    fd = os.memfd_create("forged", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


@case("a variable alone does not pass for the second run")
def _():
    for value in ("", "0", "1", "2", "3", "-1", "999", "3x", "99999999999999999999", "/dev/null"):
        found = seen(run(env=hostile() | {CARRIER: value}))
        check_clean(found)
        equal(set(found["dropped"]), HARMFUL)


@case("a descriptor with another process's marker does not pass either")
def _():
    marker = MAGIC + b" %d 12345\0" % os.getpid()
    for content, seals in ((marker + b"FORGED=1\0", ALL_SEALS), (marker, 0), (b"", ALL_SEALS), (MAGIC, ALL_SEALS)):
        fd = memfd(content, seals)
        found = seen(run(env=hostile() | {CARRIER: str(fd)}, pass_fds=(fd,)))
        os.close(fd)
        check_clean(found)
        equal([entry for entry in found["caller"] if "FORGED" in entry], [])
    with open(path("file"), "w+b") as file:
        file.write(marker)
        file.flush()
        check_clean(seen(run(env=hostile() | {CARRIER: str(file.fileno())}, pass_fds=(file.fileno(),))))


def run_as(make_environment):
    """Forks, and in the child, which keeps its process id and start time through exec, asks for the raw environment to go on with."""
    clear_marks()
    out_reader, out_writer = os.pipe()
    err_reader, err_writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(out_writer, 1)
        os.dup2(err_writer, 2)
        entries = make_environment()
        libc = ctypes.CDLL(None)
        libc.execve(PROBE.encode(), (ctypes.c_char_p * 2)(PROBE.encode(), None), (ctypes.c_char_p * (len(entries) + 1))(*entries, None))
        os._exit(127)
    os.close(out_writer)
    os.close(err_writer)
    with os.fdopen(out_reader, "rb") as out, os.fdopen(err_reader, "rb") as err:
        output, complaint = out.read().decode(), err.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output, complaint


def perfect_forgery():
    with open("/proc/self/stat", "rb") as file:
        start_time = file.read().rsplit(b")", 1)[1].split()[19]
    fd = memfd(MAGIC + b" %d %s\0FORGED=1\0" % (os.getpid(), start_time), ALL_SEALS)
    os.set_inheritable(fd, True)
    return fd


@case("even a perfect forgery does not keep a variable")
def _():
    def environment():
        return [f"{k}={v}".encode() for k, v in (hostile() | {CARRIER: str(perfect_forgery())}).items()]

    code, output, complaint = run_as(environment)
    equal(code, 1)
    equal(output, "")
    contains(complaint, "cannot build a clean environment")
    equal(os.path.exists(path("keys")), False)


@case("a second entry of a name and entries without a name are gone")
def _():
    entries = [b"HOME=/first", b"HOME=/second", b"no-equals-sign", b"=nameless", b"LD_PRELOADED", b"TZ=UTC", b"LC_ALL=C", b"LC_X=y"]
    code, output, complaint = run_as(lambda: entries)
    equal(code, 0, complaint)
    equal(sorted(json.loads(output)["environment"]), sorted(["HOME=/first", "LC_ALL=C", "LC_X=y", "TZ=UTC", SAFE_PATH]))


@case("closed standard descriptors do not become something else")
def _():
    target = path("output")
    command = f'exec "{PROBE}" 0<&- 2>&- > "{target}"'
    subprocess.run(["/bin/sh", "-c", command], env=hostile(), check=True, timeout=60)
    with open(target, encoding="utf-8") as file:
        equal(set(json.load(file)["dropped"]), HARMFUL)


@case("without /proc it does not start")
def _():
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise tap.Skip("needs the right to make a mount namespace")
    command = f'mount -t tmpfs none /proc && exec "{PROBE}"'
    result = subprocess.run(["unshare", "-m", "/bin/sh", "-c", command], env=hostile() | {"PATH": os.environ["PATH"]},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    equal(result.returncode, 1, result.stderr)
    equal(result.stdout, "")


failed = tap.run()
folder.cleanup()
sys.exit(1 if failed else 0)
