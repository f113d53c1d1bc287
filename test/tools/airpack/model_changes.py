#!/usr/bin/env python3
"""model_changes.py FOLDER: changes a model file while airpack copies its weights.

A model that is truncated or written to must end airpack with one line and code 8,
and no plan may be left. A model that is replaced by renaming must not disturb airpack.
"""
import os
import shutil
import signal
import subprocess
import sys
import time

FOLDER = os.path.realpath(sys.argv[1])
ORIGINAL = os.path.join(FOLDER, "original.gguf")
MODEL = os.path.join(FOLDER, "model.gguf")
PLAN = os.path.join(FOLDER, "model.air")
# The model is about 400 MB in size, so that airpack can be stopped between its
# first and its last weight.
subprocess.run(["air-gen", "--shape", "1b", "--layers", "4", "--type", "Q8_0",
                "--output", ORIGINAL], check=True, capture_output=True)


def written_bytes(process):
    """Returns how many bytes the process has written, almost all of them to the plan."""
    with open(f"/proc/{process.pid}/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("wchar:"))


def stopped_pack():
    """Starts airpack and stops it when it has written between 1 MiB and half of the plan."""
    for _ in range(10):
        shutil.copyfile(ORIGINAL, MODEL)
        child = subprocess.Popen(
            ["airpack", MODEL, "--target", "x86-64-v3", "-o", PLAN],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        written = 0
        # airpack runs for some two milliseconds at a time, so that it does not
        # finish while this script waits for a processor.
        while written < 1 << 20:
            child.send_signal(signal.SIGCONT)
            time.sleep(0.002)
            child.send_signal(signal.SIGSTOP)
            assert child.poll() is None and time.monotonic() < deadline, child.communicate()
            written = written_bytes(child)
        if written < os.path.getsize(ORIGINAL) // 2:
            return child
        # On a busy machine, airpack may have been stopped too late, when more
        # than half of the plan was written.
        child.kill()
        child.communicate()
        if os.path.exists(PLAN):
            os.remove(PLAN)
    raise AssertionError("airpack was stopped too late ten times")


def pack_while(change):
    """Calls `change` while airpack writes. Returns airpack's code and lines of errors."""
    child = stopped_pack()
    change()
    child.send_signal(signal.SIGCONT)
    _, errors = child.communicate(timeout=120)
    return child.returncode, errors.splitlines()


def write_one_byte():
    with open(MODEL, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")


def replace():
    shutil.copyfile(ORIGINAL, MODEL + ".new")
    os.rename(MODEL + ".new", MODEL)


code, lines = pack_while(lambda: os.truncate(MODEL, 1 << 16))
assert code == 8, (code, lines)
assert len(lines) == 1, lines
assert lines[0].startswith(f"airpack: '{MODEL}': the bytes at offset "), lines
assert not os.path.exists(PLAN), os.listdir(FOLDER)

code, lines = pack_while(write_one_byte)
assert code == 8, (code, lines)
assert len(lines) == 1, lines
assert lines[0].startswith(f"airpack: '{MODEL}' was overwritten while it was in use"), lines
assert not os.path.exists(PLAN), os.listdir(FOLDER)
assert sorted(os.listdir(FOLDER)) == ["model.gguf", "original.gguf"], os.listdir(FOLDER)

code, lines = pack_while(replace)
assert code == 0, (code, lines)
assert os.path.exists(PLAN)
