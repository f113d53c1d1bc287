#!/usr/bin/env python3
"""check_host_speed.py SUMMARY PLAN: the measured speed must be the measured bandwidth
divided by the plan's bytes per token, and the bandwidth must be plausible.
"""
import json
import re
import subprocess
import sys

summary = open(sys.argv[1]).read()
speed, bandwidth = map(float, re.search(
    r"^this host  about ([\d.]+) tokens/s: its memory was read at ([\d.]+) GB/s", summary, re.M).groups())
plan = json.loads(subprocess.run(["airpack", "inspect", "--json", sys.argv[2]],
                                 capture_output=True, check=True).stdout)
(decode,) = [p for p in plan["placements"][0]["predictions"] if p["phase"] == "decode"]
(dram,) = [link for link in decode["links"] if link["link"] == "dram"]
assert 0.5 < bandwidth < 10000, bandwidth
wanted = bandwidth * 1e9 / dram["bytes_per_pass"]
# The summary has one decimal place, so rounding changes the bandwidth by at most
# 0.05 GB/s, and the speed by less than 0.1 tokens/s.
assert abs(speed - wanted) <= 0.05e9 / dram["bytes_per_pass"] + 0.1, (speed, wanted)
