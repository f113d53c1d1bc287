#!/usr/bin/env python3
"""check_hostile.py MODEL.gguf WORKDIR [CASES]: corrupted inputs must end in a clean error.

Makes CASES corrupted copies of the model and of a plan of it (flipped bytes,
truncations, runs of 0xff; the seed is fixed), and runs the programs on them.
Each run must end within a minute with a documented exit code, print one line on
stderr besides notes when it fails, and leave no file behind.
"""
import random
import shutil
import subprocess
import sys
from pathlib import Path

import airtest as t

model, work = Path(sys.argv[1]), Path(sys.argv[2])
cases = int(sys.argv[3]) if len(sys.argv) > 3 else 60
# A run that was killed may have left files behind.
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
rng = random.Random(20260707)


def corrupt(data, dense):
    """Returns a corrupted copy. The first `dense` bytes hold structure and get most of the damage."""
    out = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(out[: rng.randrange(len(out))])
    for _ in range(1 if kind == 1 else 8):
        at = rng.randrange(dense if rng.random() < 0.8 else len(out))
        if kind == 3:
            out[at : at + 8] = b"\xff" * len(out[at : at + 8])
        else:
            out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def attempt(command, name):
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        sys.exit(f"FAILED: {name} hangs")
    t.expect(0 <= done.returncode <= 8, f"{name} ended with {done.returncode}")
    if done.returncode != 0:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("note: ")]
        t.expect(len(lines) == 1, f"{name}: {lines}")
    return done.returncode


plan = work / "good.air"
t.pack(model, plan)
good_model, good_plan = model.read_bytes(), plan.read_bytes()
codes = {}
for case in range(cases):
    bad = work / "bad.gguf"
    bad.write_bytes(corrupt(good_model, min(len(good_model), 40000)))
    out = work / "bad.air"
    # With --json, airpack does not measure the memory of this machine.
    code = attempt([t.AIRPACK, bad, "--target", "host", "-o", out, "--json"], f"airpack case {case}")
    t.expect(code == 0 or not out.exists(), f"airpack case {case}: a plan was left behind")
    codes[code] = codes.get(code, 0) + 1
    out.unlink(missing_ok=True)

    broken = work / "broken.air"
    broken.write_bytes(corrupt(good_plan, min(len(good_plan), 60000)))
    if broken.read_bytes() != good_plan:
        code = attempt([t.AIRRUN, broken, "--tokens", "1,2", "-n", 1], f"airrun case {case}")
        t.expect(code != 0, f"airrun case {case}: a corrupted plan was accepted")
    leftovers = [p.name for p in work.iterdir() if ".tmp" in p.name]
    t.expect(not leftovers, f"left behind: {leftovers}")
print(f"{cases} corrupted models and plans; airpack's exit codes: {dict(sorted(codes.items()))}")
