#!/usr/bin/env python3
"""from_failures.py FOLDER MODEL.gguf: stops `airpack --from PLAN` in several ways.

It is killed while it writes, and files may not be as large as the new plan. In
both cases, PLAN must keep its bytes, and no other file may be left. Then airpack
replaces PLAN by the plan that takes its weights from it.
"""
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

folder, model = Path(sys.argv[1]).resolve(), sys.argv[2]
OLD = folder / "old.air"
NEW = folder / "new.air"


def start(target, output, *options, setup=None):
    return subprocess.Popen(["airpack", model, "--target", target, *options, "-o", output],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=setup)


def pack(*arguments, **settings):
    child = start(*arguments, **settings)
    errors = child.communicate()[1]
    return child.returncode, errors


def written_bytes(process):
    """Returns the size of the largest file in the folder that the process has
    open, other than the plan from which it copies."""
    largest = 0
    try:
        for entry in os.listdir(f"/proc/{process.pid}/fd"):
            path = f"/proc/{process.pid}/fd/{entry}"
            name = os.readlink(path)
            if name.startswith(f"{folder}/") and name != str(OLD):
                largest = max(largest, os.stat(path).st_size)
    except OSError:
        pass
    return largest


def expect_old_plan(note):
    assert OLD.read_bytes() == old, note
    left = [name for name in os.listdir(folder) if name != OLD.name]
    # Where the file system does not support unnamed files, a killed process
    # leaves one. The next run removes it (killed.test).
    assert all(name.startswith("air-") and name.endswith(".tmp") for name in left), (note, left)
    return left


assert pack("x86-64-v3", OLD)[0] == 0
old = OLD.read_bytes()
assert pack("x86-64-v4", NEW)[0] == 0
new = NEW.read_bytes()
NEW.unlink()
assert old != new

child = start("x86-64-v4", NEW, "--from", OLD)
deadline = time.monotonic() + 60
while written_bytes(child) < 4096:
    assert child.poll() is None and time.monotonic() < deadline, child.communicate()
    time.sleep(0.001)
child.kill()
child.communicate()
expect_old_plan("killed")

limit = len(new) - 4096
code, errors = pack("x86-64-v4", NEW, "--from", OLD,
                    setup=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
# airpack estimates the size of the plan before it compiles the kernels. The
# estimate must not be too low.
found = re.search(rf"it needs ([0-9]+) bytes, but the limit on file sizes is {limit} bytes", errors)
assert code == 5 and found and int(found[1]) >= len(new), errors
assert not expect_old_plan(errors)

code, errors = pack("x86-64-v4", OLD, "--from", OLD)
assert code == 0, errors
assert OLD.read_bytes() == new
