"""WAL as it lies in a store, read by the store's own means and opened by unseal.py: nothing of ours but the pages in docs/."""

import ctypes
import http.client
import json
import os
import re
import struct
import urllib.parse

from . import unseal
from .processes import wait_for

SEGMENT = 16 << 20
PAGE = 8192
WAL = re.compile(r"v1/([0-9a-f]{64})/([0-9a-f]{8}-[0-9a-f]{16})/wal/([0-9A-F]{8})/([0-9A-F]{24})(?:\.([0-9a-f]{8})-([0-9a-f]{8}))?")


def zstd(data, size):
    """Exactly @size bytes, or an assertion."""
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    out = ctypes.create_string_buffer(size)
    found = library.ZSTD_decompress(out, size, data, len(data))
    assert found == size, f"{found} bytes instead of {size}"
    return out.raw


# --- the stores


class FileObjects:
    """Storage `file`: each object is a file whose name ends in @."""

    def __init__(self, path):
        self.path = path

    def names(self):
        return [os.path.relpath(os.path.join(folder, name), self.path)[:-1] for folder, _, names in os.walk(self.path) for name in names if name.endswith("@")]

    def read(self, name):
        try:
            with open(os.path.join(self.path, name + "@"), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None


class CephObjects:
    """By Amazon's own client."""

    def __init__(self, ceph, bucket, prefix):
        self.ceph, self.folder = ceph, os.path.join(ceph.root, "seen-by-aws")
        self.source = f"s3://{bucket}/{prefix}"

    def names(self):
        # what goes away between its listing and its fetching is an error to it
        wait_for(lambda: self.ceph.aws("s3", "sync", "--only-show-errors", "--delete", self.source, self.folder, timeout=300, check=False).returncode == 0,
                 "a copy of the bucket", 120)
        return [os.path.relpath(os.path.join(folder, name), self.folder) for folder, _, names in os.walk(self.folder) for name in names]

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()


class GcsObjects:
    """By the JSON API."""

    def __init__(self, port, bucket, prefix, token):
        self.port, self.bucket, self.prefix, self.headers = port, bucket, prefix + "/", {"Authorization": f"Bearer {token}"}

    def get(self, target):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", target, headers=self.headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status in (200, 404), (answer.status, body)
        return body if answer.status == 200 else None

    def names(self):
        found, page = [], {}
        while True:
            query = urllib.parse.urlencode({"prefix": self.prefix, **page})
            listing = json.loads(self.get(f"/storage/v1/b/{self.bucket}/o?{query}"))
            found += [item["name"][len(self.prefix):] for item in listing.get("items", [])]
            if "nextPageToken" not in listing:
                return found
            page = {"pageToken": listing["nextPageToken"]}

    def read(self, name):
        return self.get(f"/storage/v1/b/{self.bucket}/o/{urllib.parse.quote(self.prefix + name, safe='')}?alt=media")


# --- what is in them


def check_pages(plain, start, timeline):
    """Each page of WAL says where it belongs."""
    for at in range(-start % PAGE, len(plain) - 20, PAGE):
        magic, _, page_timeline, address = struct.unpack_from("<HHIQ", plain, at)
        if magic == 0 and not plain[at:].strip(b"\0"):
            return  # the rest of a segment that was ended early
        assert address == start + at and page_timeline <= timeline, f"a page of {address:X} on timeline {page_timeline} stands at {start + at:X} on {timeline}"


class Archive:
    """@objects: names () and read (name) of a store; @world: whose KMS has the keys."""

    def __init__(self, objects, world):
        self.objects, self.world = objects, world
        self.keys, self.opened = {}, {}

    def key(self, cluster, epoch):
        if epoch not in self.keys:
            path = "backup/encryption" + (f"/{epoch}" if epoch else "")
            kms = bytes.fromhex(self.world.server.call("GetKey", path=path, purpose="backup-epoch")["key"])
            self.keys[epoch] = unseal.epoch_key(kms, cluster, epoch)
        return self.keys[epoch]

    def open(self, name):
        """(lineage, timeline, start, end) of an object that holds that WAL and nothing else; None if it is gone meanwhile"""
        cluster, lineage, timeline, segment, first, last = WAL.fullmatch(name).groups()
        cluster, timeline = bytes.fromhex(cluster), int(timeline, 16)
        start = (int(segment[8:16], 16) << 32) + int(segment[16:], 16) * SEGMENT
        first, last = int(first or "0", 16), int(last or f"{SEGMENT:x}", 16)
        data = self.objects.read(name)
        if data is None:
            return None
        key = self.key(cluster, unseal.parse_header(data)[0]["epoch"])
        _, plain = unseal.open_object(data, key, {"name": name, "cluster_id": cluster, "timeline": timeline})
        check_pages(zstd(plain, last - first), start + first, timeline)
        return lineage, timeline, start + first, start + last

    def open_all(self):
        """None when an object went away meanwhile, since a longer one took its place: then all are looked at again"""
        names = [name for name in self.objects.names() if WAL.fullmatch(name)]
        for name in names:
            if self.opened.get(name) is None:
                self.opened[name] = self.open(name)
        return None if any(self.opened[name] is None for name in names) else [self.opened[name] for name in names]

    def ranges(self):
        """Ranges without a hole that the newest lineage has: [timeline, start, end]"""
        there = wait_for(self.open_all, "objects that stay until they are read", every=0.1)
        lineage = max(found[0] for found in there)
        merged = []
        for _, timeline, start, end in sorted(found for found in there if found[0] == lineage):
            if merged and merged[-1][0] == timeline and start <= merged[-1][2]:
                merged[-1][2] = max(merged[-1][2], end)
            else:
                merged.append([timeline, start, end])
        return merged

    def check(self, start, end):
        """All WAL from @start to @end is there."""
        ranges = self.ranges()
        assert any(low <= start and end <= high for _, low, high in ranges), \
            f"{start:X} to {end:X} was promised, and there is {[(t, f'{low:X}', f'{high:X}') for t, low, high in ranges]}"
        return ranges
