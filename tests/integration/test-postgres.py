#!/usr/bin/env python3
"""Provisioning against a real PostgreSQL 17: what is made, what roles can do and cannot, what is refused."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from harness import tap
from harness.processes import BUILD, Process, folder, free_port, run, wait_for
from harness.tap import case, equal
from harness.world import Postgres, World

DRIVER = os.path.join(BUILD, "tests/integration/postgres-driver")
ROLES_KEY = hashlib.sha256(b"a key of the KMS at pg/roles").digest()
SUPERUSER = "5" * 64
SALT = base64.b64encode(b"sixteen bytes ok").decode()
ROLES = {"teesql_read": "read", "teesql_readwrite": "read-write", "replicator": "replication"}
ODD = 'Or"ders; \'x'  # a database whose name wants quoting everywhere


class Site:
    """A server and the configuration that fronts it. Stands where the harness expects its world."""

    def __init__(self, **settings):
        self.dir = folder()
        self.logs = os.path.join(self.dir, "log")
        os.mkdir(self.logs)
        self.postgres = Postgres(self, SUPERUSER, **settings)
        self.password_file = os.path.join(self.dir, "password")
        with open(self.password_file, "w", encoding="ascii") as f:
            f.write(SUPERUSER)

    def config(self, roles=None, **postgresql):
        groups = {"teesql": {"cluster": "test"}, "auth": {"scram-salt": SALT},
                  "postgresql": {"host": self.postgres.run_dir, **{k.replace("_", "-"): v for k, v in postgresql.items()}}}
        for role, privileges in (ROLES if roles is None else roles).items():
            groups[f"role:{role}"] = {"privileges": privileges, "secret-verifier": f"SCRAM-SHA-256$4096:{SALT}${'A' * 43}=:{'A' * 43}="}
        path = os.path.join(self.dir, f"config-{len(os.listdir(self.dir))}.conf")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write(World.keyfile(groups, {}))
        return path

    def drive(self, *command, config=None, check=True, password_file=None, environment=None):
        """The lines the driver printed."""
        names = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        result = subprocess.run([DRIVER, config or self.config(), password_file or self.password_file, ROLES_KEY.hex(), *command],
                                capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                                env={**{n: os.environ[n] for n in names if n in os.environ}, **(environment or {})})
        if check:
            assert result.returncode == 0, (result.stdout, result.stderr)
        else:
            assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def provision(self, **options):
        return self.drive("provision", **options)[0]

    def refused(self, *command, **options):
        """(reason, message, what status then says)"""
        error, status = self.drive(*(command or ("provision",)), check=False, **options)
        return error["reason"], error["message"], status

    def as_role(self, role, sql, database="postgres", check=True, **more):
        result = run([os.path.join(self.postgres.bindir, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.postgres.run_dir, "-U", role,
                      "-d", database, "-c", sql], check=check, env={**os.environ, "PGPASSWORD": role_password(role), **more})
        return result.stdout.strip() if check else (result.returncode, result.stderr)

    def denied(self, role, sql, database="postgres", code="permission denied|must be owner|must be"):
        status, text = self.as_role(role, sql, database, check=False)
        assert status != 0 and any(part in text for part in code.split("|")), f"{role} could: {sql}\n{text}"

    def admin(self, sql, database="postgres"):
        return self.postgres.admin(sql, database)

    def catalogue(self, database="postgres"):
        """Everything provisioning may touch, to be compared as a whole."""
        return self.admin("SELECT rolname, rolpassword, rolcanlogin, rolreplication FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1;"
                          "SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1;"
                          "SELECT nspacl FROM pg_namespace WHERE nspname = 'public'; SELECT datname, datacl FROM pg_database ORDER BY 1;"
                          "SELECT defaclrole, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1, 2;"
                          "SELECT * FROM pg_db_role_setting ORDER BY 1, 2", database)


def role_password(role):
    """Row 2 of the derivation table, by another hand: HKDF-SHA256 (RFC 5869), one block."""
    label, context = b"role-password", role.encode()
    info = bytes([len(label)]) + label + len(context).to_bytes(2, "big") + context
    key = hmac.digest(b"teesql/v1", ROLES_KEY, "sha256")
    return hmac.digest(key, info + b"\x01", "sha256").hex()


@case("the first run makes the roles and says what it changed")
def first_run(site):
    site.admin("CREATE TABLE before (a integer); INSERT INTO before VALUES (1); CREATE SEQUENCE counter")
    site.admin('CREATE TABLE "Odd ""name\'; --" (a serial)')
    out = site.provision()
    for role in ROLES:
        assert f"role {role}: created" in out["changes"], out
    assert "database postgres: SELECT on 2 tables granted to teesql_read" in out["changes"], out["changes"]
    equal(out["status"]["components"]["postgres"]["health"], "ok", "health")
    equal(out["status"]["facts"]["postgres_version"], site.admin("SHOW server_version").split()[0], "version")
    equal(out["address"], os.path.join(site.postgres.run_dir, ".s.PGSQL.5432"), "address")


@case("a second run changes nothing")
def second_run(site):
    before = site.catalogue()
    equal(site.provision()["changes"], [], "changes")
    equal(site.catalogue(), before, "catalogue")


@case("role passwords are those of the derivation table, kept as SCRAM verifiers")
def passwords(site):
    for role in ("teesql_read", "teesql_readwrite"):
        equal(site.as_role(role, "SELECT current_user"), role)
    stored = site.admin("SELECT rolpassword FROM pg_authid WHERE rolname IN ('teesql_read', 'teesql_readwrite', 'replicator')").split()
    assert len(set(stored)) == 3 and all(text.startswith("SCRAM-SHA-256$4096:") for text in stored), stored


@case("a reader reads what was there and what comes later, and can do nothing else")
def reader(site):
    site.admin("CREATE TABLE by_admin (a integer)")
    site.as_role("teesql_readwrite", "CREATE TABLE by_writer (a serial); INSERT INTO by_writer VALUES (1)")
    for table in ("before", "by_admin", "by_writer", '"Odd ""name\'; --"'):
        site.as_role("teesql_read", f"SELECT * FROM {table}")
        for sql in (f"INSERT INTO {table} VALUES (1)", f"UPDATE {table} SET a = 1", f"DELETE FROM {table}", f"TRUNCATE {table}", f"DROP TABLE {table}"):
            site.denied("teesql_read", sql)
    site.as_role("teesql_read", "SELECT last_value FROM counter")
    for sql in ("CREATE TABLE mine (a integer)", "CREATE FUNCTION f () RETURNS integer RETURN 1", "SELECT nextval ('counter')", "CREATE SCHEMA mine",
                "CREATE ROLE x", "CREATE DATABASE x", "SET ROLE teesql_readwrite", "SELECT * FROM pg_authid", "COPY before TO PROGRAM 'true'",
                "SELECT pg_read_file ('PG_VERSION')", "ALTER ROLE teesql_read SUPERUSER"):
        site.denied("teesql_read", sql)
    equal(site.as_role("teesql_read", "SHOW search_path"), "pg_catalog, public, pg_temp")


@case("a read-write role selects, inserts, updates, deletes and creates, and rules nobody")
def writer(site):
    site.as_role("teesql_readwrite", "INSERT INTO before VALUES (2); UPDATE before SET a = 3 WHERE a = 2; DELETE FROM before WHERE a = 3;"
                 "SELECT nextval ('counter'); SELECT setval ('counter', 7); INSERT INTO by_admin VALUES (1);"
                 "CREATE TABLE own (a integer); CREATE INDEX ON own (a); CREATE VIEW own_view AS SELECT * FROM before; DROP VIEW own_view; DROP TABLE own")
    for sql in ("TRUNCATE before", "DROP TABLE before", "ALTER TABLE before ADD b integer", "CREATE SCHEMA mine", "CREATE ROLE x", "CREATE DATABASE x",
                "SELECT * FROM pg_authid", "ALTER ROLE teesql_read PASSWORD 'x'", "SET ROLE postgres", "COPY before TO PROGRAM 'true'",
                "GRANT teesql_readwrite TO teesql_read", "BEGIN; LOCK TABLE pg_authid IN ACCESS SHARE MODE"):
        site.denied("teesql_readwrite", sql)


@case("the replicator replicates and sees no table")
def replicator(site):
    assert "postgres" not in site.as_role("replicator", "IDENTIFY_SYSTEM", database="dbname=postgres replication=true").lower()
    for sql in ("SELECT * FROM before", "CREATE TABLE mine (a integer)", "CREATE ROLE x"):
        site.denied("replicator", sql)
    for role in ("teesql_read", "teesql_readwrite"):
        site.denied(role, "IDENTIFY_SYSTEM", "dbname=postgres replication=true", "permission denied|must be")


@case("our SCRAM client logs in over the wire, with keys that were there already")
def wire(site):
    for role, database in (("teesql_read", "postgres"), ("teesql_readwrite", "postgres"), ("replicator", "replication")):
        login = site.drive("login", role, database)[0]
        equal(login["cached"], True, role)
        equal(login["cancel_key"], role != "replicator" or login["cancel_key"], role)


@case("what drifted is repaired, and nothing else is touched")
def drift(site):
    site.admin("REVOKE SELECT ON before FROM teesql_read; ALTER ROLE teesql_read CREATEDB NOLOGIN; ALTER ROLE replicator PASSWORD 'other';"
               "ALTER ROLE teesql_read IN DATABASE postgres RESET search_path; REVOKE CREATE ON SCHEMA public FROM teesql_readwrite;"
               "GRANT INSERT ON before TO teesql_read; ALTER ROLE teesql_readwrite VALID UNTIL '2001-01-01'")
    found = sorted(site.provision()["changes"])
    equal(found, sorted([
        "role teesql_read: attributes set", "role teesql_readwrite: attributes set", "role replicator: password set",
        "database postgres: SELECT on 1 table granted to teesql_read", "database postgres: INSERT on 1 table taken from teesql_read",
        "database postgres: CREATE on 1 schema granted to teesql_readwrite", "database postgres: search_path of teesql_read set"]), "changes")
    equal(site.provision()["changes"], [], "afterwards")


@case("a verifier made by others from the right password stays, with its salt and rounds")
def foreign_verifier(site):
    site.admin(f"SET scram_iterations = 5000; ALTER ROLE teesql_read PASSWORD '{role_password('teesql_read')}'")
    before = site.catalogue()
    equal(site.provision()["changes"], [], "changes")
    equal(site.catalogue(), before, "catalogue")
    equal(site.drive("login", "teesql_read", "postgres")[0]["cached"], True, "keys of 5000 rounds")


@case("verifiers we would not answer are replaced")
def bad_verifiers(site):
    for text in ("SET scram_iterations = 100; ALTER ROLE teesql_read PASSWORD '%s'" % role_password("teesql_read"),
                 "SET scram_iterations = 100000; ALTER ROLE teesql_read PASSWORD '%s'" % role_password("teesql_read"),
                 "SET password_encryption = 'md5'; ALTER ROLE teesql_read PASSWORD '%s'" % role_password("teesql_read"),
                 "ALTER ROLE teesql_read PASSWORD NULL"):
        site.admin(text)
        equal(site.provision()["changes"], ["role teesql_read: password set"], text)
    equal(site.drive("login", "teesql_read", "postgres")[0]["cached"], True)


@case("a role that becomes a reader loses what it could write")
def demotion(site):
    site.provision(config=site.config({"changing": "read-write"}))
    site.as_role("changing", "INSERT INTO before VALUES (5)")
    out = site.provision(config=site.config({"changing": "read"}))
    assert any("INSERT" in change and "taken from changing" in change for change in out["changes"]), out["changes"]
    site.as_role("changing", "SELECT * FROM before")
    site.admin("CREATE TABLE after_demotion (a integer)")
    for sql in ("INSERT INTO before VALUES (6)", "CREATE TABLE mine (a integer)", "SELECT nextval ('counter')", "INSERT INTO after_demotion VALUES (1)"):
        site.denied("changing", sql)
    equal(site.provision(config=site.config({"changing": "read"}))["changes"], [], "afterwards")
    out = site.provision(config=site.config({"changing": "read-write"}))
    assert any("search_path of changing reset" in change for change in out["changes"]), out["changes"]


@case("rights that come from elsewhere are pointed out")
def remarks(site):
    site.admin("GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT DELETE ON before TO PUBLIC; GRANT pg_write_all_data TO teesql_read")
    notices = {n["reason"] for n in site.provision()["status"]["notices"]}
    assert {"postgres-public-rights", "postgres-role-member"} <= notices, notices
    site.admin("REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE DELETE ON before FROM PUBLIC; REVOKE pg_write_all_data FROM teesql_read")
    equal(site.provision()["status"]["notices"], [], "notices")


@case("several databases, with names that want quoting")
def databases(site):
    site.admin('CREATE DATABASE "' + ODD.replace('"', '""') + '"')
    # the keyfile's list has its own separator, so this name is quoted by nobody but PostgreSQL
    named = ODD.replace(";", "")
    site.admin('ALTER DATABASE "' + ODD.replace('"', '""') + '" RENAME TO "' + named.replace('"', '""') + '"')
    config = site.config(databases=f"postgres;{named}")
    out = site.provision(config=config)
    assert any(change.startswith(f"database {named}: ") for change in out["changes"]), out["changes"]
    equal(site.provision(config=config)["changes"], [], "second run")
    site.as_role("teesql_readwrite", "CREATE TABLE there (a integer)", named)
    site.as_role("teesql_read", "SELECT * FROM there", named)
    site.denied("teesql_read", "INSERT INTO there VALUES (1)", named)


@case("two nodes at once make one set of roles")
def race(site):
    roles = {"race_read": "read", "race_write": "read-write", "race_replication": "replication"}
    configs = [site.config(roles) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda config: site.provision(config=config), configs))
    changes = [change for result in results for change in result["changes"]]
    equal(len(changes), len(set(changes)), "each change made once")
    assert {f"role {role}: created" for role in roles} <= set(changes), changes


@case("an application that changes its tables meanwhile only delays it")
def contested(site):
    site.as_role("teesql_readwrite", "CREATE TABLE contested (a integer); REVOKE SELECT ON contested FROM teesql_read")
    session = subprocess.Popen([os.path.join(site.postgres.bindir, "psql"), "-XAtq", "-h", site.postgres.run_dir, "-U", "teesql_readwrite", "-d", "postgres"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PGPASSWORD": role_password("teesql_readwrite")})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        session.stdin.write("BEGIN; GRANT TRIGGER ON contested TO PUBLIC; SELECT 'held';\n")
        session.stdin.flush()
        equal(session.stdout.readline(), "held\n")
        waiting = pool.submit(site.provision)
        wait_for(lambda: site.admin("SELECT count (*) FROM pg_stat_activity WHERE application_name = 'teesqld' AND wait_event_type = 'Lock'") == "1", "our waiting")
        session.communicate("COMMIT;\n", timeout=20)
        equal(waiting.result()["changes"], ["database postgres: SELECT on 1 table granted to teesql_read"], "changes")
    site.as_role("teesql_read", "SELECT * FROM contested")
    site.as_role("teesql_readwrite", "DROP TABLE contested")


@case("nothing of a verifier or a password reaches the server's log")
def server_log(site):
    for sql in ("ALTER SYSTEM SET log_statement = 'all'", "ALTER SYSTEM SET log_min_duration_statement = 0", "SELECT pg_reload_conf ()"):
        site.admin(sql)
    wait_for(lambda: site.admin("SHOW log_statement") == "all", "log_statement = all")
    equal(site.provision(config=site.config({"logged": "read"}))["changes"][0], "role logged: created")
    equal(site.admin("SELECT 'the log is on'"), "the log is on")
    site.admin("ALTER SYSTEM RESET ALL")
    site.admin("SELECT pg_reload_conf ()")
    log = site.postgres.process.log()
    assert "the log is on" in log
    assert "SCRAM-SHA-256$" not in log and role_password("logged") not in log


@case("a role that is a superuser is refused, before anything is done")
def untouchable(site):
    site.admin("CREATE ROLE chief SUPERUSER LOGIN")
    before = site.catalogue()
    reason, message, status = site.refused(config=site.config({"another": "read", "chief": "read"}))
    equal(reason, "postgres-role-superuser", message)
    equal(status["components"]["postgres"]["health"], "failed", "health")
    equal(site.catalogue(), before, "catalogue")


@case("with provision = false nothing is changed and what is missing is shown")
def look_only(site):
    before = site.catalogue()
    out = site.provision(config=site.config({"absent": "read"}, provision="false"))
    equal(out["changes"], [], "changes")
    equal(out["status"]["components"]["postgres"]["health"], "degraded", "health")
    equal(out["status"]["components"]["postgres"]["reason"], "postgres-not-provisioned", "reason")
    equal(site.catalogue(), before, "catalogue")
    equal(site.provision(config=site.config(provision="false"))["status"]["components"]["postgres"]["health"], "ok", "when all is there")


@case("pg_hba.conf that trusts, or asks for something else, degrades")
def hba(site):
    path = os.path.join(site.postgres.data, "pg_hba.conf")
    with open(path, encoding="utf-8") as f:
        original = f.read()

    def rules(text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        site.admin("SELECT pg_reload_conf ()")
        wait_for(lambda: site.admin("SELECT count (*) FROM pg_hba_file_rules") == str(len(text.strip().splitlines())), "the rules")
        health = site.provision()["status"]
        return health["components"]["postgres"]["health"], sorted({(n["reason"]) for n in health["notices"]})

    try:
        first = "local all postgres scram-sha-256\n"
        equal(rules(first + "local all all scram-sha-256\nlocal replication all scram-sha-256\n"), ("ok", []), "as it should be")
        equal(rules(first + "local all all trust\nlocal replication all trust\n"), ("degraded", ["postgres-hba-trust"]), "trust")
        equal(rules(first + "local all all peer\nlocal all all scram-sha-256\nlocal replication all scram-sha-256\n"), ("degraded", ["postgres-hba-method"]), "peer")
        equal(rules(first + "local all all scram-sha-256\n"), ("degraded", ["postgres-hba-method"]), "no rule for replication")
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(original)
        site.admin("SELECT pg_reload_conf ()")


@case("each reason why the server cannot be used has its name")
def reasons(site):
    wrong = os.path.join(site.dir, "wrong")
    with open(wrong, "w", encoding="ascii") as f:
        f.write("0" * 64)
    equal(site.refused(password_file=wrong)[0], "postgres-login", "wrong password")
    open(wrong, "w", encoding="ascii").close()
    equal(site.refused(password_file=wrong)[0], "postgres-login", "no password")
    equal(site.refused(config=site.config(databases="absent"))[0], "postgres-database", "database")
    equal(site.refused(config=site.config(host=site.dir))[0], "postgres-unreachable", "no socket")
    site.admin(f"CREATE ROLE clerk LOGIN PASSWORD '{SUPERUSER}'")
    equal(site.refused(config=site.config(admin_user="clerk"))[0], "postgres-rights", "administrator without rights")


@case("the environment cannot steer the connection")
def environment(site):
    for name, value in (("PGHOSTADDR", "10.0.0.1"), ("PGSERVICE", "other"), ("PGOPTIONS", "-c search_path=evil")):
        reason, message, _ = site.refused(environment={name: value})
        equal(reason, "postgres-environment", message)
        assert name in message


@case("the state is read, also after the server was restarted, and its absence is noticed")
def state(site):
    driver = subprocess.Popen([DRIVER, site.config(), site.password_file, ROLES_KEY.hex(), "state"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True, env={n: os.environ[n] for n in ("PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS") if n in os.environ})

    def ask():
        driver.stdin.write("\n")
        driver.stdin.flush()
        return json.loads(driver.stdout.readline())

    try:
        first = json.loads(driver.stdout.readline())
        equal(first["system_identifier"], site.admin("SELECT system_identifier FROM pg_control_system ()"))
        equal(first["in_recovery"], False)
        site.admin("INSERT INTO before SELECT generate_series (1, 1000)")
        second = ask()
        assert second["wal_lsn"] != first["wal_lsn"], (first, second)
        site.postgres.stop()
        equal(ask()["reason"], "postgres-unreachable", "stopped")
        site.postgres.start()
        equal(ask()["version"], first["version"], "started again")
        site.postgres.stop()
        site.postgres.start()
        equal(ask()["system_identifier"], first["system_identifier"], "restarted between two questions")
    finally:
        driver.stdin.close()
        driver.wait(20)


@case("a standby is fronted as it is")
def standby(site):
    data = os.path.join(site.postgres.run_dir, "standby")
    site.provision()
    site.postgres.as_user(["pg_basebackup", "-D", data, "-h", site.postgres.run_dir, "-U", "postgres", "-R", "-c", "fast"],
                          env={**os.environ, "PGPASSWORD": SUPERUSER})
    process = Process("standby", [os.path.join(site.postgres.bindir, "postgres"), "-D", data, "-clisten_addresses=", "-cport=5433",
                                  f"-cunix_socket_directories={site.postgres.run_dir}"], site.logs, user=site.postgres.user)
    try:
        process.wait_until(lambda: run([os.path.join(site.postgres.bindir, "pg_isready"), "-q", "-h", site.postgres.run_dir, "-p", "5433"],
                                       check=False).returncode == 0, "ready")
        config = site.config(port="5433")
        out = site.provision(config=config)
        equal((out["changes"], out["status"]["components"]["postgres"]["health"]), ([], "ok"))
        equal(site.drive("state", config=config)[0]["in_recovery"], True)
    finally:
        process.stop()


@case("a server that has only loopback TCP is fronted too")
def loopback_tcp(site):
    site.postgres.stop()
    port = free_port()
    site.postgres.settings.update(listen_addresses="127.0.0.1", port=str(port))
    site.postgres.port = str(port)
    try:
        site.postgres.start()
        config = site.config(host="127.0.0.1", port=str(port))
        out = site.provision(config=config)
        equal((out["address"], out["status"]["components"]["postgres"]["health"]), (f"127.0.0.1:{port}", "ok"))
        equal(site.drive("login", "teesql_read", "postgres", config=config)[0]["cached"], True)
    finally:
        if site.postgres.process.alive():
            site.postgres.stop()
        site.postgres.settings.update(listen_addresses="", port="5432")
        site.postgres.port = "5432"
        site.postgres.start()


def other_server(site, name, bindir, **settings):
    """A second server in a network of its own, so that nothing it listens on can be reached; its unix socket can."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or run(["unshare", "-n", "true"], check=False).returncode != 0:
        raise tap.Skip("needs root and a network namespace")
    place = os.path.join(site.postgres.run_dir, name)
    user = site.postgres.user
    site.postgres.as_user(["/bin/mkdir", place])
    run(["/bin/sh", "-c", 'cat | "$0" "$@"', os.path.join(bindir, "initdb"), "-D", os.path.join(place, "data"), "-U", "postgres", "--no-sync",
         "--auth=scram-sha-256", "--pwfile=/dev/stdin"], input=SUPERUSER + "\n", user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/")
    options = [f"-c{k}={v}" for k, v in {"unix_socket_directories": place, "fsync": "off", **settings}.items()]
    # an address is put on the namespace's own loopback device for the server to find
    script = 'ip link set lo up && ip address add 10.0.0.1/32 dev lo && exec setpriv --reuid="$0" --regid="$1" --clear-groups -- "${@:2}"'
    process = Process(name, ["unshare", "-n", "bash", "-c", script, str(user.pw_uid), str(user.pw_gid), os.path.join(bindir, "postgres"), "-D",
                             os.path.join(place, "data"), *options], site.logs)
    process.wait_until(lambda: run([os.path.join(site.postgres.bindir, "pg_isready"), "-q", "-h", place], check=False).returncode == 0, "ready")
    return process, site.config(host=place)


@case("a server that listens beyond loopback is refused, whatever it calls that")
def listens_beyond(site):
    # `0` and `10.1` are names to whoever only reads the setting, and addresses to the resolver
    for number, setting in enumerate(("*", "0.0.0.0", "localhost,10.0.0.1", "0", "10.1", "::")):
        process, config = other_server(site, f"beyond{number}", site.postgres.bindir, listen_addresses=setting)
        try:
            reason, message, status = site.refused(config=config)
            equal(reason, "postgres-listens-beyond-loopback", setting)
            equal(status["components"]["postgres"]["reason"], "postgres-listens-beyond-loopback", "status")
            assert "\nhint: " in message
        finally:
            process.stop(2)


@case("a server on loopback, by name or address, is not")
def listens_on_loopback(site):
    for number, setting in enumerate(("localhost", "127.0.0.1,::1", "127.1")):
        process, config = other_server(site, f"loopback{number}", site.postgres.bindir, listen_addresses=setting)
        try:
            assert site.provision(config=config)["changes"]
        finally:
            process.stop(2)


@case("another major version is refused, and the message says which is supported")
def version(site):
    bindir = next((d for d in (f"/usr/lib/postgresql/{n}/bin" for n in (15, 16, 18)) if os.access(os.path.join(d, "postgres"), os.X_OK)), None)
    if bindir is None:
        raise tap.Skip("no other PostgreSQL is installed")
    process, config = other_server(site, "version", bindir, listen_addresses="")
    try:
        reason, message, _ = site.refused(config=config)
        equal(reason, "postgres-version", message)
        assert message.endswith("is not supported, expected 17"), message
    finally:
        process.stop(2)


if __name__ == "__main__":
    place = Site()
    failed = tap.run(place)
    place.postgres.stop()
    sys.exit(1 if failed else 0)
