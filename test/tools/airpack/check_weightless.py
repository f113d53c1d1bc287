#!/usr/bin/env python3
"""check_weightless.py WHOLE.json LESS.json EMITTED.json: what --weightless changes."""
import json
import sys

whole, less, emitted = (json.load(open(path)) for path in sys.argv[1:])
# XXH3-128 of no bytes (xxHash's specification, section "Special case").
EMPTY = "99aa06d3014798d86001c324468d497f"
assert whole.pop("weightless") is False and less.pop("weightless") is True
assert emitted.pop("weightless") is True
kinds = set()
for a, b, c in zip(whole["segments"], less["segments"], emitted["segments"]):
    kinds.add(a["kind"])
    if a["kind"] == "Kernels":
        assert b["stored_bytes"] == a["stored_bytes"] and b["digest"] == a["digest"], b
    else:
        assert a["stored_bytes"] == a["raw_bytes"] > 0 == b["stored_bytes"], (a, b)
        assert b["digest"] == EMPTY, b
    for record in (a, b, c):
        for name in ("offset", "digest", "stored_bytes"):
            record.pop(name, None)  # --emit=json has no offsets
assert kinds == {"Weights", "Kernels"}, kinds
for key in whole:
    assert whole[key] == less[key] == emitted[key], key
