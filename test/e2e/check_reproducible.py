#!/usr/bin/env python3
"""check_reproducible.py MODEL.gguf WORKDIR: equal inputs must produce equal bytes.

The plan must not depend on the folder, the time zone, the user's name, the number of
packing threads, or on whether kernels that were compiled earlier are used. Logits
must not depend on the number of compute threads.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import airtest as t

model, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
shutil.rmtree(work, ignore_errors=True)
here, there = work / "here", work / "some where" / "else"
for folder in (here, there):
    folder.mkdir(parents=True)
copy = there / model.name
shutil.copy(model, copy)

t.pack(model, here / "a.air", "--threads", 1, "--kernel-cache", "none")
environment = dict(os.environ, TZ="Asia/Kathmandu", USER="nobody", LANG="C", HOME="/nonexistent")
done = subprocess.run([t.AIRPACK, copy.name, "--target", "host", "-o", "b.air", "--threads", "2",
                       "--kernel-cache", "none"],
                      cwd=there, env=environment, capture_output=True)
t.expect(done.returncode == 0, done.stderr.decode())
# The kernels of the plan d come from the cache that the plan c has filled.
cache = work / "kernels"
for name in ("c", "d"):
    t.pack(model, here / f"{name}.air", "--kernel-cache", cache)
    t.expect(len(list(cache.glob("*.kernels"))) == 1, f"{list(cache.iterdir())} are in the cache")
plans = [here / "a.air", there / "b.air", here / "c.air", here / "d.air"]
first = plans[0].read_bytes()
for plan in plans[1:]:
    t.expect(plan.read_bytes() == first, f"{plan.name} differs from a.air")
print(f"{len(plans)} plans of {len(first)} bytes are equal")

tokens = list(range(5, 45))
for batch in (1, 7, 40):
    outputs = []
    for threads in (1, 2):
        t.logits(here / "a.air", tokens, work / "out.f32", batch, threads)
        outputs.append((work / "out.f32").read_bytes())
    t.expect(outputs[0] == outputs[1], f"batch {batch}: 1 and 2 threads differ")
print("1 and 2 threads give the same bytes")
