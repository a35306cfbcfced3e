"""A whole installation on loopback: one simulated platform, guests, PostgreSQL 17, teesqld, a client. Everything is the
product's own program; tests change one thing and look at what happens."""

import base64
import http.client
import json
import os
import pwd
import signal
import socket
import subprocess
import threading

from . import leaks, tap
from .processes import BUILD, PLUGINS, SIMULATOR, SOURCE, TEESQL, TEESQLD, Process, folder, free_port, run, wait_for

KMS_PATHS = ("pg/roles", "backup/encryption", "backup/encryption/1")
ROLES = {"teesql_read": "read", "teesql_readwrite": "read-write", "replicator": "replication"}


def postgres_bindir():
    named = os.environ.get("TEESQL_PG_BINDIR")
    if named:
        return named
    result = run([os.path.join(SOURCE, "data/get-postgresql.sh")], check=False, timeout=600)
    if result.returncode != 0:
        tap.skip_all("PostgreSQL 17 is not here")
    return result.stdout.strip().splitlines()[-1]


def postgres_user():
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise AssertionError("no user to run PostgreSQL as")


def unix_request(path, method, target, body=None):
    """(status, body) of one HTTP request over a unix socket."""
    connection = http.client.HTTPConnection("dstack", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(path)
    connection.request(method, target, body=body, headers={"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


class Guest:
    """One simulated confidential VM with its guest agent."""

    def __init__(self, world, name, compose="services: {}\n", image="teesql-guest", seed=None, pccs=False, app_name=None, **options):
        self.world, self.name = world, name
        self.socket = os.path.join(world.dir, f"{name}.sock")
        self.control = os.path.join(world.dir, f"{name}.control")
        app = world.write(f"{name}.json", json.dumps({"name": app_name or name, "image": image, "compose": compose}))
        lines = {"platform-seed": f"file:{seed or world.seed}", "machine": name, "app": app, "listen": self.socket, "control-socket": self.control}
        if pccs:
            lines.update({"pccs-listen": "127.0.0.1:0", "write-root": world.root})
        lines.update({key.replace("_", "-"): value for key, value in options.items()})
        self.config = world.write(f"{name}-simulator.conf", "[simulator]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items()))
        self.start()

    def start(self):
        self.process = Process(f"guest-{self.name}", [SIMULATOR, "--config", self.config], self.world.logs)
        self.process.wait_until(lambda: '"ready":true' in self.process.out().replace(" ", ""), "its ready line")
        self.ready = json.loads(self.process.out().strip().splitlines()[-1])
        if self.ready.get("pccs"):  # the port stays when it is started again
            with open(self.config, encoding="utf-8") as f:
                text = f.read()
            self.world.write(os.path.basename(self.config), text.replace("pccs-listen = 127.0.0.1:0\n", f"pccs-listen = {self.ready['pccs'].split('//')[1]}\n"))

    def describe(self):
        return json.loads(run([SIMULATOR, "describe", "--config", self.config]).stdout)

    def pins(self):
        d = self.describe()
        return {"allowed-mrtd": d["mrtd"], "allowed-rtmr1": d["rtmr1"], "allowed-rtmr2": d["rtmr2"],
                "allowed-compose-hash": d["compose_hash"], "allowed-key-provider": d["key_provider"]}

    def set(self, **changes):
        """Changes quote-version, tcb-status or misbehave of the running guest."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.control)
            s.sendall((json.dumps(changes) + "\n").encode())
            answer = s.makefile().readline()
        assert json.loads(answer).get("ok") is True, answer

    def call(self, method, **fields):
        status, body = unix_request(self.socket, "POST", f"/{method}", json.dumps(fields))
        assert status == 200, (status, body)
        return json.loads(body)


class Postgres:
    def __init__(self, world, superuser_password, **settings):
        self.world, self.bindir, self.user = world, postgres_bindir(), postgres_user()
        self.run_dir = os.path.join(world.dir, "pg")
        self.data = os.path.join(self.run_dir, "data")
        os.makedirs(self.run_dir, exist_ok=True)
        if self.user:
            os.chown(self.run_dir, self.user.pw_uid, self.user.pw_gid)
        os.chmod(self.run_dir, 0o755)
        self.settings = {"listen_addresses": "", "unix_socket_directories": self.run_dir, "wal_level": "replica", "fsync": "off", **settings}
        self.port = str(self.settings.get("port", 5432))
        # through a pipe of its own: one that root made could not be opened again by PostgreSQL's user
        self.as_user(["/bin/sh", "-c", 'cat | "$0" "$@"', os.path.join(self.bindir, "initdb"), "-D", self.data, "-U", "postgres",
                      "--auth=scram-sha-256", "--data-checksums", "--no-locale", "-E", "UTF8", "--no-sync", "--pwfile=/dev/stdin"],
                     input=superuser_password + "\n")
        self.password = superuser_password
        self.start()

    def as_user(self, command, **extra):
        if self.user:
            extra.update(user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        return run([os.path.join(self.bindir, command[0]), *command[1:]], cwd="/", **extra)

    def start(self):
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        self.process = Process("postgres", [os.path.join(self.bindir, "postgres"), "-D", self.data, *options], self.world.logs, user=self.user)
        self.process.wait_until(lambda: run([os.path.join(self.bindir, "pg_isready"), "-q", "-h", self.run_dir, "-p", self.port], check=False).returncode == 0, "ready")

    def admin(self, sql, database="postgres"):
        """As the superuser, straight to PostgreSQL."""
        return run([os.path.join(self.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.run_dir, "-p", self.port, "-U", "postgres", "-d", database, "-c", sql],
                   env={**os.environ, "PGPASSWORD": self.password}).stdout.strip()

    def stop(self, number=signal.SIGINT):
        return self.process.stop(number)

    def groups(self):
        return {"host": self.run_dir}


class ManagedPostgres:
    """What `mode = managed` of teesqld starts and stops; here only where it is."""

    def __init__(self, world, superuser_password):
        self.world, self.bindir, self.user, self.password = world, postgres_bindir(), postgres_user(), superuser_password
        self.run_dir = os.path.join(world.dir, "run", "postgresql")
        self.data = os.path.join(world.dir, "state", "postgresql")
        self.port = "5432"

    as_user, admin = Postgres.as_user, Postgres.admin

    def groups(self):
        # a test's disk is not asked to be safe against a power cut where PostgreSQL is asked to be
        return {"mode": "managed", "bin-directory": self.bindir, "user": self.user.pw_name if self.user else pwd.getpwuid(os.geteuid()).pw_name,
                "stop-timeout": "20s", "restart-backoff-max": "2s"}

    def pid(self):
        """Of the postmaster; None when there is none."""
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as f:
                pid = int(f.readline())
        except (OSError, ValueError):
            return None
        return pid if os.path.exists(f"/proc/{pid}") else None

    def processes(self):
        """Every process that stands in the data directory."""
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.readlink(f"/proc/{name}/cwd").removesuffix(" (deleted)") == self.data:
                    found.append(int(name))
            except OSError:
                pass
        return sorted(found)

    def stop(self):
        wait_for(lambda: not self.processes(), "PostgreSQL's end", 40)


class World:
    """with World() as w: …  Keyword arguments are overrides of the configuration: daemon={"proxy": {"max-pending": 8}}.
    managed=True: teesqld runs PostgreSQL itself."""

    def __init__(self, daemon=None, client=None, start=True, postgres_settings=None, managed=False):
        self.dir = folder()
        self.logs = os.path.join(self.dir, "log")
        os.mkdir(self.logs, 0o700)
        self.overrides, self.client_overrides = daemon or {}, client or {}
        self.root = os.path.join(self.dir, "root.pem")
        run([SIMULATOR, "init", os.path.join(self.dir, "platform")])
        self.seed = os.path.join(self.dir, "platform", "seed")
        self.server = Guest(self, "server", compose="services: {teesqld: {}}\n", pccs=True)
        self.client = Guest(self, "client", compose="services: {app: {}}\n")
        self.pccs = self.server.ready["pccs"]
        self.salt = base64.b64encode(os.urandom(16)).decode()
        self.secrets, self.verifiers = {}, {}
        self.secret_files = []  # of storages, of whoever else has some
        self.certificates = threading.Lock()
        for role in ROLES:
            self.make_secret(role)
        self.port, self.http_port = free_port(), free_port()
        password = self.server.call("GetKey", path="pg/superuser", purpose="superuser-password")["key"]
        self.known = {"the superuser's password": password, **{path: self.server.call("GetKey", path=path, purpose="test")["key"] for path in KMS_PATHS}}
        self.postgres = ManagedPostgres(self, password) if managed else Postgres(self, password, **(postgres_settings or {}))
        self.daemon = None
        self.daemon_config = self.write_daemon_config()
        self.client_config = self.write_client_config("client", self.client)
        if start:
            self.start_daemon()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.daemon and self.daemon.alive():
            self.daemon.stop(seconds=45)  # longer than its drain-timeout
        self.postgres.stop()
        for guest in (self.server, self.client):
            guest.process.stop()
        leaked = leaks.find_in(self.hidden(), self.logs)
        assert not leaked, f"secrets in logs: {leaked}"

    def hidden(self):
        """name -> secret: all that no log may hold, keys that are derived of others too"""
        found = {**self.known, **{f"the secret of {role}": secret for role, secret in self.secrets.items()}}
        path = os.path.join(self.dir, "state", "backup", "cluster-id")
        if os.path.exists(path):
            with open(path, encoding="ascii") as f:
                cluster = bytes.fromhex(f.read().strip())
            for epoch, name in enumerate(KMS_PATHS[1:]):
                found[f"epoch key {epoch}"] = leaks.derive(bytes.fromhex(self.known[name]), b"backup-epoch", cluster + epoch.to_bytes(4, "big"))
            found["the head's key"] = leaks.derive(bytes.fromhex(self.known[KMS_PATHS[1]]), b"head-mac", b"test-1")
        for path in self.secret_files:
            with open(path, encoding="utf-8") as f:
                found[os.path.basename(path)] = f.read().strip()
        return found

    # --- files

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def make_secret(self, role):
        path = os.path.join(self.dir, role + ".secret")
        if os.path.exists(path):
            os.unlink(path)
        text = run([TEESQL, "secret", "new", "--role", role, "--scram-salt", self.salt, "--out", path]).stdout
        self.verifiers[role] = next(line.split(" = ", 1)[1] for line in text.splitlines() if line.startswith("secret-verifier = "))
        with open(path, encoding="ascii") as f:
            self.secrets[role] = f.read().strip()

    @staticmethod
    def keyfile(groups, overrides):
        """@overrides: group -> key -> value; None takes a key out."""
        merged = {group: dict(keys) for group, keys in groups.items()}
        for group, keys in overrides.items():
            merged.setdefault(group, {}).update(keys)
        text = ""
        for group, keys in merged.items():
            text += f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v is not None) + "\n"
        return text

    def verifier(self, who):
        return {"trusted-root": self.root, "collateral-url": self.pccs, "cache-directory": os.path.join(self.dir, "cache-" + who)}

    def daemon_groups(self):
        roles = {f"role:{role}": {"privileges": privileges, "secret-verifier": self.verifiers[role]} for role, privileges in ROLES.items()}
        roles["role:teesql_read"]["also-secret-of"] = "teesql_readwrite"
        return {
            "teesql": {"cluster": "test", "node": "test-1", "plugin-path": PLUGINS, "state-directory": os.path.join(self.dir, "state"),
                       "runtime-directory": os.path.join(self.dir, "run")},
            "identity": {"alt-names": "localhost;127.0.0.1"},
            "attester:dstack": {"endpoint": self.server.socket}, "kms:dstack": {"endpoint": self.server.socket},
            "verifier:dcap": self.verifier("server"), "policy:clients": self.client.pins(),
            "proxy": {"listen": f"127.0.0.1:{self.port}"}, "auth": {"scram-salt": self.salt}, **roles,
            "postgresql": self.postgres.groups(), "http": {"listen": f"127.0.0.1:{self.http_port}"},
        }

    def write_daemon_config(self, overrides=None):
        return self.write("teesqld.conf", self.keyfile(self.daemon_groups(), overrides if overrides is not None else self.overrides))

    def write_client_config(self, name, guest, overrides=None):
        groups = {
            "teesql": {"plugin-path": PLUGINS},
            "connect": {"server": f"127.0.0.1:{self.port}", "socket-directory": os.path.join(self.dir, "sockets-" + name)},
            "attester:dstack": {"endpoint": guest.socket}, "verifier:dcap": self.verifier(name), "policy:server": self.server.pins(),
        }
        return self.write(f"teesql-{name}.conf", self.keyfile(groups, overrides if overrides is not None else self.client_overrides))

    # --- the daemon

    def start_daemon(self, ready=True, environment=None):
        self.daemon = Process("teesqld", [TEESQLD, "--config", self.daemon_config], self.logs, environment=environment)
        if ready:
            self.daemon.wait_until(lambda: self.http("/health/ready")[0] == 200, "/health/ready", 60)
        return self.daemon

    def restart_daemon(self, **overrides):
        """With another configuration: restart_daemon(proxy={…})."""
        if self.daemon and self.daemon.alive():
            self.daemon.stop()
        self.daemon_config = self.write_daemon_config({group.replace("__", ":"): keys for group, keys in overrides.items()} or None)
        return self.start_daemon()

    def http(self, path):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except OSError:
            return 0, None

    # --- the client

    def environment(self, role, secret=None, **extra):
        names = ("PATH", "HOME", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        return {**{n: os.environ[n] for n in names if n in os.environ}, "PGPASSWORD": secret if secret is not None else self.secrets.get(role, "0" * 64),
                "PGUSER": role, "PGDATABASE": "postgres", "PGCONNECT_TIMEOUT": "20", **extra}

    def connect(self, command, role="teesql_readwrite", config=None, secret=None, check=True, **extra):
        """Runs @command under `teesql connect --exec`. PGPASSWORD travels inside the command: --exec clears the caller's."""
        environment = self.environment(role, secret)
        inner = ["env", f"PGPASSWORD={environment.pop('PGPASSWORD')}", f"PGUSER={role}", "PGDATABASE=postgres", *command]
        return run([TEESQL, "--config", config or self.client_config, "connect", "--exec", "--", *inner], check=check, env=environment, **extra)

    def psql(self, sql, role="teesql_readwrite", check=True, arguments=(), **extra):
        return self.connect([self.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *arguments, "-c", sql], role, check=check, **extra)

    def program(self, name):
        return os.path.join(self.postgres.bindir, name)

    def certificate(self, name="client", config=None):
        """(certificate, key) files of an attested client, for libpq or Python's own TLS. Made once per name."""
        out = os.path.join(self.dir, "cert-" + name)
        with self.certificates:
            if not os.path.exists(os.path.join(out, "key.pem")):
                run([TEESQL, "--config", config or self.client_config, "cert", "--out", out])
        return os.path.join(out, "cert.pem"), os.path.join(out, "key.pem")

    def direct(self, command, role="teesql_readwrite", secret=None, check=True, certificate=None, sslmode="require", extra_env=None, **extra):
        """Runs @command straight against :5433 with libpq's own TLS and an attested certificate."""
        cert, key = certificate or self.certificate()
        environment = self.environment(role, secret, PGHOST="127.0.0.1", PGPORT=str(self.port), PGSSLMODE=sslmode, PGSSLCERT=cert, PGSSLKEY=key,
                                       **(extra_env or {}))
        return run(command, check=check, env=environment, **extra)


def subprocess_output(result):
    return (result.stdout or "") + (result.stderr or "")


__all__ = ["BUILD", "Guest", "ManagedPostgres", "Postgres", "ROLES", "World", "postgres_bindir", "subprocess", "subprocess_output", "wait_for"]
