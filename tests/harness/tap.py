"""Cases that print TAP. A case is a function with @case("what must be true"); run() runs them in order."""

import os
import sys
import traceback

_cases = []


class Skip(Exception):
    """Raised by a case that cannot run here; its text is the reason."""


def absent(reason):
    """What a case needs is not here. In CI that is a failure."""
    assert os.environ.get("CI") != "true", reason
    raise Skip(reason)


def case(title):
    def register(function):
        _cases.append((title, function))
        return function
    return register


def skip_all(reason):
    """The whole program cannot run here. In CI that is a failure: a green run must have run."""
    if os.environ.get("CI") == "true":
        print(f"1..1\nnot ok 1 - {reason}")
        sys.exit(1)
    print(f"SKIP {os.path.basename(sys.argv[0])}: {reason}", file=sys.stderr)
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def comment(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def run(*arguments):
    """Runs every case with @arguments; `python3 test-x.py WORD` runs only those whose title has the word."""
    chosen = [c for c in _cases if len(sys.argv) < 2 or sys.argv[1] in c[0]]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, (title, function) in enumerate(chosen, 1):
        try:
            function(*arguments)
            print(f"ok {number} - {title}", flush=True)
        except Skip as reason:
            print(f"SKIP {title}: {reason}", file=sys.stderr)
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except Exception:  # a case that breaks must not hide the others
            failed += 1
            print(f"not ok {number} - {title}")
            comment(traceback.format_exc())
            sys.stdout.flush()
    return failed


def equal(found, expected, what=""):
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"


def contains(text, part, what=""):
    assert part in text, f"{what}: {part!r} is not in {text!r}"
