#!/usr/bin/env python3
"""flip.py PLAN OUT segment|header: copies a plan and changes one byte of the copy.

With `segment`, the byte is in the fake plan's bias (test/runtime/fake/FakePlan.h).
"""
import sys

plan = bytearray(open(sys.argv[1], "rb").read())
if sys.argv[3] == "header":
    where = 40
else:
    # These are the bytes of bias(v) = v % 5 in float32 for v from 0 to 3. They
    # occur nowhere else in the plan.
    run = b"".join(int.to_bytes(b, 4, "little") for b in (0, 0x3F800000, 0x40000000, 0x40400000))
    where = plan.index(run) + 6
plan[where] ^= 1
open(sys.argv[2], "wb").write(plan)
