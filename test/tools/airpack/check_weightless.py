#!/usr/bin/env python3
"""check_weightless.py WHOLE.json LESS.json EMITTED.json: checks what --weightless changes."""
import json
import sys

whole, less, emitted = (json.load(open(path)) for path in sys.argv[1:])
# This is the XXH3-128 digest of no bytes (xxHash 0.8, seed 0).
EMPTY = "99aa06d3014798d86001c324468d497f"
assert whole.pop("weightless") is False and less.pop("weightless") is True
kinds = set()
for a, b in zip(whole["segments"], less["segments"]):
    kinds.add(a["kind"])
    if a["kind"] == "Kernels":
        assert b["stored_bytes"] == a["stored_bytes"] and b["digest"] == a["digest"], b
    else:
        assert a["stored_bytes"] == a["raw_bytes"] > 0 == b["stored_bytes"], (a, b)
        assert b["digest"] == EMPTY, b
    for record in (a, b):
        del record["offset"], record["digest"], record["stored_bytes"]
assert kinds == {"Weights", "Kernels"}, kinds
assert whole == less
# --emit=json leaves out fields that have their default value.
assert emitted["weightless"] is True
stored = {s["name"] for s in emitted["segments"] if s.get("stored_bytes", 0) != 0}
assert stored == {"kernels"}, stored
