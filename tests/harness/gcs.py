#!/usr/bin/env python3
"""A store that speaks Google's JSON API for objects, strictly enough that @google-cloud/storage and rclone work with it: media, multipart and
resumable uploads, ranges, pages, preconditions, generations, compose. Objects live in memory. Faults are asked for by name.

Started as a program it prints {"ready": true, "url": …}; `--token T` makes every request carry `Authorization: Bearer T`, `--machine` hands the first of
them out as a machine's metadata server does, and with `--file` objects outlive a SIGKILL."""

import argparse
import base64
import ctypes
import email.parser
import hashlib
import json
import os
import re
import sqlite3
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 256 * 1024
METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
_TABLE = []
for _i in range(256):
    _crc = _i
    for _ in range(8):
        _crc = (_crc >> 1) ^ (0x82F63B78 if _crc & 1 else 0)
    _TABLE.append(_crc)


def _library():
    """For megabytes; what it computes is checked against the table above it at every start."""
    build = os.environ.get("TEESQL_TEST_BUILD") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build")
    try:
        function = ctypes.CDLL(os.path.join(build, "core", "libteesql-1.so.0")).teesql_crc32c
    except OSError:
        return None
    function.restype, function.argtypes = ctypes.c_uint32, [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t]
    sample = bytes(range(251)) * 3
    return function if function(0, sample, len(sample)) == _slow_crc32c(sample) else None


def _slow_crc32c(data):
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def crc32c(data):
    return _FAST(0, bytes(data), len(data)) if _FAST and len(data) > 4096 else _slow_crc32c(data)


_FAST = _library()


def _times(matrix, vector):
    result = index = 0
    while vector:
        if vector & 1:
            result ^= matrix[index]
        vector >>= 1
        index += 1
    return result


def crc32c_combine(a, b, size):
    matrix = [0x82F63B78] + [1 << i for i in range(31)]
    for _ in range(3):
        matrix = [_times(matrix, row) for row in matrix]
    while size:
        if size & 1:
            a = _times(matrix, a)
        matrix = [_times(matrix, row) for row in matrix]
        size >>= 1
    return a ^ b


class Store:
    """Buckets, what lies in them, uploads under way, and the faults that were asked for."""

    def __init__(self, tokens=(), file=None):
        self.lock = threading.Lock()
        self.buckets, self.sessions, self.url = {}, {}, ""
        self.tokens = set(tokens)
        self.generation = 1000
        self.faults = []  # (word, times, pattern of method and path)
        self.requests = []
        self.machine_token = None
        self.file = self.load(file) if file else None

    def load(self, path):
        """A transaction that SIGKILL cuts short is rolled back; against a power cut nothing is done."""
        file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        file.execute("PRAGMA synchronous = OFF")
        file.execute("CREATE TABLE IF NOT EXISTS objects (bucket, name, generation, crc, time, type, md5, data, PRIMARY KEY (bucket, name))")
        for bucket, name, generation, crc, moment, kind, md5, data in file.execute("SELECT * FROM objects"):
            self.buckets.setdefault(bucket, {})[name] = {"data": data, "generation": generation, "crc": crc, "time": moment, "type": kind, "md5": md5}
            self.generation = max(self.generation, int(generation))
        return file

    def keep(self, bucket, name, found):
        if self.file:
            self.file.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                              (bucket, name, found["generation"], found["crc"], found["time"], found["type"], found["md5"], found["data"]))

    def remove(self, bucket, name):
        del self.objects(bucket)[name]
        if self.file:
            self.file.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name))

    def fault(self, word, times=1, pattern=""):
        with self.lock:
            self.faults.append([word, times, pattern])

    def take_fault(self, line):
        with self.lock:
            for fault in self.faults:
                if fault[1] > 0 and re.search(fault[2], line):
                    fault[1] -= 1
                    return fault[0]
        return None

    def check(self, objects, name, query):
        """Preconditions: of the object, before it is written."""
        found = objects.get(name)
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != (int(found["generation"]) if found else 0):
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    def insert(self, bucket, name, data, query, crc=None, content_type="application/octet-stream"):
        crc = crc32c(data) if crc is None else crc
        with self.lock:
            objects = self.objects(bucket)
            self.check(objects, name, query)
            self.generation += 1
            objects[name] = {"data": data, "generation": str(self.generation), "crc": crc, "time": time.time(), "type": content_type,
                             "md5": hashlib.md5(data).digest()}
            self.keep(bucket, name, objects[name])
            return self.describe(bucket, name)

    def objects(self, bucket):
        if bucket not in self.buckets:
            raise Refusal(404, "notFound", "The specified bucket does not exist.")
        return self.buckets[bucket]

    def find(self, bucket, name):
        objects = self.objects(bucket)
        if name not in objects:
            raise Refusal(404, "notFound", f"No such object: {bucket}/{name}")
        return objects[name]

    def describe(self, bucket, name):
        found = self.find(bucket, name)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found["time"]))
        link = f"{self.url}/download/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}?generation={found['generation']}&alt=media"
        return {"kind": "storage#object", "mediaLink": link, "id": f"{bucket}/{name}/{found['generation']}", "name": name, "bucket": bucket,
                "generation": found["generation"], "metageneration": "1", "contentType": found["type"], "size": str(len(found["data"])),
                "storageClass": "STANDARD", "timeCreated": moment, "updated": moment,
                "crc32c": base64.b64encode(found["crc"].to_bytes(4, "big")).decode(), "md5Hash": base64.b64encode(found["md5"]).decode(),
                "etag": found["generation"]}


class Refusal(Exception):
    def __init__(self, status, reason, message):
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gcs"

    def log_message(self, *_):
        pass

    # ---- answers

    def answer(self, status, body=b"", headers=(), content_type="application/json; charset=UTF-8"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, reason, message, headers=()):
        self.answer(status, {"error": {"code": status, "message": message, "errors": [{"domain": "global", "reason": reason, "message": message}]}}, headers)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    self.rfile.readline()
                    return b"".join(pieces)
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    # ---- dispatch

    def handle_any(self):
        store = self.server.store
        line = f"{self.command} {self.path}"
        self.url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(self.url.query, keep_blank_values=True))
        store.requests.append(line)
        try:
            self.content = self.body()
            if self.spoiled(store.take_fault(line)):
                return
            if store.machine_token and self.url.path == METADATA_PATH and self.headers.get("Metadata-Flavor") == "Google":
                self.answer(200, {"access_token": store.machine_token, "expires_in": 3599, "token_type": "Bearer"})
                return
            if store.tokens and self.headers.get("Authorization", "").removeprefix("Bearer ") not in store.tokens:
                raise Refusal(401, "authError", "Invalid Credentials")
            self.route(store)
        except Refusal as refusal:
            self.refuse(refusal.status, refusal.reason, refusal.message)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_any

    def spoiled(self, fault):
        """Plays a fault. Those that let the request take effect return False."""
        self.fault = fault
        if fault == "slow-down":
            self.refuse(503, "backendError", "Slow down", [("Retry-After", "1")])
        elif fault == "quota":
            self.refuse(429, "rateLimitExceeded", "Too many requests")
        elif fault == "internal":
            self.refuse(500, "backendError", "Internal error")
        elif fault == "forbidden":
            self.refuse(403, "forbidden", "does not have storage.objects.create access")
        elif fault == "unauthorized":
            self.refuse(401, "authError", "Invalid Credentials")
        elif fault == "html":
            self.answer(200, b"<html>hello</html>", content_type="text/html")
        elif fault == "redirect":
            self.answer(302, b"", [("Location", "http://127.0.0.1:1/")])
        elif fault == "cut":
            self.close_connection = True
        else:
            return False
        return True

    def route(self, store):
        path = self.url.path
        for pattern, method in ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                arguments = [urllib.parse.unquote(part) for part in match.groups()]
                handler = getattr(self, f"{method}_{self.command.lower()}", None)
                if handler is None:
                    raise Refusal(405, "methodNotAllowed", self.command)
                handler(store, *arguments)
                return
        raise Refusal(404, "notFound", "Not Found")

    def done(self, result):
        """An answer to something that took effect: a fault may lose or spoil it."""
        if self.fault == "lost":
            self.close_connection = True
            return
        if self.fault == "wrong-crc":
            result = dict(result, crc32c="AAAAAA==")
        self.answer(200, result)

    # ---- buckets, lists

    def bucket_get(self, store, bucket):
        store.objects(bucket)
        self.answer(200, {"kind": "storage#bucket", "id": bucket, "name": bucket, "location": "EU", "storageClass": "STANDARD"})

    def list_get(self, store, bucket):
        prefix, most = self.query.get("prefix", ""), min(int(self.query.get("maxResults", 1000)), 1000)
        after = base64.b64decode(self.query["pageToken"]).decode() if self.query.get("pageToken") else ""
        delimiter = self.query.get("delimiter")
        with store.lock:
            names = sorted(n for n in store.objects(bucket) if n.startswith(prefix) and n > after)
            folders = []
            if delimiter:
                folders = sorted({prefix + n[len(prefix):].split(delimiter)[0] + delimiter for n in names if delimiter in n[len(prefix):]})
                names = [n for n in names if delimiter not in n[len(prefix):]]
            page = [store.describe(bucket, n) for n in names[:most]]
        result = {"kind": "storage#objects"}
        if page:
            result["items"] = page
        if folders:
            result["prefixes"] = folders
        if len(names) > most:
            result["nextPageToken"] = base64.b64encode(names[most - 1].encode()).decode()
        self.answer(200, result)

    # ---- one object

    def object_get(self, store, bucket, name):
        with store.lock:
            found = dict(store.find(bucket, name))
            metadata = store.describe(bucket, name)
        if self.query.get("alt") != "media":
            self.answer(200, metadata)
            return
        data, headers, status = found["data"], [("x-goog-generation", found["generation"]), ("x-goog-hash", f"crc32c={metadata['crc32c']}")], 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match:
            first, last = int(match[1]), min(int(match[2]) if match[2] else len(data) - 1, len(data) - 1)
            if first >= len(data):
                self.answer(416, b"", [("Content-Range", f"bytes */{len(data)}")])
                return
            headers.append(("Content-Range", f"bytes {first}-{last}/{len(data)}"))
            data, status = data[first:last + 1], 206
        if self.fault == "short":
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) // 2])
            self.close_connection = True
            return
        self.answer(status, data, headers, found["type"])

    object_head = object_get

    def object_delete(self, store, bucket, name):
        with store.lock:
            store.find(bucket, name)
            store.remove(bucket, name)
        self.answer(204)

    def compose_post(self, store, bucket, name):
        request = json.loads(self.content)
        sources = request.get("sourceObjects", [])
        if not 1 <= len(sources) <= 32:
            raise Refusal(400, "invalid", "The number of source components provided must be between 1 and 32.")
        data, crc = bytearray(), 0
        with store.lock:
            for source in sources:
                found = store.find(bucket, source["name"])
                if "generation" in source and str(source["generation"]) != found["generation"]:
                    raise Refusal(412, "conditionNotMet", "generation of a source")
                crc = crc32c_combine(crc, found["crc"], len(found["data"]))
                data += found["data"]
        self.done(store.insert(bucket, name, bytes(data), self.query, crc))

    # ---- uploads

    def upload_post(self, store, bucket):
        kind = self.query.get("uploadType")
        if kind == "media":
            self.done(store.insert(bucket, self.query["name"], self.content, self.query))
        elif kind == "multipart":
            self.multipart(store, bucket)
        elif kind == "resumable":
            self.begin_resumable(store, bucket)
        else:
            raise Refusal(400, "invalid", "uploadType")

    def multipart(self, store, bucket):
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser().parsebytes(head + self.content)
        parts = message.get_payload()
        if len(parts) != 2:
            raise Refusal(400, "badRequest", "multipart of two")
        boundary = message.get_boundary().encode()
        raw = self.content.split(b"--" + boundary)[2]  # the parser spoils binary parts
        data = raw.split(b"\r\n\r\n", 1)[1][:-2]
        metadata = json.loads(parts[0].get_payload(decode=True))
        result = store.insert(bucket, metadata.get("name") or self.query["name"], data, self.query)
        if "crc32c" in metadata and metadata["crc32c"] != result["crc32c"]:
            with store.lock:
                store.remove(bucket, result["name"])
            raise Refusal(400, "invalid", "crc32c does not match")
        self.done(result)

    def begin_resumable(self, store, bucket):
        store.objects(bucket)
        metadata = json.loads(self.content) if self.content else {}
        session = uuid.uuid4().hex
        store.sessions[session] = {"bucket": bucket, "name": metadata.get("name") or self.query.get("name"), "data": bytearray(), "query": self.query,
                                   "done": None}
        host = self.headers["Host"]
        self.answer(200, b"", [("Location", f"http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={session}")])

    def upload_put(self, store, bucket):
        session = store.sessions.get(self.query.get("upload_id"))
        if session is None:
            raise Refusal(404, "notFound", "no such upload")
        if session["done"]:
            self.done(session["done"])
            return
        ranged = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range", ""))
        if ranged is None:
            session["data"] += self.content
            self.end_resumable(store, session)
            return
        total = None if ranged[3] == "*" else int(ranged[3])
        if ranged[1] is not None:
            if int(ranged[1]) != len(session["data"]):
                raise Refusal(400, "invalid", "the range does not go on where the last one ended")
            if total is None and len(self.content) % CHUNK:
                raise Refusal(400, "invalid", "chunks are multiples of 256 KiB")
            session["data"] += self.content
        if total is not None and len(session["data"]) == total:
            self.end_resumable(store, session)
        else:
            stored = len(session["data"])
            self.answer(308, b"", [("Range", f"bytes=0-{stored - 1}")] if stored else [])

    def end_resumable(self, store, session):
        session["done"] = store.insert(session["bucket"], session["name"], bytes(session["data"]), session["query"])
        self.done(session["done"])


ROUTES = [
    (r"/upload/storage/v1/b/([^/]+)/o", "upload"),
    (r"/resumable/upload/storage/v1/b/([^/]+)/o", "upload"),
    (r"/storage/v1/b/([^/]+)/o/([^/]+)/compose", "compose"),
    (r"/storage/v1/b/([^/]+)/o/([^/]+)", "object"),
    (r"/storage/v1/b/([^/]+)/o/?", "list"),
    (r"/storage/v1/b/([^/]+)/?", "bucket"),
    (r"/download/storage/v1/b/([^/]+)/o/([^/]+)", "object"),
]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that hang up are what some tests are about."""
    request_queue_size = 128

    def __init__(self, store, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.store = store
        self.url = store.url = f"http://127.0.0.1:{self.server_address[1]}"

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self


def start(buckets, tokens=(), port=0, file=None):
    store = Store(tokens, file)
    for bucket in buckets:
        store.buckets.setdefault(bucket, {})
    return Server(store, port).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", action="append", default=[])
    parser.add_argument("--token", action="append", default=[])
    parser.add_argument("--machine", action="store_true")
    parser.add_argument("--file")
    arguments = parser.parse_args()
    server = start(arguments.bucket, arguments.token, arguments.port, arguments.file)
    server.store.machine_token = arguments.token[0] if arguments.machine else None
    print(json.dumps({"ready": True, "url": server.url}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
