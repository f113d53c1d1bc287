#!/usr/bin/env python3
"""check_pack.py REPORT MODEL: checks measure_pack.py's JSON of two rounds."""
import json
import math
import os
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)
packed, copied = report["airpack"], report["copy"]
assert report["rounds"] == len(packed["all_s"]) == len(copied["all_s"]) == 2, report
assert copied["bytes"] == os.path.getsize(sys.argv[2]) and packed["bytes"] > 4096, report
for part in packed, copied:
    assert math.isclose(part["s"], sum(part["all_s"]) / 2), part
    assert math.isclose(part["mb_s"], part["bytes"] * 1e-6 / part["s"]) and part["s"] > 0, part
assert 0 <= packed["overlap_s"] <= packed["write_s"] + 0.02, packed
assert 0 < packed["compile_s"] < packed["s"] and 0 <= packed["write_s"] < packed["s"], packed
# airpack prints whole MB/s, which is 0 for this small plan on a busy machine.
assert 0 <= packed["write_mb_s"] < 1e6, packed
assert math.isclose(report["share"], packed["mb_s"] / copied["mb_s"]), report
