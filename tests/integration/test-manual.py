#!/usr/bin/env python3
"""The manual pages and --help: the same verbs, options and operands, in both directions; and the sample files. Starts nothing that listens."""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import tap  # noqa: E402
from harness.processes import SIMULATOR, TEESQL, TEESQLD, folder, run  # noqa: E402
from harness.tap import case, equal  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
MANUAL = os.path.join(ROOT, "docs/man")
OPTION = re.compile(r"\*\*--([a-z][a-z-]*)\*\*(?: \*([^*]+)\*)?")


def help_of(*words):
    return run([*words, "--help"]).stdout


def page(name):
    with open(os.path.join(MANUAL, name), encoding="utf-8") as f:
        return f.read().replace("\\-", "-")


def listed(text):
    """The verbs of a list, or nothing where the text is that of a verb itself."""
    return re.findall(r"^  ([a-z][a-z-]*) +\S", text, re.M) if "COMMAND …" in text.split("\n", 1)[0] else []


def verbs(*above):
    for verb in listed(help_of(TEESQL, *above)):
        if listed(help_of(TEESQL, *above, verb)):
            yield from verbs(*above, verb)
        else:
            yield (*above, verb)


def options_of_help(text):
    """{'storage': 'NAME', 'full': None}"""
    own = text.split("Application Options:", 1)[-1] if "Application Options:" in text else ""
    found = dict(re.findall(r"--([a-z][a-z-]*) ([A-Z]+)", text.split("\n", 2)[1]))  # of the line under `Usage:`
    found.update({name: value or None for name, value in re.findall(r"^  (?:-\w, )?--([a-z][a-z-]*)(?:=(\S+))?(?: |$)", own, re.M)})
    return found


def sections(text):
    """'backup now': what stands below `## backup now`. The one of GLOBAL OPTIONS is ''."""
    parts = re.split(r"^## (.+)$", text.split("\n# COMMANDS\n", 1)[1].split("\n# ", 1)[0], flags=re.M)
    found = {name.strip(): body for name, body in zip(parts[1::2], parts[2::2])}
    found[""] = text.split("\n# GLOBAL OPTIONS\n", 1)[1].split("\n# ", 1)[0]
    return found


def section_for(verb, found):
    """`plugin list` may stand below `## plugin`."""
    for n in range(len(verb), 0, -1):
        if " ".join(verb[:n]) in found:
            return " ".join(verb[:n])
    raise AssertionError(f"teesql(1) says nothing of `{' '.join(verb)}`")


def options_of_page(text):
    found = {}
    for name, value in OPTION.findall(text):
        found[name] = found.get(name) or value or None
    return found


def compare(manual, tool, what):
    equal(sorted(manual), sorted(tool), f"{what}: options of the manual and of --help")
    for name, value in tool.items():
        equal(manual[name], value, f"{what}: what --{name} takes")


@case("teesql(1) has every verb of --help")
def every_verb():
    found = sections(page("teesql.1.md"))
    for verb in verbs():
        name = section_for(verb, found)
        assert f"**teesql {' '.join(verb)}**" in found[name], f"teesql(1), {name}: no synopsis of `teesql {' '.join(verb)}`"


@case("teesql(1) has no verb that --help does not have")
def no_other_verb():
    known = {" ".join(verb) for verb in verbs()}
    text = page("teesql.1.md").split("\n# COMMANDS\n", 1)[1]
    named = {name for name in re.findall(r"\*\*teesql ([a-z][a-z -]*[a-z])\*\*", text)}
    equal(sorted(named - known), [], "verbs that are no more")
    for name in sections(page("teesql.1.md")):
        assert any((verb + " ").startswith(name + " ") for verb in known) or name == "", f"teesql(1) has a section `{name}`"


@case("teesql(1) and --help agree on the options of each verb, and on what they take")
def options_agree():
    found = sections(page("teesql.1.md"))
    everywhere = set(options_of_page(found[""]))
    of_section = {}
    for verb in verbs():
        of_section.setdefault(section_for(verb, found), {}).update(options_of_help(help_of(TEESQL, *verb)))
    for name, tool in sorted(of_section.items()):
        manual = {option: value for option, value in options_of_page(found[name]).items() if option not in everywhere or option in tool}
        compare(manual, tool, f"`teesql {name}`")


@case("teesql(1) and --help agree on the global options")
def global_options():
    usage = help_of(TEESQL).split("\n", 1)[0]
    shown = set(re.findall(r"\[--([a-z-]+)", usage)) | {"version", "help"}
    equal(sorted(options_of_page(sections(page("teesql.1.md"))[""])), sorted(shown), "global options")


@case("teesqld(8) and teesql-simulator(1) have the options of --help")
def other_programs():
    for program, name in ((TEESQLD, "teesqld.8.md.in"), (SIMULATOR, "teesql-simulator.1.md")):
        tool = options_of_help(help_of(program))
        assert tool, f"{program} --help shows no options"
        manual = options_of_page(page(name).split("\n# OPTIONS\n", 1)[1].split("\n# ", 1)[0])
        manual.pop("help", None)
        tool.pop("help", None)
        compare(manual, tool, name)


def keys_of(text):
    """{('backup', 'slot'): 'teesql'}, commented out or not; None for what is not set."""
    group, found = "", {}
    for line in text.splitlines():
        head = re.fullmatch(r"#?\[([a-z:-]+)\]", line)
        key = re.fullmatch(r"#?([a-z][a-z-]*) = (.*)", line) or re.fullmatch(r"# ([a-z][a-z-]*) is not set()", line)
        if head:
            group = head.group(1)
        elif key:
            found[group, key.group(1)] = key.group(2) or None
    return found


def dump(path):
    return keys_of(run([TEESQL, "config", "dump", "--daemon", "--effective", "--config", path]).stdout)


def sample(directory):
    """A copy that no one else can write, as the programs ask for; with what the drop-in for backups says."""
    path = os.path.join(directory, "teesqld.conf")
    shutil.copy(os.path.join(ROOT, "data/teesqld.conf"), path)
    os.chmod(path, 0o600)
    return path


@case("data/teesqld.conf shows every key that a program of this release knows, with its default")
def sample_is_complete():
    path = sample(folder("teesql-manual-"))
    with open(path, encoding="utf-8") as f:
        shown = keys_of(f.read())
    for (group, key), value in dump(path).items():
        if group == "postgresql-settings" or ":" in group:
            continue
        assert (group, key) in shown, f"data/teesqld.conf has no [{group}] {key}"
        if value is not None and key not in ("cluster", "node", "subject"):
            equal(shown[group, key], value, f"data/teesqld.conf, [{group}] {key}")


@case("data/teesqld-backup.conf is a configuration, and says what it means to")
def backup_sample():
    path = sample(folder("teesql-manual-"))
    os.mkdir(path + ".d", 0o700)
    shutil.copy(os.path.join(ROOT, "data/teesqld-backup.conf"), path + ".d/backup.conf")
    os.chmod(path + ".d/backup.conf", 0o600)
    result = run([TEESQL, "config", "check", "--daemon", "--config", path])
    assert "the configuration is good" in result.stdout, result.stdout
    effective = dump(path)
    equal(effective["backup", "storages"], "paris;disk", "storages")
    equal(effective["storage:disk", "plugin"], "file", "plugin")


if __name__ == "__main__":
    sys.exit(1 if tap.run() else 0)
