#!/usr/bin/env python3
"""flip.py PLAN OUT segment|header: a copy of a plan with one changed byte.

The segment is the fake plan's bias (test/runtime/fake/FakePlan.h).
"""
import sys

plan = bytearray(open(sys.argv[1], "rb").read())
if sys.argv[3] == "header":
    where = 40
else:
    # bias(v) = v % 5 as float32. No other place has this sequence of bytes.
    run = b"".join(int.to_bytes(b, 4, "little") for b in (0, 0x3F800000, 0x40000000, 0x40400000))
    where = plan.index(run) + 6
plan[where] ^= 1
open(sys.argv[2], "wb").write(plan)
