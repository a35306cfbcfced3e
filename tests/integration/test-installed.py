#!/usr/bin/env python3
"""What `meson install` puts down, run from where it was put: in a mount namespace of its own the installed prefix lies over the real one, so that the paths
which were compiled in are used, and nothing of the machine is touched. A stranger's plugin is built with the installed headers and pkg-config alone."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import schema, tap  # noqa: E402
from harness.processes import folder, run  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402

BUILD = os.environ["TEESQL_TEST_BUILD"]
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(SOURCE, "tests", "plugin", "example")
NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


def prefix():
    options = json.loads(run(["meson", "introspect", "--buildoptions", BUILD]).stdout)
    return next(option["value"] for option in options if option["name"] == "prefix")


class Installed:
    def __init__(self):
        self.prefix = prefix()
        self.work = folder("teesql-installed-")
        os.chmod(self.work, 0o755)
        self.destination = os.path.join(self.work, "root")
        run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", self.destination], timeout=120)
        self.tree = self.destination + self.prefix

    def shell(self, script, check=True):
        """In the namespace, with the installed tree at its place."""
        command = f'mount --make-rprivate / && mount --bind "{self.tree}" "{self.prefix}" && export PATH="{self.prefix}/bin:$PATH" && cd "{self.work}" && {script}'
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TEESQL_", "LD_", "PKG_CONFIG"))}
        return run([*NAMESPACE, "bash", "-euc", command], check=check, env=environment, timeout=180)

    def find(self, name):
        found = [os.path.join(base, file) for base, _, files in os.walk(self.tree) for file in files if file == name]
        assert found, f"{name} is not installed"
        return found[0]


def repository(site):
    path = os.path.join(site.work, "repository")
    os.makedirs(path, mode=0o700)
    if os.geteuid() == 0:  # the host then runs as somebody else
        os.chown(path, 65534, 65534)
    config = os.path.join(site.work, "disk.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"[storage:disk]\nplugin = file\npath = {path}\n")
    return config


@case("the installed programs are found with their library")
def programs(site):
    for program in ("teesql", "teesqld", "teesql-simulator", "teesql-wal-fetch"):
        contains(site.shell(f"{program} --version").stdout, program)
        contains(site.shell(f"ldd {site.prefix}/bin/{program}").stdout, f"{site.prefix}/lib")


@case("the built-in plugins are found where they were installed")
def plugins(site):
    found = schema.check_text(site.shell("teesql --json plugin list").stdout, "plugin-list")
    names = {plugin["name"] for plugin in found["plugins"]}
    assert {"dcap", "dstack", "file", "gcs", "ita", "s3"} <= names, names


@case("an installed storage plugin runs in the installed storage host")
def storage(site):
    config = repository(site)
    found = schema.check_text(site.shell(f"teesql --json --config {config} plugin check --storage disk --quick --only round-trip --only if-absent-race --only cleanup").stdout,
                              "plugin-check")
    equal((found["passed"], len(found["checks"])), (True, 3))


@case("a stranger's plugin is built from what is installed, as the manual says, and keeps the contract")
def stranger(site):
    place = os.path.join(site.work, "stranger")
    os.mkdir(place, 0o755)
    for name in ("example.c", "example.plugin"):
        shutil.copy(os.path.join(EXAMPLE, name), place)
    libraries = os.path.dirname(site.find("teesql-1.pc")).replace(site.tree, site.prefix)
    site.shell(f'cd {place} && export PKG_CONFIG_PATH={libraries} && '
               'cc -shared -fPIC -fvisibility=hidden $(pkg-config --cflags teesql-1) -o libexample.so example.c $(pkg-config --libs teesql-1)')
    info = site.shell(f"teesql --plugin-path {place} plugin info example").stdout
    contains(info, "storage")
    found = schema.check_text(site.shell(f"teesql --json --plugin-path {place} plugin check --storage example --quick --only round-trip --only ranges").stdout, "plugin-check")
    equal(found["passed"], True)


@case("the sample configurations name keys that there are")
def samples(site):
    for name in ("teesqld.conf", "teesql.conf", "teesqld-backup.conf", "teesqld-managed.conf"):
        site.find(name)
    result = site.shell(f"teesql --config {site.prefix}/share/doc/teesql/teesqld.conf config check", check=False)
    assert "unknown" not in result.stderr, result.stderr


@case("every program has its manual, and the unit is one")
def manual(site):
    for name in ("teesql.1", "teesql-simulator.1", "teesqld.conf.5", "teesqld.8", "teesql-storage-host.8", "teesql-wal-fetch.8"):
        assert os.path.getsize(site.find(name)) > 500, name
    unit = site.find("teesqld.service")
    if shutil.which("systemd-analyze") is None:
        raise tap.Skip("systemd-analyze is not installed")
    result = site.shell(f"SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no --recursive-errors=no {unit.replace(site.tree, site.prefix)}", check=False)
    for word in ("Unknown", "Failed to parse", "not executable", "does not exist"):
        assert word not in result.stderr, result.stderr


def skip(reason):
    print(f"SKIP test-installed: {reason}", file=sys.stderr)
    print(f"1..0 # SKIP {reason}")
    return 0


def main():
    if prefix() == "/usr" or not os.path.isdir(prefix()):
        return skip(f"nothing can be laid over {prefix()}: needs a prefix such as /usr/local")
    ours = folder("teesql-probe-")
    probe = subprocess.run([*NAMESPACE, "bash", "-c", f'mount --make-rprivate / && mount --bind "{ours}" "{ours}"'], check=False, capture_output=True, text=True)
    if probe.returncode != 0:
        return skip(f"no mount namespace here: {probe.stderr.strip()}")
    return 1 if tap.run(Installed()) else 0


if __name__ == "__main__":
    sys.exit(main())
