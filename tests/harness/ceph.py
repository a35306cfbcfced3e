"""A Ceph of one node with the S3 gateway on 127.0.0.1, in a folder of its own: a monitor, one OSD that keeps objects in memory, radosgw."""

import json
import os
import shutil
import uuid

from .processes import Process, folder, free_port, run

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
SETTINGS = """
[global]
fsid = {fsid}
keyring = {root}/keyring
mon host = v2:127.0.0.1:{mon_port}
mon initial members = a
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = {root}
admin socket =
log to stderr = true
log to file = false
mon cluster log to file = false
crash dir = {root}
mon data = {root}/mon
osd data = {root}/osd
rgw data = {root}
mon data avail crit = 1
mon data avail warn = 1
mon allow pool size one = true
mon max pg per osd = 2000
paxos propose interval = 0.05
paxos min wait = 0.02
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = {memory}
osd max object size = 1073741824
rgw thread pool size = 32
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
rgw enable usage log = false
"""


def missing():
    """The name of a program that is not here, or None."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return next((name for name in PROGRAMS if shutil.which(name) is None), None)


class Ceph:
    ACCESS_KEY, SECRET_KEY = "AKIDTEESQLTEST", "secret/of+the+tests="

    def __init__(self, memory=4 << 30):
        self.root = folder("teesql-ceph-")
        self.mon_port, self.port = free_port(), free_port()
        self.conf = os.path.join(self.root, "ceph.conf")
        for name in ("mon", "osd"):
            os.mkdir(os.path.join(self.root, name))
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(SETTINGS.format(fsid=uuid.uuid4(), root=self.root, mon_port=self.mon_port, memory=memory))
        self.url = f"http://127.0.0.1:{self.port}"
        self._monitor()
        self._osd()
        self._user()
        self.gateway = None
        self.start_gateway()

    def _ceph(self, *arguments):
        return run(["ceph", "-c", self.conf, "--connect-timeout", "10", *arguments])

    def _daemon(self, name, *command):
        return Process(name, list(command), self.root)

    def _monitor(self):
        with open(self.conf, encoding="ascii") as f:
            fsid = f.read().split("fsid = ")[1].split()[0]
        keyring, monmap = f"{self.root}/keyring", f"{self.root}/monmap"
        run(["monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{self.mon_port}]", monmap])
        run(["ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"])
        run(["ceph-authtool", keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *",
             "--cap", "mgr", "allow *"])
        run(["ceph-mon", "-c", self.conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring])
        self.monitor = self._daemon("mon", "ceph-mon", "-c", self.conf, "-i", "a", "-f", "--public-addr", f"127.0.0.1:{self.mon_port}")

    def _osd(self):
        number, secret = str(uuid.uuid4()), run(["ceph-authtool", "--gen-print-key"]).stdout.strip()
        request = f"{self.root}/osd-secret"
        with open(request, "w", encoding="ascii") as f:
            json.dump({"cephx_secret": secret}, f)
        self._ceph("osd", "new", number, "-i", request)
        run(["ceph-authtool", "-C", f"{self.root}/osd/keyring", "-n", "osd.0", "--add-key", secret])
        run(["ceph-osd", "-c", self.conf, "-i", "0", "--mkfs", "--osd-uuid", number, "--keyring", f"{self.root}/osd/keyring"])
        self.osd = self._daemon("osd", "ceph-osd", "-c", self.conf, "-i", "0", "-f", "--keyring", f"{self.root}/osd/keyring")
        self.osd.wait_until(lambda: " 1 up" in self._ceph("osd", "stat").stdout, "its OSD to be up")

    def _user(self):
        run(["radosgw-admin", "-c", self.conf, "user", "create", "--uid", "tester", "--display-name", "tester",
             "--access-key", self.ACCESS_KEY, "--secret-key", self.SECRET_KEY])

    def start_gateway(self):
        self.gateway = self._daemon("rgw", "radosgw", "-c", self.conf, "-n", "client.admin", "-f",
                                    "--rgw_frontends", f"beast endpoint=127.0.0.1:{self.port}")
        self.gateway.wait_until(self._answers, "an answer on its port", 60)

    def _answers(self):
        return run(["curl", "-s", "-o", os.devnull, "-m", "2", self.url + "/"], check=False).returncode == 0

    def stop(self):
        """All of it is in memory and in a folder that goes: nothing to wait for."""
        for process in (self.gateway, self.osd, self.monitor):
            process.kill()

    def environment(self):
        """For the clients of others; nothing of the caller's own configuration."""
        return {"PATH": os.environ["PATH"], "HOME": self.root, "AWS_ACCESS_KEY_ID": self.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": self.SECRET_KEY,
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "LC_ALL": "C.UTF-8"}

    def aws(self, *arguments, **extra):
        return run(["aws", "--endpoint-url", self.url, *arguments], env=self.environment(), **extra)

    def make_bucket(self, name):
        self.aws("s3api", "create-bucket", "--bucket", name)
