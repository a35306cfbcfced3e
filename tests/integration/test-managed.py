#!/usr/bin/env python3
"""mode = managed: teesqld makes PostgreSQL, starts, watches and stops it, whatever ends first; and what it will not touch."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.processes import BUILD, TEESQLD, Process, run, wait_for  # noqa: E402
from harness.tap import case, contains, equal  # noqa: E402
from harness.world import World  # noqa: E402


def reason(w):
    body = w.http("/health")[1]
    return body["reason"] if body else None


def wait_reason(w, wanted, seconds=30):
    try:
        wait_for(lambda: reason(w) == wanted, wanted, seconds)
    except AssertionError:
        raise AssertionError(f"{wanted}: health says {w.http('/health')}\n{w.daemon.log()[-3000:]}") from None


def wait_ready(w, seconds=60):
    w.daemon.wait_until(lambda: w.http("/health/ready")[0] == 200, "/health/ready", seconds)


def control(w, field):
    text = w.postgres.as_user(["pg_controldata", "-D", w.postgres.data], env={"LC_ALL": "C"}).stdout
    return re.search(rf"^{re.escape(field)}:\s*(.*)$", text, re.M).group(1)


def down(w, number=signal.SIGTERM):
    if w.daemon and w.daemon.alive():
        equal(w.daemon.stop(number, seconds=60), 0 if number == signal.SIGTERM else -number, w.daemon.log()[-2000:])
    w.postgres.stop()


def up(w, ready=True):
    w.daemon = None
    w.start_daemon(ready=ready)


def launcher(w):
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/comm", encoding="ascii") as comm, open(f"/proc/{name}/stat", encoding="ascii") as stat:
                if comm.read().strip() == "teesql-launcher" and stat.read().rsplit(") ", 1)[1].split()[1] == str(w.daemon.pid):
                    return int(name)
        except OSError:
            pass
    raise AssertionError("there is no launcher")


@case("an empty folder becomes a cluster with checksums and SCRAM, and nothing listens on the network")
def made(w):
    equal(w.postgres.admin("SHOW data_checksums"), "on")
    equal(w.postgres.admin("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres'"), "t")
    equal(w.postgres.admin("SELECT type || ' ' || auth_method FROM pg_hba_file_rules ORDER BY rule_number"), "local scram-sha-256\nlocal scram-sha-256")
    equal(w.postgres.admin("SHOW listen_addresses"), "")
    equal(w.postgres.admin("SHOW summarize_wal"), "on")
    equal(w.postgres.admin("SELECT datlocprovider::text || ' ' || datlocale || ' ' || pg_encoding_to_char (encoding) FROM pg_database WHERE datname = 'postgres'"),
          "b C.UTF-8 UTF8")
    equal(os.stat(w.postgres.data).st_mode & 0o777, 0o700)
    equal(w.psql("SELECT current_user").stdout.strip(), "teesql_readwrite")


@case("PostgreSQL has a user and an environment of its own, no right, and none of our descriptors")
def apart(w):
    pid = w.postgres.pid()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = f.read()
    uid = int(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1))
    equal(uid, w.postgres.user.pw_uid if w.postgres.user else os.geteuid())
    assert uid != 0
    equal(re.search(r"^NoNewPrivs:\s+(\d)", status, re.M).group(1), "1")
    equal(int(re.search(r"^CapEff:\s+(\w+)", status, re.M).group(1), 16), 0)
    equal(re.search(r"^Groups:([^\n]*)", status, re.M).group(1).strip() if w.postgres.user else "", "")
    with open(f"/proc/{pid}/environ", encoding="ascii") as f:
        names = {entry.split("=")[0] for entry in f.read().split("\0") if entry}
    assert names <= {"PATH", "LC_ALL", "TZ", "HOME", "PGDATA", "PG_OOM_ADJUST_FILE", "PG_OOM_ADJUST_VALUE", "PG_GRANDPARENT_PID"} | {"LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME"}, names
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
        assert w.postgres.password not in f.read()
    foreign = [link for link in (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
               if "memfd" in link or link.endswith(".lock") or w.dir in link and w.postgres.data not in link]
    equal(foreign, [])
    assert os.getsid(pid) != os.getsid(w.daemon.pid)


@case("a password is on no disk and in no log")
def secret(w):
    found = run(["grep", "-rl", w.postgres.password, w.dir], check=False).stdout
    equal(found, "")


@case("what decides who reaches the server cannot be changed from within")
def fixed(w):
    for sql in ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM SET listen_addresses = '*'"):
        result = run([w.program("psql"), "-XAtq", "-h", w.postgres.run_dir, "-U", "postgres", "-d", "postgres", "-c", sql], check=False,
                     env={"PGPASSWORD": w.postgres.password})
        contains(result.stderr, "ALTER SYSTEM is not allowed")
    with open(os.path.join(w.postgres.data, "postgresql.auto.conf"), "a", encoding="ascii") as f:
        f.write("summarize_wal = off\nallow_alter_system = on\nlog_line_prefix = 'x'\n")
    try:
        w.postgres.admin("SELECT pg_reload_conf ()")
        w.postgres.admin("SELECT pg_sleep (0.3)")
        equal(w.postgres.admin("SHOW summarize_wal"), "on")
        equal(w.postgres.admin("SHOW allow_alter_system"), "off")
    finally:
        open(os.path.join(w.postgres.data, "postgresql.auto.conf"), "w", encoding="ascii").close()


@case("each setting of the allow-list is one of PostgreSQL's, of the kind and the reload that PostgreSQL has")
def allow_list(w):
    page = run([os.path.join(BUILD, "docs/teesql-options-doc"), "/dev/stdin"], input="@DAEMON@\n").stdout
    rows = re.findall(r"^\*\*(\w+)\*\*: (.*); \*(live|restart)\*$", page.split("## [postgresql-settings]")[1].split("\n## [")[0], re.M)
    assert len(rows) > 100, len(rows)
    known = {}
    for line in w.postgres.admin("SELECT lower (name), context, vartype, coalesce (unit, ''), coalesce (array_to_string (enumvals, ', '), '') FROM pg_settings").splitlines():
        name, context, vartype, unit, values = line.split("|")
        known[name] = (context, vartype, unit, values)
    for name, form, reload in rows:
        assert name in known, f"{name} is unknown to PostgreSQL"
        context, vartype, unit, values = known[name]
        equal(reload, "restart" if context == "postmaster" else "live", f"{name}: {context}")
        assert context in ("postmaster", "sighup", "user", "superuser", "superuser-backend"), f"{name}: {context}"
        kind = "memory" if unit in ("B", "kB", "8kB", "MB") else "time" if unit in ("ms", "s", "min") else \
            {"bool": "on, off", "enum": values, "integer": "integer", "real": "number", "string": "text"}[vartype]
        if vartype == "enum":
            assert set(form.split(", ")) <= set(values.split(", ")), f"{name}: {form} against {values}"
        else:
            assert form.startswith(kind), f"{name}: {form} against {kind}"
    for never in ("listen_addresses", "unix_socket_directories", "archive_command", "restore_command", "shared_preload_libraries", "session_preload_libraries",
                  "local_preload_libraries", "jit_provider", "ssl", "hba_file", "data_directory", "dynamic_library_path", "fsync", "full_page_writes", "log_destination",
                  "ignore_checksum_failure", "zero_damaged_pages", "primary_conninfo", "external_pid_file", "wal_level", "allow_alter_system"):
        assert never not in {name for name, _, _ in rows}, never


@case("a reload takes up settings; what needs a restart waits and is named; a wrong one changes nothing")
def reload(w):
    def load(settings):
        w.write_daemon_config({**w.overrides, "postgresql-settings": settings})
        before = w.daemon.log().count("reload done") + w.daemon.log().count("reload refused")
        w.daemon.signal(signal.SIGHUP)
        wait_for(lambda: w.daemon.log().count("reload done") + w.daemon.log().count("reload refused") > before, "the reload")

    load({"work_mem": "7MB", "random_page_cost": "1.25", "shared_buffers": "16MB", "timezone": "Europe/Paris"})
    wait_for(lambda: w.postgres.admin("SHOW work_mem") == "7MB", "work_mem")
    equal(w.postgres.admin("SHOW random_page_cost"), "1.25")
    equal(w.postgres.admin("SHOW timezone"), "Europe/Paris")
    equal(w.postgres.admin("SHOW shared_buffers"), "128MB")
    contains(w.daemon.log(), "[postgresql-settings] shared_buffers: the change waits for a restart")
    for wrong, says in (({"work_mem": "7"}, "work_mem: “7” is not what stands here, expected memory with its unit"),
                        ({"listen_addresses": "*"}, "listen_addresses: unknown key"),
                        ({"max_conections": "7"}, "did you mean max_connections?")):
        load(wrong)
        contains(w.daemon.log(), says)
        equal(w.postgres.admin("SHOW work_mem"), "7MB")
    wait_ready(w)
    down(w)
    w.write_daemon_config({**w.overrides, "postgresql-settings": {"shared_buffers": "16MB"}})
    up(w)
    equal(w.postgres.admin("SHOW shared_buffers"), "16MB")
    equal(w.postgres.admin("SHOW work_mem"), "4MB")


@case("a postmaster that is killed is started again, and health tells of it")
def crash(w):
    w.psql("CREATE TABLE IF NOT EXISTS kept (i integer); INSERT INTO kept VALUES (1)")
    first = w.postgres.pid()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: w.postgres.pid() not in (None, first), "another postmaster")
    wait_ready(w)
    contains(w.daemon.log(), "postgres-crashed: PostgreSQL was ended by signal 9")
    equal(w.psql("SELECT count (*) > 0 FROM kept").stdout.strip(), "t")


@case("a crash loop is named, tried again with longer pauses, and forgotten once it runs")
def crash_loop(w):
    def kill_again():
        pid = w.postgres.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
        return reason(w) == "postgres-crash-loop"
    wait_for(kill_again, "postgres-crash-loop", 30)
    equal(w.http("/health/ready")[0], 503)
    wait_ready(w)
    equal(w.http("/health")[1]["status"], "ok")


@case("teesqld that is killed leaves no PostgreSQL behind: it is stopped in order, and the next start is plain")
def daemon_killed(w):
    w.daemon.signal(signal.SIGKILL)
    w.daemon.child.wait()
    w.postgres.stop()
    equal(control(w, "Database cluster state"), "shut down")
    up(w)
    assert "was interrupted" not in w.daemon.log().rsplit("health is shown", 1)[1]


@case("teesqld that starts while the server of the killed one is being stopped waits for it")
def overlap(w):
    pid = w.postgres.pid()
    os.kill(pid, signal.SIGSTOP)  # it cannot end yet
    w.daemon.signal(signal.SIGKILL)
    w.daemon.child.wait()
    up(w, ready=False)
    w.daemon.wait_until(lambda: "of an earlier teesqld is still being stopped" in w.daemon.log(), "that it waits")
    wait_reason(w, "data-directory-in-use")
    os.kill(pid, signal.SIGCONT)
    wait_ready(w)
    assert w.postgres.pid() != pid


@case("a launcher that is killed ends teesqld, and PostgreSQL in order")
def launcher_killed(w):
    os.kill(launcher(w), signal.SIGKILL)
    equal(w.daemon.child.wait(30), 1, w.daemon.log()[-1000:])
    contains(w.daemon.log(), "the launcher of PostgreSQL has ended")
    w.postgres.stop()
    equal(control(w, "Database cluster state"), "shut down")
    up(w)


@case("both killed at once: the next start waits for what is left, and recovers")
def both_killed(w):
    os.kill(w.postgres.pid(), signal.SIGKILL)
    w.daemon.signal(signal.SIGKILL)
    w.daemon.child.wait()
    up(w)
    equal(w.psql("SELECT count (*) > 0 FROM kept").stdout.strip(), "t")


@case("SIGTERM: clients first, PostgreSQL last, each in order")
def terminate(w):
    down(w)
    log = w.daemon.log()
    equal(control(w, "Database cluster state"), "shut down")
    places = [log.rindex(text) for text in ("drains: no new session", "info daemon: drained", "PostgreSQL is stopped, fast", "database system is shut down", "PostgreSQL has ended")]
    equal(places, sorted(places))
    up(w)


@case("a session that goes on does not hold up a fast stop")
def busy_stop(w):
    session = subprocess.Popen([w.program("psql"), "-XAtq", "-h", w.postgres.run_dir, "-U", "postgres", "-d", "postgres"], stdin=subprocess.PIPE, text=True,
                               env={"PGPASSWORD": w.postgres.password}, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
    session.stdin.write("SELECT 'in';\nSELECT pg_sleep (600);\n")
    session.stdin.flush()
    equal(session.stdout.readline(), "in\n")
    down(w)
    session.communicate(timeout=20)
    up(w)


@case("SIGTERM while PostgreSQL starts stops it too")
def early_stop(w):
    down(w)
    up(w, ready=False)
    w.daemon.wait_until(lambda: w.postgres.pid() is not None, "a postmaster")
    down(w)
    equal(control(w, "Database cluster state"), "shut down")
    up(w)


@case("lock files of a server that is gone are not believed, though another process has its number")
def stale(w):
    down(w)
    other = subprocess.Popen(["sleep", "600"], **({"user": w.postgres.user.pw_uid, "group": w.postgres.user.pw_gid, "extra_groups": []} if w.postgres.user else {}))
    try:
        socket = os.path.join(w.postgres.run_dir, ".s.PGSQL.5432")
        for path in (os.path.join(w.postgres.data, "postmaster.pid"), socket + ".lock"):
            with open(path, "w", encoding="ascii") as f:
                f.write(f"{other.pid}\n{w.postgres.data}\n1700000000\n5432\n{w.postgres.run_dir}\n\n  0 0\nready\n")
            if w.postgres.user:
                os.chown(path, w.postgres.user.pw_uid, w.postgres.user.pw_gid)
            os.chmod(path, 0o600)
        up(w)
        equal(other.poll(), None)
    finally:
        other.kill()
        other.wait()


@case("killed in the middle of initdb: no cluster or a whole one, and the rest is cleaned away")
def initdb_killed(w):
    identity = os.path.join(w.dir, "state", "postgresql-identity")
    staging = os.path.join(w.dir, "state", ".postgresql.teesql-new")
    down(w)
    os.rename(w.postgres.data, w.postgres.data + ".kept")
    os.rename(identity, identity + ".kept")
    try:
        for progress in ("PG_VERSION", "global/pg_control", "base/1/PG_VERSION"):
            up(w, ready=False)
            w.daemon.wait_until(lambda p=progress: os.path.exists(os.path.join(staging, p)), f"{progress} in {staging}")
            w.daemon.signal(signal.SIGKILL)
            w.daemon.child.wait()
            assert not os.path.exists(w.postgres.data), "a part of a cluster stands in its place"
        up(w)
        equal(os.path.exists(staging), False)
        equal(w.postgres.admin("SHOW data_checksums"), "on")
        down(w)
    finally:
        down(w)
        shutil.rmtree(w.postgres.data, ignore_errors=True)
        os.rename(w.postgres.data + ".kept", w.postgres.data)
        os.rename(identity + ".kept", identity)
    up(w)


def refused(w, change, undo, wanted, text):
    """@change, then a start that is refused for that; @undo, and the same daemon goes on."""
    down(w)
    change()
    try:
        up(w, ready=False)
        wait_reason(w, wanted)
        contains(w.daemon.log(), text)
        equal(w.http("/health/ready")[0], 503)
    finally:
        undo()
    wait_ready(w)


@case("a folder of something else is refused and left alone")
def foreign(w):
    kept = w.postgres.data + ".kept"

    def change():
        os.rename(w.postgres.data, kept)
        os.mkdir(w.postgres.data, 0o700)
        with open(os.path.join(w.postgres.data, "thesis.tex"), "w", encoding="ascii") as f:
            f.write("years")
        if w.postgres.user:
            os.chown(w.postgres.data, w.postgres.user.pw_uid, -1)

    def undo():
        equal(os.listdir(w.postgres.data), ["thesis.tex"])
        shutil.rmtree(w.postgres.data)
        os.rename(kept, w.postgres.data)
    refused(w, change, undo, "data-directory-foreign", "holds no PostgreSQL cluster (thesis.tex)")


@case("another major version is refused, with the way out")
def version(w):
    path = os.path.join(w.postgres.data, "PG_VERSION")

    def write(text):
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
    refused(w, lambda: write("16\n"), lambda: write("17\n"), "data-directory-version", "pg_upgrade")
    refused(w, lambda: write("18\n"), lambda: write("17\n"), "data-directory-version", "a newer version of this program")


@case("a folder that others can read is refused")
def mode(w):
    refused(w, lambda: os.chmod(w.postgres.data, 0o755), lambda: os.chmod(w.postgres.data, 0o700), "data-directory-mode", "chmod 0700")


@case("a symbolic link is refused")
def symlink(w):
    kept = w.postgres.data + ".kept"

    def change():
        os.rename(w.postgres.data, kept)
        os.symlink(kept, w.postgres.data)

    def undo():
        os.unlink(w.postgres.data)
        os.rename(kept, w.postgres.data)
    refused(w, change, undo, "data-directory-symlink", "symbolic link")


@case("a folder of another user is refused")
def owner(w):
    if not w.postgres.user:
        raise tap.Skip("needs root")
    refused(w, lambda: os.chown(w.postgres.data, 0, 0), lambda: os.chown(w.postgres.data, w.postgres.user.pw_uid, w.postgres.user.pw_gid),
            "data-directory-owner", "chown it")


@case("a broken control file is refused")
def broken(w):
    path = os.path.join(w.postgres.data, "global", "pg_control")

    def flip():
        with open(path, "r+b") as f:
            f.seek(100)
            byte = f.read(1)
            f.seek(100)
            f.write(bytes([byte[0] ^ 1]))
    refused(w, flip, flip, "data-directory-control", "its checksum does not agree")


@case("another cluster, or none, in the place of ours is refused")
def exchanged(w):
    kept, other = w.postgres.data + ".kept", w.postgres.data + ".other"
    down(w)
    os.rename(w.postgres.data, kept)
    up(w, ready=False)
    wait_reason(w, "data-directory-emptied")
    equal(os.path.exists(w.postgres.data), False)
    down(w)
    extra = {"user": w.postgres.user.pw_uid, "group": w.postgres.user.pw_gid, "extra_groups": []} if w.postgres.user else {}
    os.mkdir(other, 0o700)
    if w.postgres.user:
        os.chown(other, w.postgres.user.pw_uid, w.postgres.user.pw_gid)
    run(["/bin/sh", "-c", 'cat | "$0" "$@"', w.program("initdb"), "-D", other, "--no-sync", "-A", "scram-sha-256", "-U", "postgres", "--pwfile=/dev/stdin"],
        input="x\n", cwd="/", **extra)
    os.rename(other, w.postgres.data)
    up(w, ready=False)
    wait_reason(w, "data-directory-exchanged")
    down(w)
    shutil.rmtree(w.postgres.data)
    os.rename(kept, w.postgres.data)
    up(w)


@case("a server in our directory that somebody else started is never ended")
def in_use(w):
    down(w)
    w.write_daemon_config({**w.overrides, "postgresql": {**w.postgres.groups(), "stop-timeout": "1s"}})
    extra = {"user": w.postgres.user.pw_uid, "group": w.postgres.user.pw_gid, "extra_groups": []} if w.postgres.user else {}
    other = subprocess.Popen([w.program("postgres"), "-D", w.postgres.data, "-clisten_addresses=", f"-cunix_socket_directories={w.postgres.run_dir}"], cwd="/",
                             stderr=subprocess.DEVNULL, **extra)
    try:
        wait_for(lambda: w.postgres.pid() == other.pid, "the other server")
        up(w, ready=False)
        wait_reason(w, "data-directory-in-use")
        w.daemon.wait_until(lambda: "pg_ctl stop" in w.daemon.log(), "that waiting is of no use", 40)
        equal(other.poll(), None)
    finally:
        other.send_signal(signal.SIGINT)
        other.wait(30)
        w.write_daemon_config()
    wait_ready(w)


@case("a standby is shown as in recovery; its roles are provisioned once it is promoted")
def recovery(w):
    path = os.path.join(w.postgres.data, "standby.signal")
    down(w)
    open(path, "w", encoding="ascii").close()
    if w.postgres.user:
        os.chown(path, w.postgres.user.pw_uid, -1)
    up(w, ready=False)
    wait_reason(w, "in-recovery")
    equal(w.http("/health/startup")[0], 503)
    equal(w.postgres.admin("SELECT pg_promote ()"), "t")
    wait_ready(w)


@case("a postmaster that cannot start says why in health's log, and starts once it can")
def cannot_start(w):
    down(w)
    w.write_daemon_config({**w.overrides, "postgresql-settings": {"max_connections": "5", "reserved_connections": "100"}})
    up(w, ready=False)
    wait_reason(w, "postgres-crash-loop", 40)
    contains(w.daemon.log(), "must be less than")
    equal(w.daemon.stop(seconds=60), 0)
    w.write_daemon_config()
    up(w)


@case("a full disk ends PostgreSQL and nothing else; there is room, and it goes on")
def full_disk(_):
    if os.geteuid() != 0:
        raise tap.Skip("needs root, to mount a small tmpfs")
    with World(managed=True, start=False) as w:
        volume = os.path.join(w.dir, "volume")
        os.mkdir(volume)
        if run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "tmpfs", volume], check=False).returncode != 0:
            raise tap.Skip("no tmpfs can be mounted here")
        try:
            w.postgres.data = os.path.join(volume, "data")
            w.overrides = {"postgresql": {"data-directory": w.postgres.data}, "postgresql-settings": {"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_keep_size": "0"}}
            w.write_daemon_config()
            w.start_daemon()
            w.psql("CREATE TABLE much (t text)")
            ballast = os.path.join(volume, "ballast")
            with open(ballast, "wb") as f:
                try:
                    while True:
                        f.write(b"\0" * 65536)
                        f.flush()
                except OSError:
                    pass
            wait_reason(w, "disk-full")
            equal(w.http("/health/ready")[0], 200)
            # WAL that finds no room ends the server
            wal = "SELECT pg_logical_emit_message (true, 'teesql', repeat ('x', 1000000)) FROM generate_series (1, 200)"
            run([w.program("psql"), "-XAtq", "-h", w.postgres.run_dir, "-U", "postgres", "-d", "postgres", "-c", wal], check=False,
                env={"PGPASSWORD": w.postgres.password})
            w.daemon.wait_until(lambda: "disk-full: PostgreSQL ended by itself" in w.daemon.log(), "its end")
            equal(w.http("/health/ready")[0], 503)
            equal(reason(w), "disk-full")
            os.unlink(ballast)
            wait_ready(w)
            equal(w.psql("SELECT count (*) >= 0 FROM much").stdout.strip(), "t")
        finally:
            down(w)
            run(["umount", volume], check=False)


@case("a mount point itself is no data directory")
def mount_point(_):
    if os.geteuid() != 0:
        raise tap.Skip("needs root, to mount a small tmpfs")
    with World(managed=True, start=False) as w:
        volume = os.path.join(w.dir, "volume")
        os.mkdir(volume)
        if run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", volume], check=False).returncode != 0:
            raise tap.Skip("no tmpfs can be mounted here")
        try:
            w.overrides = {"postgresql": {"data-directory": volume}}
            w.write_daemon_config()
            w.start_daemon(ready=False)
            wait_reason(w, "data-directory-mount")
            equal(os.listdir(volume), [])
        finally:
            down(w)
            run(["umount", volume], check=False)


@case("a daemon that is not root runs it as another user by four capabilities, and gives them up")
def capabilities(_):
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise tap.Skip("needs root and setpriv, to start a daemon with capabilities")
    user = pwd.getpwnam("daemon")
    as_daemon = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if run([*as_daemon, "test", "-x", TEESQLD], check=False).returncode != 0:
        raise tap.Skip("another user cannot reach the build folder")
    names = "chown,+kill,+setgid,+setuid"
    with World(managed=True, start=False) as w:
        for base, _, files in os.walk(w.dir):
            for path in (base, *(os.path.join(base, name) for name in files)):
                os.chown(path, user.pw_uid, user.pw_gid)
        w.daemon = Process("teesqld", [*as_daemon, f"--inh-caps=-all,+{names}", f"--ambient-caps=-all,+{names}", f"--bounding-set=-all,+{names}",
                                       TEESQLD, "--config", w.daemon_config], w.logs)
        wait_ready(w)
        for line, wanted in (("Uid", str(user.pw_uid)), ("CapEff", "0"), ("CapPrm", "0"), ("CapAmb", "0")):
            with open(f"/proc/{w.daemon.pid}/status", encoding="ascii") as f:
                equal(re.search(rf"^{line}:\s+0*(\d+)", f.read(), re.M).group(1), wanted, line)
        pid = w.postgres.pid()
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = f.read()
        equal(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1), str(w.postgres.user.pw_uid))
        for line in ("CapEff", "CapPrm", "CapAmb", "CapInh"):
            equal(int(re.search(rf"^{line}:\s+(\w+)", status, re.M).group(1), 16), 0, line)
        equal(w.postgres.admin("SELECT 1"), "1")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: w.postgres.pid() not in (None, pid), "another postmaster")
        wait_ready(w)
        down(w)
        equal(control(w, "Database cluster state"), "shut down")


@case("root, a user that is not there, and programs that others may change are configuration errors")
def configuration(w):
    def check(**keys):
        path = w.write("wrong.conf", w.keyfile(w.daemon_groups(), {"postgresql": {key.replace("_", "-"): value for key, value in keys.items()}}))
        result = run([os.path.join(BUILD, "core/daemon/teesqld"), "--config", path, "--check-config"], check=False)
        return result.returncode, result.stderr
    status, text = check(user="root")
    equal(status, 78)
    contains(text, "PostgreSQL refuses to run as root")
    if w.postgres.user:
        status, text = check(user="nobody-of-that-name")
        equal(status, 78)
        contains(text, "there is no user")
    loose = os.path.join(w.dir, "loose")
    os.mkdir(loose)
    for name in ("postgres", "initdb"):
        shutil.copy("/bin/true", os.path.join(loose, name))
    os.chmod(loose, 0o777)
    status, text = check(bin_directory=loose)
    equal(status, 78)
    contains(text, "others may change it")
    status, text = check(bin_directory=os.path.join(w.dir, "absent"))
    equal(status, 78)
    contains(text, "bin-directory")
    status, text = check(host="127.0.0.1")
    equal(status, 78)
    contains(text, "a managed server has a unix socket only")
    status, text = check(data_directory=w.dir)
    equal(status, 78)
    contains(text, "state-directory lies in it")


if __name__ == "__main__":
    with World(managed=True) as world:
        failed = tap.run(world)
    sys.exit(1 if failed else 0)
