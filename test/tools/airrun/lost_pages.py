#!/usr/bin/env python3
"""lost_pages.py MODEL FOLDER: changes a plan while airrun uses it.

A plan that is truncated, or overwritten by a shorter file, must end airrun with one
line and code 8, whichever missing page it reads first. If a plan is overwritten without
a change of its size, airrun must notice that at the end. airpack replaces files, and so
must not disturb a program that uses them.
"""
import os
import shutil
import signal
import subprocess
import sys

MODEL, FOLDER = sys.argv[1:]
PLAN = os.path.join(FOLDER, "run.air")


def pack():
    subprocess.run(["airpack", MODEL, "--target", "host", "-o", PLAN], check=True,
                   capture_output=True)


def run_while(change):
    """Calls `change` between two tokens of airrun. Returns airrun's code, output and errors."""
    child = subprocess.Popen(
        ["airrun", PLAN, "--tokens", "1", "-n", "400", "--temp", "0", "--ignore-eos",
         "--output-tokens"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        bufsize=0)  # communicate() would forget what read() has buffered
    begin = child.stdout.read(1)
    child.send_signal(signal.SIGSTOP)
    change()
    child.send_signal(signal.SIGCONT)
    text, errors = child.communicate(timeout=120)
    return child.returncode, begin + text, errors.decode()


def cut_to(size):
    return lambda: os.truncate(PLAN, size)


def overwrite():
    shutil.copyfile(os.path.join(os.path.dirname(__file__), "lost_pages.py"), PLAN)


def overwrite_whole():
    """Rewrites every byte, so airrun can't know whether it used old or new weights."""
    with open(PLAN, "r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(data)


def overwrite_with_nan():
    """Makes a NaN of every weight, whether it has 16 or 32 bits."""
    size = os.path.getsize(PLAN)
    with open(PLAN, "r+b") as file:
        file.write(b"\xff" * size)


# With the second change, airrun finds NaNs before it looks at the file.
for change in (overwrite_whole, overwrite_with_nan):
    pack()
    code, _, errors = run_while(change)
    assert code == 8, (code, errors)
    assert f"airrun: '{PLAN}' was overwritten while it was in use" in errors.splitlines()[-1], errors

pack()
code, whole, errors = run_while(pack)
assert code == 0, (code, errors)
assert whole.count(b",") == 399, whole

for name, change in (("cut to nothing", cut_to(0)), ("cut in weights", cut_to(1 << 20)),
                     ("overwritten", overwrite)):
    pack()
    code, _, errors = run_while(change)
    assert code == 8, (name, code, errors)
    lines = errors.splitlines()
    assert len(lines) == 1, (name, lines)
    assert lines[0].startswith(f"airrun: '{PLAN}': the bytes at offset "), lines
    assert "truncated or overwritten" in lines[0], lines
