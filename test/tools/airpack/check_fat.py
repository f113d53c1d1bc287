#!/usr/bin/env python3
"""check_fat.py PLAN FAT.json ONE.json...: the targets of a fat plan are the plans made one by one.

FAT.json is what `airpack inspect --json` prints of PLAN, and each ONE.json what it prints of the
plan for one target, in the order of the targets. Weights that are equal are in the file once.
"""
import json
import os
import sys

targets = json.load(open(sys.argv[2]))["targets"]
plans = [json.load(open(name)) for name in sys.argv[3:]]
if len(targets) != len(plans):
    sys.exit(f"{len(targets)} targets, but {len(plans)} plans")


def page(size):
    return (size + 4095) // 4096 * 4096


segments = {}  # of the file, by offset
total = 0  # bytes of the segments of all targets, if none were shared
for target, plan in zip(targets, plans):
    for segment in target["segments"]:
        known = segments.setdefault(segment["offset"], dict(segment))
        if known != segment:
            sys.exit(f"different segments at the same offset: {known} and {segment}")
        total += page(segment["stored_bytes"])
    for records in (target, plan):
        for segment in records["segments"]:
            del segment["offset"]
    if target != plan:
        keys = [key for key in plan if target.get(key) != plan[key]]
        sys.exit(f"target {target['machine']['name']} differs from its plan in {keys}")
stored = sum(page(segment["stored_bytes"]) for segment in segments.values())
metadata = min(segments) - 4096
size = os.path.getsize(sys.argv[1])
if size != 4096 + metadata + stored:
    sys.exit(f"the file has {size} bytes, but its parts have {4096 + metadata + stored}")
weights = sum(page(segment["stored_bytes"]) for segment in plans[0]["segments"]
              if segment["kind"] != "Kernels")
if stored != total - weights:
    sys.exit(f"{total - stored} bytes are shared, but the weights have {weights}")
