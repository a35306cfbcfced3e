#!/usr/bin/env python3
"""Prints test-sign-vectors.h: signatures computed by hashlib and hmac alone, to hold s3-sign.c against. Run it again after a change."""

import hashlib
import hmac
from urllib.parse import quote

REGION, SERVICE, SECRET, KEY_ID = "eu-west-3", "s3", "a/Secret+Key=of~Forty.Letters-and_more!!", "AKIDTEESQLVECTORS"
BODY = hashlib.sha256(b"sealed").hexdigest()
EMPTY = hashlib.sha256(b"").hexdigest()
HOST = {"host": "store.example.org:9000"}
# name, method, path as it is, query, headers, hash of the body, time
CASES = [
    ("a plain get", "GET", "/bucket/wal/000000010000000000000001", {}, HOST, EMPTY, "20260131T235959Z"),
    ("a put with a condition and a checksum", "PUT", "/bucket/base/a=b_c-d.e", {},
     {**HOST, "if-none-match": "*", "x-amz-checksum-sha256": "q83vEjRWeJA=", "x-amz-storage-class": "STANDARD_IA"}, BODY, "20260201T000000Z"),
    ("signs that are encoded", "GET", "/bucket/a+b!c'd(e)f*g h", {}, HOST, EMPTY, "20260201T000000Z"),
    ("a path that is not normalised", "GET", "/bucket//a/./b/../c", {}, HOST, EMPTY, "20260201T000000Z"),
    ("letters beyond ASCII", "GET", "/bucket/\u00e9\u4e2d", {}, HOST, EMPTY, "20260201T000000Z"),
    ("an empty value in the query", "POST", "/bucket/x", {"uploads": ""}, HOST, EMPTY, "20260201T000000Z"),
    ("a query that is sorted", "GET", "/bucket/", {"prefix": "a/b c", "list-type": "2", "encoding-type": "url", "max-keys": "1000",
                                                     "start-after": "a/~x*"}, HOST, EMPTY, "20260201T000000Z"),
    ("names of which one begins the other", "GET", "/bucket/x", {"part": "1", "part-number": "2", "partNumber": "3"}, HOST, EMPTY,
     "20260201T000000Z"),
    ("a session token", "DELETE", "/bucket/x", {"uploadId": "2~ab/c+d="}, {**HOST, "x-amz-security-token": "IQoJ//token=="}, EMPTY,
     "20260201T000000Z"),
    ("virtual host", "HEAD", "/x", {}, {"host": "bucket.s3.eu-west-3.amazonaws.com"}, EMPTY, "20260201T000000Z"),
]


def text(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def mac(key, message):
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def sign(method, path, query, headers, payload, when):
    headers = dict(sorted({**headers, "x-amz-content-sha256": payload, "x-amz-date": when}.items()))
    encoded = quote(path, safe="/-._~")
    pairs = "&".join("=".join(pair) for pair in sorted((quote(n, safe="-._~"), quote(v, safe="-._~")) for n, v in query.items()))
    names = ";".join(headers)
    request = "\n".join([method, encoded, pairs, *(f"{n}:{v}" for n, v in headers.items()), "", names, payload])
    scope = f"{when[:8]}/{REGION}/{SERVICE}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", when, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for step in (when[:8], REGION, SERVICE, "aws4_request"):
        key = mac(key, step)
    return headers, request, (f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope},SignedHeaders={names},Signature={mac(key, to_sign).hex()}")


def array(pairs):
    return "{ " + ", ".join("{ " + text(n) + ", " + text(v) + " }" for n, v in pairs) + " }" if pairs else "{ { NULL, NULL } }"


print("/* Made by test-sign-vectors.py. */")
print(f"#define VECTOR_REGION {text(REGION)}\n#define VECTOR_SECRET {text(SECRET)}\n#define VECTOR_KEY_ID {text(KEY_ID)}\n")
print("static const Vector vectors[] = {")
for name, method, path, query, given, payload, when in CASES:
    headers, request, authorization = sign(method, path, query, given, payload, when)
    print("  {", ",\n    ".join([text("/sign/" + name), text(method), text(path), array(list(query.items())), str(len(query)),
                                 array(list(headers.items())), str(len(headers)), text(payload), text(when), text(request),
                                 text(authorization)]), "},")
print("};")
