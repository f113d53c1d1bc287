#!/usr/bin/env python3
"""check_docs.py ROOT: whatever the documents refer to must exist.

Checks relative links and their anchors, files and folders in backticks, and
files in the commands of code blocks. In a path, NAME stands for a name that the
reader chooses and * for anything; such a path must match some file.
"""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md",
             *sorted(str(p.relative_to(root)) for p in (root / "docs").glob("*.md"))]
TOPS = {"cmake", "codegen", "compiler", "docs", "examples", "formats", "runtime", "test", "tools"}
SOURCE = re.compile(r"\.?[\w*-]+\.(?:cpp|h|td|c|py|sh|fbs|cmake|mlir|test|md)")
IN_PATH = re.compile(r"[\w.*/-]+")

files = [p for top in sorted(TOPS) for p in (root / top).rglob("*") if "__pycache__" not in p.parts]
names = {p.name for p in files} | {p.name for p in root.iterdir()}


def matches(path):
    path = path.rstrip("/")
    if "NAME" in path or "*" in path:
        return any(root.glob(path.replace("NAME", "*")))
    # "formats/plan/PlanVerifier" refers to both the header and the source file.
    return any((root / (path + end)).exists() for end in ("", ".h", ".cpp"))


def anchors(text):
    """Returns the anchors that GitHub generates for the headings of `text`."""
    return {re.sub(r"[^\w -]", "", h.lower()).strip().replace(" ", "-")
            for h in re.findall(r"^#+ (.*)$", text, re.M)}


wrong = []
checked = 0
for document in DOCUMENTS:
    if document == "docs/cli.md":
        continue  # checked by cli-docs.test
    path = root / document
    whole = path.read_text()
    blocks = re.findall(r"^```.*?$(.*?)^```$", whole, re.M | re.S)
    prose = re.sub(r"^```.*?^```$", "", whole, flags=re.M | re.S)

    for target in re.findall(r"\]\(([^)]+)\)", prose):
        if "://" in target:
            continue
        checked += 1
        file, _, anchor = target.partition("#")
        aim = path.parent / file if file else path
        if not aim.exists():
            wrong.append(f"{document}: link to {target}: there is no such file")
        elif anchor and anchor not in anchors(aim.read_text()):
            wrong.append(f"{document}: link to {target}: there is no such heading")

    spans = [(s, False) for s in re.findall(r"`([^`\n]+)`", prose)]
    spans += [(line, True) for block in blocks for line in block.splitlines()]
    for span, is_command in spans:
        for word in IN_PATH.findall(span.split(" # ")[0]):
            if word.split("/")[0] in TOPS and "/" in word:
                checked += 1
                if not (matches(word) or (document.startswith("examples/") and (path.parent / word).exists())):
                    wrong.append(f"{document}: {word}: there is no such file")
            elif not is_command and word == span and SOURCE.fullmatch(word):
                checked += 1
                if not ("NAME" in word or "*" in word or word in names):
                    wrong.append(f"{document}: {word}: no file has this name")

readme = (root / "README.md").read_text()
for command in ("bash tools/quickstart.sh", "bash tools/test.sh"):
    if f"\n{command}\n" not in readme:
        wrong.append(f"README.md: the command '{command}' is missing")
if checked < 150:
    wrong.append(f"only {checked} links and paths found: does this script still understand the documents?")
if wrong:
    sys.exit("\n".join(wrong))
print(f"{checked} links and paths in {len(DOCUMENTS)} documents exist")
