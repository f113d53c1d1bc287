#!/usr/bin/env python3
"""check_numbers.py TOOL...: every numeric option must state its range and enforce it.

Reads the options from `TOOL --help` and from the help of each command, and tries
values inside and outside the stated range.
"""
import re
import subprocess
import sys

NUMERIC = {"N", "M", "X", "SECONDS"}
RANGE = re.compile(r"\((-?[0-9.e+-]+) to (-?[0-9.e+-]+)[;)]")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def options(text):
    """Yields (option name, value name, help) for each option in a help text."""
    for block in re.findall(r"^  -.*(?:\n {28}.*)*", text, re.M):
        heading, _, rest = re.sub(r"\s*\n\s*", "  ", block.strip()).partition("  ")
        match = re.fullmatch(r"(?:-\w, )?(--[\w-]+) (\S+)", heading)
        if match:
            yield match[1], match[2], re.sub(r"\s+", " ", rest)


def check(call, name, text):
    match = RANGE.search(text)
    assert match, f"{call} {name}: the help states no range: {text}"
    least, most = (float(bound) for bound in match.groups())
    for value in ("", "x", "1e999", "nan", f"{least - 1:.17g}", f"{most * 2 + 1:.17g}"):
        got = run(*call, f"{name}={value}")
        wanted = f"option {name}: '{value}' is not a"
        assert got.returncode == 2 and wanted in got.stderr, (call, name, value, got)
        assert got.stderr.count("\n") == 1, got
        assert f" from {match[1]} to {match[2]}" in got.stderr, got
    # The smallest and the largest value must be accepted, so the error must be
    # about the unknown option that follows.
    for value in match.groups():
        got = run(*call, f"{name}={value}", "--no-such")
        assert "unknown option '--no-such'" in got.stderr, (call, name, value, got)


count = 0
for tool in sys.argv[1:]:
    main = run(tool, "--help").stdout
    commands = re.findall(rf"^ +{tool} ([a-z]+)\b", main.split("\n\n")[0], re.M)
    for call in [[tool]] + [[tool, command] for command in commands]:
        for name, value, text in options(run(*call, "--help").stdout):
            if value in NUMERIC:
                check(call, name, text)
                count += 1
assert count > 30, f"only {count} numeric options were found"
print(f"{count} numeric options")
