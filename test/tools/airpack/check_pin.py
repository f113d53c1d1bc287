#!/usr/bin/env python3
"""check_pin.py PERCENT: checks a plan's JSON, on standard input, that --pin made.

There must be one placement, in which each large segment of weights keeps PERCENT of its pages.
"""
import json
import sys

PAGE = 4096
percent = int(sys.argv[1])
plan = json.load(sys.stdin)
decision = {d["name"]: d for d in plan["decisions"]}["pin"]
assert (decision["value"], decision["by"]) == (str(percent), "User"), decision
(placement,) = plan["placements"]
large = [(segment, kept) for segment, kept in zip(plan["segments"], placement["resident"])
         if segment["kind"] == "Weights" and segment["raw_bytes"] >= 65536]
assert large
for segment, kept in large:
    share = kept / segment["raw_bytes"] * 100
    # The part in RAM is rounded down to whole pages. Even with --pin 0, chunks
    # at the segment's start that several steps need may stay in RAM.
    assert share > percent - 100 * PAGE / segment["raw_bytes"], (segment["name"], share)
    assert percent == 0 or share <= percent, (segment["name"], share)
streamed = sum(read["bytes"] for read in placement.get("reads", []))
assert (streamed == 0) == (percent == 100), streamed
