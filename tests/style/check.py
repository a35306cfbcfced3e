#!/usr/bin/env python3
"""House rules that a machine can check: floors, sizes, formatting, calls that foreign bytes must not meet. Prints TAP."""

import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
FLOORS = [
    ["base"], ["sdk"], ["plugin", "config", "status", "ratls", "pgwire", "reactor"], ["policy", "keys", "seal"],
    ["attest", "postgres", "volume", "storage"], ["proxy", "backup"], ["http", "dbus", "control"], ["daemon", "cli"],
]
LEVEL = {area: level for level, areas in enumerate(FLOORS) for area in areas}
# beside the floors: the simulator stands next to attest and nobody includes it; the loader reads the configuration; seals are made of keys
SIDEWAYS = {("plugin", "config"), ("seal", "keys")}
LEVEL["simulator"] = LEVEL["attest"]
PURE = {"pgwire", "ratls", "policy", "seal"}
MAX_FILE, MAX_FUNCTION = 800, 120


def sources(*tops):
    found = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *tops],
                           capture_output=True, text=True, check=True).stdout.split()
    return [f for f in found if f.endswith((".c", ".h")) and os.path.exists(os.path.join(ROOT, f))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def is_test(path):
    return path.startswith("tests/") or "/tests/" in path or os.path.basename(path).startswith("test-")


def floors():
    for path in sources("core"):
        area = path.split("/")[1]
        for other in re.findall(r'^#include "([a-z]+)/', read(path), re.M):
            if other == area or other not in LEVEL:
                continue
            if other == "simulator":
                yield f"{path}: includes the simulator"
            elif LEVEL[other] > LEVEL[area]:
                yield f"{path}: {area} includes {other}, which stands above it"
            elif LEVEL[other] == LEVEL[area] and (area, other) not in SIDEWAYS:
                yield f"{path}: {area} includes its neighbour {other}"


def plugin_includes():
    for path in sources("plugins"):
        for other in re.findall(r'^#include "([a-z]+)/', read(path), re.M):
            if other not in ("base", "sdk") and not is_test(path):
                yield f"{path}: a plugin includes {other}"


def purity():
    calls = re.compile(r"\b(socket|connect|send|recv|g_get_real_time|g_get_monotonic_time|time|clock_gettime|g_main_context_\w+|g_timeout_\w+)\s*\(")
    for path in sources("core"):
        if path.split("/")[1] in PURE:
            for number, line in enumerate(read(path).splitlines(), 1):
                if calls.search(line) and not line.lstrip().startswith(("*", "/*", "//")):
                    yield f"{path}:{number}: a pure area calls {calls.search(line).group(1)}"


def file_sizes():
    for path in sources("core", "plugins", "tests"):
        lines = read(path).count("\n")
        if lines > MAX_FILE:
            yield f"{path}: {lines} lines, at most {MAX_FILE}"


def function_sizes():
    if shutil.which("ctags") is None:
        return
    tags = subprocess.run(["ctags", "-L", "-", "-f", "-", "--fields=+ne", "--c-kinds=f"], cwd=ROOT, text=True, capture_output=True,
                          input="\n".join(sources("core", "plugins", "tests"))).stdout
    for tag in tags.splitlines():
        start, end = re.search(r"\bline:(\d+)", tag), re.search(r"\bend:(\d+)", tag)
        if start and end and int(end.group(1)) - int(start.group(1)) + 1 > MAX_FUNCTION:
            name, path = tag.split("\t")[:2]
            yield f"{path}: {name} has {int(end.group(1)) - int(start.group(1)) + 1} lines, at most {MAX_FUNCTION}"


def raw_calls():
    banned = re.compile(r"\b(strcpy|strcat|sprintf|alloca|atoi|strtok|gets|scanf|sscanf)\s*\(")
    copying = re.compile(r"\bmem(cpy|move)\s*\(")
    for path in sources("core", "plugins"):
        foreign = path.startswith(("core/ratls", "core/pgwire", "plugins")) and not is_test(path)
        for number, line in enumerate(read(path).splitlines(), 1):
            if banned.search(line) or (foreign and copying.search(line)):
                yield f"{path}:{number}: {line.strip()}"


def sleeps():
    for path in sources("tests", "plugins", "core/reactor"):
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r"\b(g_usleep|usleep|sleep|nanosleep)\s*\(", line):
                yield f"{path}:{number}: {line.strip()}"


def unfinished():
    for path in sources("core", "plugins", "tests"):
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield f"{path}:{number}: {line.strip()}"


def formatting():
    # layouts differ between major versions: the one of Debian 12 decides
    version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout if shutil.which("clang-format") else ""
    if " version 14." not in " " + version:
        raise LookupError("clang-format 14 is not here")
    # headers are tables of prototypes, laid out by hand
    files = [f for f in sources("core", "plugins", "tests") if f.endswith(".c")]
    result = subprocess.run(["clang-format", "--dry-run", *files], cwd=ROOT, capture_output=True, text=True)
    named = re.findall(r"^([^:\n]+):\d+:\d+: warning: code should be clang-formatted", result.stderr, re.M)
    for path in sorted(set(named)):
        yield f"{path}: not in the layout of .clang-format ({named.count(path)} places)"


def reasons():
    """Every reason that code gives stands on some page of docs/; of a collateral item, its rule does."""
    word = r'"([a-z0-9]+(?:-[a-z0-9]+)*)"'
    of_item = re.compile(r"dcap_fail_item \(\s*\w+,\s*TEESQL_ERROR_[A-Z_]+,\s*[^,]+,\s*" + word)
    plain = [re.compile(pattern) for pattern in (
        r"TEESQL_ERROR_[A-Z_]+,\s*" + word, r"TEESQL_HEALTH_[A-Z]+,\s*" + word, r"add_notice \([^,]+,\s*" + word, r"define NOTICE_\w+\s+" + word,
        r"teesql_finding_new \(\s*" + word, r'"([a-z0-9-]+-not-allowed)"', r'\b\w*(?:fail|refuse|reject|integrity|malformed|unsupported|remark|damage)\w* \(\s*\w+,\s*(?:[A-Z_]+,\s*)?"([a-z0-9]+(?:-[a-z0-9]+)+)"')]
    pages = sorted(f"docs/{f}" for f in os.listdir(os.path.join(ROOT, "docs")) if f.endswith(".md"))
    page = set(re.findall(r"`(-?[a-z0-9-]+)`", "".join(map(read, pages))))
    for path in sources("core", "plugins"):
        if is_test(path) or "/simulator/" in path or not path.endswith(".c"):
            continue
        text = read(path)
        used = {"-" + rule for rule in of_item.findall(text)}
        text = re.sub(r"dcap_fail_item \([^;]*;", "", text)
        used |= {reason for pattern in plain for reason in pattern.findall(text)}
        for reason in sorted(used - page):
            yield f"{path}: the reason {reason} is on no page of docs/"


def cited_tests():
    """docs/security.md names tests: they are there, and so are the files that it names."""
    tests = "".join(read(f) for f in subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "tests", "plugins"], capture_output=True,
                                                    text=True, check=True).stdout.split() if f.endswith((".c", ".py")) and os.path.exists(os.path.join(ROOT, f)))
    for row in re.findall(r"^\| SR-.*$", read("docs/security.md"), re.M):
        number, _, places, cited = [cell.strip() for cell in row.strip("|").split("|")]
        for title in re.findall(r'"([^"]+)"', cited) + [path.rsplit("/", 1)[1] for path in re.findall(r"`(/[^`]+)`", cited)]:
            if title not in tests:
                yield f"docs/security.md, {number}: there is no test “{title}”"
        for place in re.findall(r"`([a-z]+/[^`]*)`", places + cited):
            if not glob.glob(os.path.join(ROOT, place)):
                yield f"docs/security.md, {number}: there is no {place}"


CHECKS = [
    ("nothing includes upward or sideways", floors), ("plugins include sdk and base only", plugin_includes),
    ("pure areas touch no sockets, clocks or loops", purity), (f"no file is past {MAX_FILE} lines", file_sizes),
    (f"no function is past {MAX_FUNCTION} lines", function_sizes), ("foreign bytes meet no raw memory calls", raw_calls),
    ("tests wait for conditions, not for time", sleeps), ("nothing is marked unfinished", unfinished),
    ("the layout is that of .clang-format", formatting), ("every reason is in the documentation", reasons),
    ("the tests and places that docs/security.md names are there", cited_tests),
]


def main():
    failed = False
    print(f"1..{len(CHECKS)}")
    for number, (title, check) in enumerate(CHECKS, 1):
        try:
            findings = list(check())
        except LookupError as reason:
            print(f"ok {number} - {title} # SKIP {reason}")
            continue
        failed |= bool(findings)
        print(f"{'not ok' if findings else 'ok'} {number} - {title}")
        for finding in findings:
            print(f"# {finding}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
