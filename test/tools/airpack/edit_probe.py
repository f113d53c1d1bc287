#!/usr/bin/env python3
"""edit_probe.py FROM TO [KEY VALUE]: copies a saved probe from one cache folder to another.

In the copy, KEY of the GPU has the value VALUE. Without KEY, the copy has no GPU.
"""
import json
import os
import sys

source, target = (os.path.join(folder, "airpack", "probe.json") for folder in sys.argv[1:3])
with open(source) as file:
    probe = json.load(file)
if len(sys.argv) == 3:
    del probe["profile"]["gpus"]
else:
    key, value = sys.argv[3:]
    probe["profile"]["gpus"][0][key] = int(value) if value.isdigit() else value
os.makedirs(os.path.dirname(target), exist_ok=True)
with open(target, "w") as file:
    json.dump(probe, file)
