#!/usr/bin/env python3
"""The main job with real peers: psql, pgbench, pg_basebackup and raw sessions, through `teesql connect` and direct TLS."""

import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import pgclient, schema, tap  # noqa: E402
from harness.processes import BUILD, TEESQL, run, wait_for  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402

FULL = os.environ.get("TEESQL_FULL") == "1"


def system_psql(w):
    """The distribution's own psql, when it is another version than the server's."""
    path = shutil.which("psql", path="/usr/bin:/usr/local/bin")
    if not path:
        raise tap.Skip("no psql of the distribution")
    return path


@case("psql 17 runs a query through teesql connect")
def _(w):
    equal(w.psql("select 6 * 7, current_user").stdout, "42|teesql_readwrite\n")


@case("the distribution's psql runs a query through teesql connect")
def _(w):
    equal(w.connect([system_psql(w), "-XAtq", "-c", "select 6 * 7"]).stdout, "42\n")


@case("psql 17 runs a query through SSLRequest and an attested certificate")
def _(w):
    equal(w.direct([w.program("psql"), "-XAtq", "-c", "select current_user"]).stdout, "teesql_readwrite\n")


@case("SR-23: psql 17 runs a query through direct TLS with ALPN")
def _(w):
    result = w.direct([w.program("psql"), "-XAtq", "-c", "select current_user"], extra_env={"PGSSLNEGOTIATION": "direct"})
    equal(result.stdout, "teesql_readwrite\n")


@case("the distribution's psql runs a query through SSLRequest")
def _(w):
    equal(w.direct([system_psql(w), "-XAtq", "-c", "select 1"]).stdout, "1\n")


@case("libpq uses channel binding on direct TLS")
def _(w):
    result = w.direct([w.program("psql"), "-XAtq", "-c", "select 1"], extra_env={"PGCHANNELBINDING": "require"})
    equal(result.stdout, "1\n")


@case("direct TLS without ALPN is accepted")
def _(w):
    client = pgclient.attested(w, alpn=None)
    equal(client.query("select 1"), [["1"]])


@case("GSSENCRequest is answered N and the connection goes on")
def _(w):
    import struct
    client = pgclient.Client(w.port)
    client.send(struct.pack("!II", 8, pgclient.GSSENC_REQUEST))
    equal(client.read(1), b"N")
    equal(client.request_tls(), b"S")
    client.start_tls(w.certificate()).login("teesql_read", w.secrets["teesql_read"])
    equal(client.query("select 1"), [["1"]])


@case("pg_isready sees the server through teesql connect and direct")
def _(w):
    equal(w.connect([w.program("pg_isready")]).returncode, 0)
    equal(w.direct([w.program("pg_isready")]).returncode, 0)


@case("roles have the rights the product names")
def _(w):
    w.psql("create table if not exists rights (n int); insert into rights values (1)")
    equal(w.psql("select n from rights limit 1", "teesql_read").stdout, "1\n")
    refused = w.psql("insert into rights values (2)", "teesql_read", check=False)
    contains(refused.stderr, "permission denied")
    refused = w.psql("create table nope (n int)", "teesql_read", check=False)
    contains(refused.stderr, "permission denied")


@case("the read-write secret opens the read role")
def _(w):
    client = pgclient.attested(w, "teesql_read", w.secrets["teesql_readwrite"])
    equal(client.query("select current_user"), [["teesql_read"]])


@case("COPY in and out gives equal checksums")
def _(w):
    megabytes = 256 if FULL else 24
    path = os.path.join(w.dir, "copy.txt")
    with open(path, "w", encoding="ascii") as f:
        line = os.urandom(512).hex()
        for n in range(megabytes * 1024):
            f.write(f"{n}\t{line[n % 900:]}{line[:n % 900]}\n")
    w.psql("create table if not exists copied (n int, t text); truncate copied")
    w.psql(f"\\copy copied from '{path}'", timeout=600)
    out = path + ".out"
    w.psql(f"\\copy (select * from copied order by n) to '{out}'", timeout=600)
    equal(digest(out), digest(path))


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@case("LISTEN and NOTIFY pass between two sessions")
def _(w):
    listener, speaker = pgclient.attested(w), pgclient.attested(w)
    listener.query("listen news")
    speaker.query("notify news, 'hello'")
    kind, body = listener.message()
    equal((kind, body[4:]), (b"A", b"news\0hello\0"))


@case("prepared statements of the extended protocol work")
def _(w):
    client = pgclient.attested(w)
    client.send_message(b"P", b"s1\0select $1::int + 1\0\0\0")
    client.send_message(b"B", b"\0s1\0\0\0\0\1\0\0\0\2" + b"41" + b"\0\0")
    client.send_message(b"E", b"\0\0\0\0\0")
    client.send_message(b"S", b"")
    equal(client.rows(), [["42"]])


@case("pgbench runs through teesql connect")
def _(w):
    w.connect([w.program("pgbench"), "-i", "-q", "-s", "1", "postgres"])
    seconds = "60" if FULL else "6"
    result = w.connect([w.program("pgbench"), "-S", "-c", "8", "-j", "2", "-T", seconds, "-M", "prepared", "postgres"], timeout=180)
    contains(result.stdout, "number of failed transactions: 0")


@case("64 pgbench clients run through direct TLS without an error")
def _(w):
    seconds = "60" if FULL else "8"
    result = w.direct([w.program("pgbench"), "-c", "64", "-j", "2", "-T", seconds, "postgres"], timeout=300)
    contains(result.stdout, "number of failed transactions: 0")
    equal("error" in result.stderr.lower(), False, result.stderr)


@case("SR-24: pg_basebackup as replicator copies the cluster")
def _(w):
    target = os.path.join(w.dir, "base")
    w.connect([w.program("pg_basebackup"), "-D", target, "-X", "stream", "--no-sync", "-c", "fast"], "replicator", timeout=300)
    assert os.path.exists(os.path.join(target, "backup_manifest"))
    shutil.rmtree(target)
    w.direct([w.program("pg_basebackup"), "-D", target, "-X", "stream", "--no-sync", "-c", "fast"], "replicator", timeout=300)
    assert os.path.exists(os.path.join(target, "PG_VERSION"))


@case("replication is refused to the other roles")
def _(w):
    result = w.direct([w.program("psql"), "-XAtq", "-d", "replication=true dbname=postgres", "-c", "IDENTIFY_SYSTEM"], check=False)
    equal(result.returncode != 0, True)
    contains(result.stderr, "FATAL")


@case("Ctrl-C in psql cancels through teesql connect")
def _(w):
    environment = w.environment("teesql_readwrite")
    secret = environment.pop("PGPASSWORD")
    command = [TEESQL, "--config", w.client_config, "connect", "--exec", "--", "env", f"PGPASSWORD={secret}", "PGUSER=teesql_readwrite",
               "PGDATABASE=postgres", w.program("psql"), "-XAtq", "-c", "select pg_sleep(600) /* cancel me */"]
    child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: w.postgres.admin("select count(*) from pg_stat_activity where query like '%cancel me%' and state = 'active' and pid <> pg_backend_pid()") == "1",
             "the query to run")
    psql = run(["pgrep", "-g", str(child.pid), "-x", "psql"]).stdout.split()
    os.kill(int(psql[0]), signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    contains(stderr, "canceling statement due to user request")


def libpq_cancel_program(w):
    """A C program on PostgreSQL 17's libpq (PQcancelBlocking), run with that libpq's own loader where it is a private one."""
    program = os.path.join(BUILD, "tests/integration/cancel-libpq17")
    if not os.path.exists(program):
        raise tap.Skip("cancel-libpq17 was not built")
    root = os.path.realpath(os.path.join(w.postgres.bindir, "../../../../.."))
    loader = os.path.join(root, "usr/lib64/ld-linux-x86-64.so.2")
    if root == "/" or not os.path.exists(loader):
        return [program]
    libraries = os.path.join(root, "usr/lib/x86_64-linux-gnu")
    return [loader, "--library-path", libraries, program]


@case("SR-24: libpq 17 cancels inside TLS")
def _(w):
    result = w.direct(libpq_cancel_program(w), check=False)
    equal(result.returncode, 0, result.stderr + result.stdout)
    contains(result.stdout, "canceling statement due to user request")


@case("a big result arrives whole")
def _(w):
    kilobytes = 1024 * 1024 if FULL else 96 * 1024
    client = pgclient.attested(w)
    client.sock.settimeout(300)
    client.send_message(b"Q", f"select repeat('x', 1024) from generate_series(1, {kilobytes})".encode() + b"\0")
    rows = 0
    while True:
        kind, body = client.message()
        if kind == b"D":
            assert len(body) == 2 + 4 + 1024, len(body)
            rows += 1
        elif kind == b"Z":
            break
    equal(rows, kilobytes)


@case("half-close: what was asked for before still arrives")
def _(w):
    client = pgclient.attested(w)
    client.send_message(b"Q", b"select generate_series(1, 1000)\0")
    client.send_message(b"X", b"")
    received = 0
    while True:
        try:
            kind, _ = client.message()
        except (EOFError, OSError):
            break
        received += kind == b"D"
    equal(received, 1000)


@case("the server killed in the middle of a query ends the session with what was sent")
def _(w):
    client = pgclient.attested(w)
    pid = client.query("select pg_backend_pid()")[0][0]
    client.send_message(b"Q", b"select pg_sleep(600)\0")
    w.postgres.admin(f"select pg_terminate_backend({pid})")
    try:
        while client.message()[0] in (b"T", b"N"):
            pass
        raise AssertionError("an error was expected")
    except pgclient.ServerError as error:
        equal(error.fields["C"], "57P01")
    client.sock.settimeout(20)
    equal(client.sock.recv(4096), b"")


@case("sessions of many clients in parallel see their own data")
def _(w):
    failures = []

    def work(number):
        try:
            client = pgclient.attested(w)
            for n in range(20):
                equal(client.query(f"select {number} * 1000 + {n}, repeat('{number % 10}', 5000)"), [[str(number * 1000 + n), str(number % 10) * 5000]])
            client.close()
        except Exception as error:
            failures.append(repr(error))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(32)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    equal(failures, [])


@case("SR-3, SR-13: a log line of every session names connection, peer, role, level and chip, and no secret")
def _(w):
    pgclient.attested(w).close()
    log = w.daemon.log()
    for secret in w.secrets.values():
        assert secret not in log, "a secret is in the log"
    assert w.postgres.password not in log, "a derived password is in the log"
    contains(log, "127.0.0.1:")
    contains(log, "teesql_readwrite")
    contains(log, "level=certificate")
    contains(log, f"platform={w.client.describe()['platform']}")


@case("health says ok, and names the external root")
def _(w):
    status, body = w.http("/health")
    equal(status, 200)
    assert body["taints"], body
    equal(w.http("/health/startup")[0], 200)


@case("teesql wait and verify server agree that the server is there")
def _(w):
    target = f"127.0.0.1:{w.port}"
    equal(run([TEESQL, "--config", w.client_config, "wait", target, "--timeout", "20s"]).returncode, 0)
    text = run([TEESQL, "--config", w.client_config, "--json", "verify", "server", target]).stdout
    answer = schema.check_text(text, "verify-server")
    schema.check_text(json.dumps({"schema": 1, **answer["evidence"]}), "verify-quote")
    equal(answer["evidence"]["verified"], True)
    equal(answer["evidence"]["binding"], "ok")
    equal(answer["evidence"]["policy"]["accepted"], True)
    equal(answer["evidence"]["mrtd"], w.server.describe()["mrtd"])


@case("DATABASE_URL is rewritten for the command, in both forms")
def _(w):
    for url in (f"postgresql://teesql_readwrite:{w.secrets['teesql_readwrite']}@127.0.0.1:{w.port}/postgres?sslmode=require",
                f"host=127.0.0.1 port={w.port} user=teesql_readwrite password={w.secrets['teesql_readwrite']} dbname=postgres"):
        environment = {**w.environment("teesql_readwrite"), "DATABASE_URL": url}
        environment.pop("PGPASSWORD")
        result = run([TEESQL, "--config", w.client_config, "connect", "--exec", "--", "sh", "-c", f"exec {w.program('psql')} -XAtqc 'select 7' \"$DATABASE_URL\""],
                     env=environment)
        equal(result.stdout, "7\n")


@case("connect --exec returns the command's exit code")
def _(w):
    equal(w.connect(["sh", "-c", "exit 41"], check=False).returncode, 41)
    equal(w.connect(["/nonexistent/command"], check=False).returncode, 127)


@case("idle sessions survive a reload")
def _(w):
    client = pgclient.attested(w)
    w.daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reload" in w.daemon.log().lower(), "the reload in the log")
    equal(client.query("select 1"), [["1"]])


@case("SIGTERM drains: the running query ends, new connections are refused, exit is 0")
def _(w):
    client = pgclient.attested(w)
    client.send_message(b"Q", b"select pg_sleep(1), 'done'\0")
    wait_for(lambda: w.postgres.admin("select count(*) from pg_stat_activity where query like '%''done''%' and pid <> pg_backend_pid()") == "1", "the query to run")
    w.daemon.signal(signal.SIGTERM)
    equal(client.rows()[0][1], "done")
    client.send_message(b"X", b"")
    equal(w.daemon.child.wait(40), 0)
    readable, _, _ = select.select([client.sock], [], [], 20)
    assert readable, "the connection was left open"


def main():
    with World() as w:
        return tap.run(w)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
