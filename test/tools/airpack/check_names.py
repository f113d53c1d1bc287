#!/usr/bin/env python3
"""check_names.py MODEL.gguf WORKDIR: the name of a model's file must not enter the plan.

The same bytes under two names produce the same plan, as one file and as a split
model.
"""
import shutil
import subprocess
import sys
from pathlib import Path

from gguf_parts import Model, split

def pack(model, plan):
    subprocess.run(["airpack", model, "--target", "x86-64-v3", "-o", plan], check=True, stdout=subprocess.DEVNULL)
    return plan.read_bytes()


source, work = Path(sys.argv[1]), Path(sys.argv[2])
shutil.rmtree(work, ignore_errors=True)
(work / "elsewhere").mkdir(parents=True)
shutil.copy(source, work / "a.gguf")
shutil.copy(source, work / "elsewhere" / "another name.bin")
assert pack(work / "a.gguf", work / "a.air") == pack(work / "elsewhere" / "another name.bin", work / "b.air")

model = Model(source)
plans = []
for stem in ("one", "two"):
    first, _ = split(model, work / stem, 2)
    plans.append(pack(first, work / f"{stem}.air"))
assert plans[0] == plans[1]
print("names change nothing")
