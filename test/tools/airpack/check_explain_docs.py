#!/usr/bin/env python3
"""check_explain_docs.py DOCUMENT [--write]: runs the document's examples.

In a code block, a line that starts with "$ " is a command, and the lines up to the
next command are what it prints. The commands run in the current folder. A block of
JSON is a profile, which airpack must accept. With --write, the document gets what the
commands print.
"""
import re
import subprocess
import sys
from pathlib import Path

path = Path(sys.argv[1])
document = path.read_text()
wrong = []
commands = 0


def run_block(block):
    global commands
    lines = []
    for example in re.findall(r"^\$ .*\n(?:(?!\$ ).*\n)*", block.group(2), re.M):
        command, _, shown = example.partition("\n")
        done = subprocess.run(command[2:].split(), capture_output=True, text=True)
        printed = "".join(line.rstrip() + "\n" for line in (done.stdout + done.stderr).splitlines())
        commands += 1
        if printed != shown:
            wrong.append(f"{command}\nshown:\n{shown}\nprinted:\n{printed}")
        lines.append(command + "\n" + printed)
    return block.group(1) + "".join(lines) + block.group(3)


new = re.sub(r"(^```\n)(\$ .*?)(^```$)", run_block, document, flags=re.M | re.S)
if "--write" in sys.argv:
    path.write_text(new)
    sys.exit()
for profile in re.findall(r"^```json\n(.*?)^```$", document, re.M | re.S):
    Path("profile.json").write_text(profile)
    subprocess.run(["airpack", "70b.gguf", "--target", "profile.json", "--explain"], check=True,
                   stdout=subprocess.DEVNULL)
    commands += 1
if wrong or commands != 4:
    sys.exit("\n".join(wrong) or f"{commands} examples found, not 4")
print(f"{commands} examples print what the document shows")
