#!/usr/bin/env python3
"""check_tree.py ROOT: the tracked files must stay small enough to clone and copy.

Larger test inputs belong in the folder that AIR_MODELS names.
"""
import subprocess
import sys
from pathlib import Path

CEILING = 40 << 20  # 40 MiB

root = Path(sys.argv[1])
names = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout
files = [root / name for name in names.decode().split("\0") if name]
sizes = {file: file.stat().st_size for file in files if file.exists()}
assert len(sizes) > 500, f"git lists only {len(sizes)} files below {root}"
leftovers = [str(file.relative_to(root)) for file in sizes if file.suffix in (".orig", ".rej")]
assert not leftovers, f"a patch or a merge left these files behind: {leftovers}"
total = sum(sizes.values())
if total > CEILING:
    largest = sorted(sizes, key=sizes.get, reverse=True)[:10]
    sys.exit(f"the tracked files are {total} bytes, at most {CEILING}; the largest:\n"
             + "\n".join(f"{sizes[file]:10} {file.relative_to(root)}" for file in largest))
print(f"{len(sizes)} tracked files, {total} bytes, at most {CEILING}")
