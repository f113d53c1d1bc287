#!/usr/bin/env python3
"""check_weightless.py WHOLE.json LESS.json EMITTED.json: checks what --weightless changes.

WHOLE.json and LESS.json are what `airpack inspect --json` prints of two plans of one
model: WHOLE.json of a plan with all weights, and LESS.json of a plan made with
--weightless. EMITTED.json is the output of `airpack --weightless --emit=json`.
"""
import json
import sys

whole, less, emitted = (json.load(open(path)) for path in sys.argv[1:])
assert whole.pop("weightless") is False and less.pop("weightless") is True
kinds = set()
for a, b in zip(whole["segments"], less["segments"]):
    kinds.add(a["kind"])
    if a["kind"] == "Kernels":
        assert b["stored_bytes"] == a["stored_bytes"] and b["digests"] == a["digests"], b
    else:
        assert a["stored_bytes"] == a["raw_bytes"] > 0 == b["stored_bytes"], (a, b)
        assert a["digests"] and "digests" not in b, b
    for record in (a, b):
        del record["offset"], record["stored_bytes"]
        record.pop("digests", None)
assert kinds <= {"Weights", "Kernels", "Table"} and "Kernels" in kinds, kinds
assert whole == less
# --emit=json leaves out fields that have their default value.
assert emitted["weightless"] is True
stored = {s["name"] for s in emitted["segments"] if s.get("stored_bytes", 0) != 0}
assert stored == {"kernels"}, stored
