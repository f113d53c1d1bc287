#!/usr/bin/env python3
"""check_ram.py PLAN BYTES BY PERCENT...: checks the placements of a plan for BYTES of RAM.

BY says where this number comes from, such as "User" for --ram. There must be one
placement for each PERCENT, whose budget is this percentage of BYTES.
"""
import json
import subprocess
import sys

PAGE = 4096
path, ram, by = sys.argv[1], int(sys.argv[2]), sys.argv[3]
percents = [int(p) for p in sys.argv[4:]]
plan = json.loads(subprocess.run(["airpack", "inspect", "--json", path], capture_output=True, check=True).stdout)
decision = {d["name"]: d for d in plan["decisions"]}["ram"]
assert (decision["value"], decision["by"]) == (str(ram), by), decision

segments = plan["segments"]
placements = plan["placements"]
budgets = [b["bytes"] for p in placements for b in p["budgets"]]
assert [round(100 * b / ram) for b in budgets] == percents, budgets
for placement, budget in zip(placements, budgets):
    items = {i["name"]: i["bytes"] for i in placement["items"]}
    assert sum(items.values()) <= budget, (items, budget)
    reads = placement.get("reads", [])
    streamed = sum(r["bytes"] for r in reads)
    kept = [-(-bytes // PAGE) * PAGE for bytes in placement["resident"]]
    weights = [i for i, s in enumerate(segments) if s["kind"] != "Kernels"]
    assert sum(kept[i] for i in weights) == items["weights"], items
    assert placement["ring_bytes"] == items.get("ring", 0)
    # All large segments of weights keep the same share in RAM. Small segments
    # stay in RAM as a whole.
    shares = []
    for i, segment in enumerate(segments):
        if segment["kind"] == "Weights" and reads and segment["raw_bytes"] >= 65536:
            shares.append(kept[i] / segment["raw_bytes"])
            assert max(shares) - min(shares) < 0.01, (segment["name"], shares)
        elif segment["kind"] != "Table":
            assert placement["resident"][i] == segment["raw_bytes"], segment
    # If weights are streamed, less than 1 % of the budget is left free.
    assert not reads or sum(items.values()) > 0.99 * budget or items["weights"] < 65536, (items, budget)
    decode, verify = placement["predictions"]
    assert (decode["phase"], verify["phase"]) == ("decode", "verify"), placement["predictions"]
    # Without the rate of the arithmetic, a verify pass takes as long as a decode
    # pass, because it moves the same bytes.
    assert {**verify, "phase": "decode"} == decode, placement["predictions"]
    links = {link["link"]: link for link in decode["links"]}
    assert links.get("disk", {"bytes_per_pass": 0})["bytes_per_pass"] == streamed, links
    # Memory and the disk overlap, but not completely: a pass takes the longer
    # of their times plus a fifth of the shorter one.
    times = [link["bytes_per_pass"] / link["bandwidth"] for link in links.values()]
    expected = max(times) + (0.2 * min(times) if len(times) == 2 else 0)
    assert abs(decode["nanoseconds"] - 1e9 * expected) <= 1, (decode, times)
