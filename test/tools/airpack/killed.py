#!/usr/bin/env python3
"""killed.py FOLDER MODEL.gguf: kills air-gen while it writes, and then runs airpack.

No file may be left. If the file system does not support unnamed files, the next run
must remove what is left and say so.
"""
import os
import signal
import subprocess
import sys
import time

folder = sys.argv[1]
# The model is about 400 MB in size, so writing it takes longer than killing the
# writer.
command = ["air-gen", "--shape", "1b", "--layers", "4", "--type", "Q8_0", "--output", f"{folder}/model.gguf"]


def open_bytes(process):
    """Returns the size in bytes of the largest file that the process has open."""
    largest = 0
    try:
        for entry in os.listdir(f"/proc/{process.pid}/fd"):
            facts = os.stat(f"/proc/{process.pid}/fd/{entry}")
            largest = max(largest, facts.st_size)
    except OSError:
        pass
    return largest


for which in (signal.SIGKILL, signal.SIGABRT, signal.SIGTERM):
    child = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while open_bytes(child) < 1 << 20:
        assert child.poll() is None and time.monotonic() < deadline, child.communicate()
        time.sleep(0.01)
    child.send_signal(which)
    _, errors = child.communicate()
    assert child.returncode == -which, (child.returncode, errors)
    left = os.listdir(folder)
    assert all(name.startswith("air-") and name.endswith(".tmp") for name in left), left

left = os.listdir(folder)
# This file is like one that a killed process leaves where unnamed files are not
# supported: no process holds a lock on it.
planted = os.path.join(folder, "air-1-0.tmp")
with open(planted, "wb") as file:
    file.write(b"x")
done = subprocess.run(["airpack", sys.argv[2], "--target", "host", "-o", f"{folder}/new.air"],
                      capture_output=True, text=True, check=True)
lines = done.stderr.splitlines()
assert len(lines) == len(left) + 1, lines
assert f"note: removed '{planted}', which a killed process had left behind (1 byte)" in lines, lines
assert os.listdir(folder) == ["new.air"], os.listdir(folder)
