#!/usr/bin/env python3
"""check_joined.py MODEL.gguf: the targets of one command arrange their weights in the same way.

Packs MODEL for two CPUs that differ only in their memory: one keeps all weights in RAM, the other
reads weights from the disk in every pass. Alone, only the plan of the second one has gate and up
as one matrix. Together, both have, so the weights are in the file once.
"""
import json
import os
import re
import subprocess
import sys

model = sys.argv[1]


def run(*command):
    return subprocess.run(["airpack", *command], capture_output=True, text=True)


def target(name, memory):
    profile = {"name": name, "arch": "x86_64", "features": ["avx2", "f16c", "fma"], "cores": 1,
               "memory_bytes": memory, "memory_bandwidth": 0, "disk_bandwidth": 0, "measured": False}
    with open(f"{name}.json", "w") as file:
        json.dump(profile, file)
    return f"--target={name}.json"


def pack(plan, *options):
    done = run(model, "-o", plan, *options)
    if done.returncode != 0:
        sys.exit(f"{options}: exit {done.returncode}: {done.stderr}")


def inspect(plan):
    return json.loads(run("inspect", "--json", plan).stdout)


def has_joined(plan):
    return any("+" in tensor["name"] and "ffn_gate" in tensor["name"] for tensor in plan["tensors"])


def stored(plan, kinds):
    """The digests of the segments of these kinds; the sum of their bytes in the file, in whole pages."""
    segments = [each for each in plan["segments"] if each["kind"] in kinds]
    return [each["digests"] for each in segments], sum(-(-each["stored_bytes"] // 4096) * 4096 for each in segments)


refused = run(model, target("tiny", 1 << 20), "-o", "none.air").stderr
least = float(re.search(r"needs ([0-9.]+) MiB of RAM", refused)[1])
large = target("large", 16 << 30)
small = target("small", int((least + 4) * 2**20))

pack("large.air", large)
pack("small.air", small)
alone = inspect("large.air")
assert not has_joined(alone), "the plan that keeps all weights has gate and up as one matrix"
assert has_joined(inspect("small.air")), "the plan that reads weights has gate and up as two matrices"

for first, second in ((large, small), (small, large)):
    pack("fat.air", first, second)
    targets = inspect("fat.air")["targets"]
    assert all(map(has_joined, targets)), "a target of the fat plan has gate and up as two matrices"
    # The other target adds only its kernels and its records.
    size, one = os.path.getsize("fat.air"), os.path.getsize("large.air")
    kernels = max(stored(each, ["Kernels"])[1] for each in targets)
    records = min(min(segment["offset"] for segment in each["segments"]) for each in targets)
    assert size <= one + kernels + records, f"the fat plan has {size} bytes, the other {one}, {kernels} and {records}"

pack("out.air", large, small, "--separate")
plans = [inspect(f"out.{name}.air") for name in ("large", "small")]
assert all(map(has_joined, plans)), "a separate plan has gate and up as two matrices"
digests = [stored(plan, ["Weights", "Table"])[0] for plan in plans]
assert digests[0] == digests[1], "the weights of the separate plans differ"
