"""A World whose teesqld backs up into the storage `file`, and what restore makes of it."""

import json
import os
import pwd
import shutil

from .processes import TEESQL, Process, folder, run, wait_for
from .world import World, postgres_user

def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


class BackupWorld(World):
    def __init__(self, **postgres_settings):
        self.place = folder("teesql-restore-")
        os.chmod(self.place, 0o711)
        self.objects = os.path.join(self.place, "objects")
        os.mkdir(self.objects, 0o700)
        if os.geteuid() == 0:  # the storage host runs as a user of its own then
            nobody = pwd.getpwnam("nobody")
            os.chown(self.objects, nobody.pw_uid, nobody.pw_gid)
        self.site = os.path.join(self.place, "pg")  # restored clusters; PostgreSQL's user goes in and out
        os.mkdir(self.site, 0o700)
        user = postgres_user()
        if user:
            os.chown(self.site, user.pw_uid, user.pw_gid)
        overrides = {"backup": {"storages": "disk", "full-schedule": "none", "incremental-schedule": "none", "wal-interval": "200ms"},
                     "storage:disk": {"plugin": "file", "path": self.objects}}
        if user:
            overrides["postgresql"] = {"user": user.pw_name}
        super().__init__(daemon=overrides, postgres_settings={"summarize_wal": "on", "checkpoint_timeout": "30s", **postgres_settings})

    def teesql(self, *arguments, check=True, config=None, **extra):
        return run([TEESQL, "--config", config or self.daemon_config, *arguments], check=check, timeout=extra.pop("timeout", 300), **extra)

    def backup(self, *arguments):
        return json.loads(self.teesql("--json", "backup", "now", *arguments).stdout)["backup"]

    def current_lsn(self):
        return self.postgres.admin("SELECT pg_current_wal_flush_lsn()")

    def archived(self, position=None):
        """Waits until WAL up to now is durable, and says how far that is."""
        position = position or self.current_lsn()

        def reached():
            status = json.loads(self.teesql("--json", "status").stdout)
            return all((s["durable_lsn"] or 0) >= lsn(position) for s in status["backups"].values())
        wait_for(reached, f"WAL up to {position} to be archived", 60, every=0.1)
        return position

    def target(self, name):
        return os.path.join(self.site, name)

    def restore(self, name, *arguments, check=True, config=None, adopt=False, **extra):
        """Returns (exit code, JSON object or None, stderr)."""
        command = ["--json", "restore", "--bin-directory", self.postgres.bindir, *([] if adopt else ["--no-adopt"])]
        if name is not None:
            command += ["--target-directory", self.target(name)]
        result = self.teesql(*command, *arguments, check=False, config=config, **extra)
        assert not check or result.returncode == 0, f"restore gave {result.returncode}\n{result.stdout}\n{result.stderr}"
        lines = result.stdout.strip().splitlines()
        return result.returncode, json.loads(lines[-1]) if lines else None, result.stderr

    def leftovers(self):
        return [n for n in os.listdir(self.site) if n.startswith(".teesql-restore-")]


class Restored:
    """A restored and recovered cluster, started to be looked at."""

    def __init__(self, world, name, **settings):
        self.world, self.path, self.socket = world, world.target(name), os.path.join(world.site, "s")
        user = world.postgres.user
        os.makedirs(self.socket, exist_ok=True)
        if user:
            os.chown(self.socket, user.pw_uid, user.pw_gid)
        options = [f"-c{k}={v}" for k, v in {"listen_addresses": "", "unix_socket_directories": self.socket, "port": "5999", **settings}.items()]
        self.process = Process("restored-" + name, [world.program("postgres"), "-D", self.path, *options], world.logs, user=user)
        self.process.wait_until(lambda: run([world.program("pg_isready"), "-q", "-h", self.socket, "-p", "5999"], check=False).returncode == 0, "ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop(2)

    def sql(self, text, database="postgres"):
        return run([self.world.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-p", "5999", "-U", "postgres", "-d", database, "-c", text],
                   env={**os.environ, "PGPASSWORD": self.world.postgres.password}).stdout.strip()

    def amcheck(self):
        run([self.world.program("pg_amcheck"), "-h", self.socket, "-p", "5999", "-U", "postgres", "--install-missing", "--heapallindexed", "--parent-check", "-d", "postgres"],
            env={**os.environ, "PGPASSWORD": self.world.postgres.password})


def checksums(world, name):
    world.postgres.as_user([world.program("pg_checksums"), "--check", "-D", world.target(name)])


__all__ = ["BackupWorld", "Restored", "checksums", "lsn", "shutil"]
