"""Common code of the end-to-end checks: functions that run the two programs and read vectors.

Standard library only. The environment variables AIRPACK and AIRRUN name the
programs; lit sets them.
"""
import array
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import run_again

AIRPACK = os.environ["AIRPACK"]
AIRRUN = os.environ["AIRRUN"]


def run(*command, binary=False):
    """Runs a program that must succeed; returns its standard output."""
    done = subprocess.run([str(c) for c in command], capture_output=True)
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}")
    return done.stdout if binary else done.stdout.decode()


def bench(plan, *options):
    """Returns the report of airrun bench, which is run again if other programs disturb it."""
    command = [str(part) for part in (AIRRUN, "bench", plan, *options, "--json")]
    done = run_again.run_again(command)
    expect(done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def pack(model, plan, *options):
    # Without --json, airpack would measure the bandwidth of this machine's
    # memory for its summary, which nobody reads here.
    run(AIRPACK, model, "--target", "host", "-o", plan, "--json", *options)


def least_ram(model, out, *options):
    """Returns the least number of bytes of RAM with which airpack can make a plan of the model.

    airpack states this number when it refuses to make a plan for 1 MiB of RAM. Nothing is written to `out`.
    """
    command = [AIRPACK, model, "--target", "host", "--ram", "1MiB", "-o", out, *options]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    found = re.search(r"needs ([0-9.]+) (KiB|MiB|GiB) of RAM", done.stderr)
    expect(done.returncode == 5 and found is not None, f"{command}: exit {done.returncode}: {done.stderr}")
    return int(float(found[1]) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[found[2]])


def comma(tokens):
    return ",".join(map(str, tokens))


def logits(plan, tokens, out, batch, threads=None):
    """Returns the float32 logits after each token, as one list per token."""
    extra = ["--threads", threads] if threads else []
    run(AIRRUN, "logits", plan, "--tokens", comma(tokens), "-o", out, "--batch", batch, *extra)
    return read_rows(out, len(tokens))


def read_rows(path, rows):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    assert len(values) % rows == 0, f"{path}: {len(values)} floats do not make {rows} rows"
    width = len(values) // rows
    return [values[i * width : (i + 1) * width] for i in range(rows)]


def worst_difference(ours, reference):
    """The largest |difference| of any logit, in standard deviations of its row of the reference."""
    worst = 0.0
    assert len(ours) == len(reference)
    for mine, theirs in zip(ours, reference):
        assert len(mine) == len(theirs)
        mean = math.fsum(theirs) / len(theirs)
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in theirs) / len(theirs))
        worst = max(worst, max(abs(a - b) for a, b in zip(mine, theirs)) / deviation)
    return worst


def greedy(plan, tokens, count):
    out = run(AIRRUN, plan, "--tokens", comma(tokens), "-n", count, "--temp", 0, "--ignore-eos",
              "--output-tokens")
    return [int(t) for t in out.replace(",", " ").split()]


def load(path):
    with open(path) as file:
        return json.load(file)


def expect(condition, message):
    if not condition:
        sys.exit("FAILED: " + message)
