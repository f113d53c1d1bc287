#!/usr/bin/env python3
"""check_readme_chat.py ROOT CACHE: airrun chat gives the answer that README.md shows.

ROOT is the folder with README.md, and CACHE an empty folder for the plan.
"""
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

root, cache = sys.argv[1:]
shown = re.search(r"^(airrun chat .*)\n> (.*)\n(.*)\n```$", (Path(root) / "README.md").read_text(), re.M)
assert shown, "README.md shows no conversation"
command, message, answer = shown.groups()
done = subprocess.run(shlex.split(command), input=message, capture_output=True, text=True, cwd=root,
                      env={**os.environ, "XDG_CACHE_HOME": cache})
assert done.returncode == 0 and done.stdout == answer + "\n", (done, answer)
print("the answer is the one in README.md")
