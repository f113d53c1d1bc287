#!/usr/bin/env python3
"""check_tune.py MODEL.gguf WORKDIR: checks that measured tile sizes change no logit.

The tile sizes that a second of measuring finds differ from run to run. Whatever
they are, the logits must be the same bytes as with the cost model's tile sizes.
"""
import json
import shutil
import sys
from pathlib import Path

import airtest as t

model, work = Path(sys.argv[1]), Path(sys.argv[2])
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
for name in ("plain", "again"):
    t.pack(model, work / f"{name}.air")
t.expect((work / "plain.air").read_bytes() == (work / "again.air").read_bytes(),
         "without --tune two plans differ")


def inspect(name, *options):
    return t.run(t.AIRPACK, "inspect", work / f"{name}.air", *options)


t.expect("measured" not in inspect("plain"), "inspect reports measurements for a plan without --tune")
# The number of tile sizes that can be measured in a given time depends on the
# load of the machine, so the time is increased until there is at least one.
for seconds in (3, 12, 48):
    t.pack(model, work / "tuned.air", "--tune", seconds)
    line = [text for text in inspect("tuned").splitlines() if text.startswith("tiles ")]
    t.expect(len(line) == 1 and "measured" in line[0], f"inspect reports no measurement: {line}")
    words = line[0].split()
    if int(words[2]) >= 1:
        break
t.expect(int(words[2]) >= 1, f"{seconds} seconds measured nothing: " + line[0])
decisions = {d["name"]: d for d in json.loads(inspect("tuned", "--json"))["decisions"]}
t.expect(decisions["tune"]["value"] in line[0], f"another decision: {decisions['tune']}")
print(line[0])

tokens = list(range(5, 45))
for batch in (1, 7, 40):
    outputs = []
    for name in ("plain", "tuned"):
        t.logits(work / f"{name}.air", tokens, work / "out.f32", batch)
        outputs.append((work / "out.f32").read_bytes())
    t.expect(outputs[0] == outputs[1], f"batch {batch}: measured tiles change logits")
print("the same logits, bit for bit")
