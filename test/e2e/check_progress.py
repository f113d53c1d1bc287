#!/usr/bin/env python3
"""check_progress.py AIR-GEN WORKDIR: what airrun shows on a terminal before the first token.

While the first pass reads the plan, a terminal shows a line with the bytes that
have been read, the bytes that are read in all, and the seconds per token that the
plan predicts. The line is erased before the text begins, and it only appears on a
terminal. Plans that keep all weights and plans that stream them are tested.
"""
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import airtest as t

gen, work = sys.argv[1], Path(sys.argv[2]).resolve()
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
model = work / "model.gguf"
t.run(gen, "--layers", 6, "--width", 768, "--heads", 12, "--kv-heads", 4, "--head-dim", 64, "--ffn", 3072,
      "--vocabulary", 8000, "--context", 256, "--type", "Q8_0", "-o", model)
ERASE = "\r\x1b[K"
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def on_terminal(plan, columns, options, stdout=None):
    """Runs airrun with a terminal as stderr, and also as stdout unless `stdout` is given.

    Returns everything that was written to the terminal.
    """
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen([t.AIRRUN, plan, "--tokens", "1,2,3", "--temp", "0", "-n", "4", "--output-tokens",
                              *options], stdin=subprocess.DEVNULL, stdout=stdout or terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(control, 65536)
        except OSError:  # the terminal has been closed
            break
        if not part:
            break
        shown += part
    os.close(control)
    t.expect(child.wait() == 0, f"exit {child.returncode}: {shown}")
    return shown.decode()


def check(plan, total, nanoseconds, options=()):
    quiet = subprocess.run([t.AIRRUN, plan, "--tokens", "1,2,3", "--temp", "0", "-n", "4", "--output-tokens",
                            *options], capture_output=True, text=True)
    t.expect(quiet.returncode == 0 and "loading" not in quiet.stderr and "\r" not in quiet.stderr, quiet.stderr)
    for columns in (120, 80, 40):
        shown = on_terminal(plan, columns, options)
        bar, text = shown.rsplit(ERASE, 1)
        t.expect(quiet.stdout.strip() in text and "loading" not in text, f"the line is not erased before the text: {shown!r}")
        lines = [line.split("\x1b[K")[0] for line in bar.split("\r") if line]
        t.expect(len(lines) > 0, f"nothing is shown: {shown!r}")
        last = 0
        for line in lines:
            t.expect(line.startswith("loading ") and len(line) < columns and "\n" not in line, f"{columns} columns: {line!r}")
            if columns < 80:
                continue
            found = re.search(r"\] +(\d+) %, ([0-9.]+) (B|KiB|MiB|GiB) of ([0-9.]+) (B|KiB|MiB|GiB)(, then (\S+) s per token)?$",
                              line)
            t.expect(found is not None, f"{line!r}")
            done = float(found[2]) * UNITS[found[3]]
            whole = float(found[4]) * UNITS[found[5]]
            t.expect(abs(whole - total) <= 0.0051 * UNITS[found[5]], f"{line!r}: {total} bytes are read")
            t.expect(last <= done <= whole and abs(100 * done / whole - int(found[1])) < 2, f"{line!r} after {last} bytes")
            # A plan for a machine whose rates are not known predicts nothing.
            right = abs(float(found[7]) / (nanoseconds * 1e-9) - 1) < 0.01 if nanoseconds else found[6] is None
            t.expect(right, f"{line!r}: the plan predicts {nanoseconds} ns")
            last = done
    # The bar is also shown if stdout, to which the text goes, is a file.
    with open(work / "text", "wb") as out:
        t.expect("loading" in on_terminal(plan, 80, options, out), "nothing is shown if stdout is a file")
    t.expect((work / "text").read_text() == quiet.stdout, "the text differs")


def decode_nanoseconds(plan, number):
    placement = json.loads(t.run(t.AIRPACK, "inspect", plan, "--json"))["placements"][number]
    return next(p for p in placement["predictions"] if p["phase"] == "decode")["nanoseconds"]


# The speed of the disk is known only from a probe.
machine = work / "machine.json"
t.run(t.AIRRUN, "probe", "--seconds", 0, "-o", machine)


def pack(name, *options):
    t.run(t.AIRPACK, model, "-o", work / name, "--ctx", 128, *options)
    return work / name


resident = pack("resident.air", "--target", machine)
segments = json.loads(t.run(t.AIRPACK, "inspect", resident, "--json"))["segments"]
check(resident, sum(s["stored_bytes"] for s in segments if s["kind"] in ("Weights", "Table")), decode_nanoseconds(resident, 0))

ram = ("--ram", str(int(os.path.getsize(resident) * 0.9)))
for name, target in (("measured.air", machine), ("unmeasured.air", "host")):
    streamed = pack(name, "--target", target, *ram)
    report = t.bench(streamed, *ram, "-p", 0, "-n", 2, "--rounds", 1)["streaming"]
    t.expect(report["bytes_per_pass"] > 0, "all weights fit")
    predicted = decode_nanoseconds(streamed, report["placement"])
    t.expect((predicted != 0) == (target == machine), f"{name} predicts {predicted} ns")
    check(streamed, report["resident_bytes"] + report["bytes_per_pass"], predicted, ram)
print("shown on a terminal, and erased")
shutil.rmtree(work)
