#!/usr/bin/env python3
"""check_sources.py ROOT: checks the house rules that a script can check.

Files must have at most 800 lines, comments in C++ at most 80 columns, and a banner
must be one whole line. Libraries must not end the process, print, or read the
environment. Nothing may be marked as unfinished.
"""
import re
import sys
from pathlib import Path

LIBRARIES = ("formats", "codegen", "compiler", "runtime")
FORBIDDEN = [
    (re.compile(r"\b(?:std::)?(?:abort|exit|_exit|quick_exit)\s*\("), "ends the process"),
    (re.compile(r"\b(?:std::)?(?:printf|puts|putchar)\s*\(|std::cout|std::cerr"), "prints"),
    (re.compile(r"\bgetenv\s*\("), "reads the environment"),
]
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
BANNER = re.compile(r"//===- .+===//|/\*===- .+===\*[/\\]")
MAX_LINES = 800
# Matches a comment that has a line to itself, also in a raw string (the source text of
# a kernel). clang-format does not limit the width of such comments. Banners, the
# directives of tests, URLs, and tables and diagrams, which are recognised by several
# spaces in a row, are not matched, so they may be wider.
COMMENT = re.compile(r"\s*//(?!===|.*[^ ]  |.*(RUN|CHECK|expected)|.*https?:)")
MAX_COLUMNS = 80

root = Path(sys.argv[1])
wrong = []
checked = 0
for top in LIBRARIES + ("tools", "test", "cmake"):
    for path in sorted((root / top).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".c", ".td", ".py", ".fbs", ".cmake", ".sh"):
            continue
        if path.resolve() == Path(__file__).resolve():
            continue
        checked += 1
        lines = path.read_text().splitlines()
        name = path.relative_to(root)
        if len(lines) > MAX_LINES:
            wrong.append(f"{name}: {len(lines)} lines, at most {MAX_LINES}")
        if "===- " in (lines[0] if lines else "") and not (BANNER.fullmatch(lines[0]) and len(lines[0]) <= 80):
            wrong.append(f"{name}:1: the banner is not one whole line of at most 80 characters: {lines[0]}")
        for number, line in enumerate(lines, 1):
            if path.suffix in (".h", ".cpp") and COMMENT.match(line) and len(line) > MAX_COLUMNS:
                wrong.append(f"{name}:{number}: a comment of {len(line)} columns, at most {MAX_COLUMNS}")
            if UNFINISHED.search(line):
                wrong.append(f"{name}:{number}: unfinished: {line.strip()}")
            code = line.split("//")[0]
            if top in LIBRARIES and path.suffix in (".h", ".cpp"):
                for pattern, what in FORBIDDEN:
                    if pattern.search(code):
                        wrong.append(f"{name}:{number}: a library {what}: {line.strip()}")
assert checked > 50, f"only {checked} files found below {root}"
if wrong:
    sys.exit("\n".join(wrong))
print(f"{checked} files keep the rules")
