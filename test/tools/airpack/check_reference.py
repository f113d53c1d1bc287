#!/usr/bin/env python3
"""check_reference.py MODEL.gguf WHOLE.json LESS.json EMITTED.json: checks what --reference changes.

WHOLE.json and LESS.json are what `airpack inspect --json` prints of two plans of the model:
WHOLE.json of a plan with all weights, and LESS.json of a plan made with --reference.
EMITTED.json is the output of `airpack --reference --emit=json`.
"""
import json
import sys
from pathlib import Path

from gguf_parts import Model

model = Model(Path(sys.argv[1]))
whole, less, emitted = (json.load(open(path)) for path in sys.argv[2:])
assert whole.pop("reference") is False and less.pop("reference") is True and emitted["reference"] is True
assert [source.pop("name") for source in less["sources"]] == [Path(sys.argv[1]).name]
header = whole["sources"][0]["header_bytes"]
assert header == min(model.places.values()), header

# Every matrix refers to its rows in the model's file, and no other tensor
# refers to rows.
begins, found = {}, set()
for tensor in less["tensors"]:
    rows = tensor.pop("source_rows", [])
    assert (tensor["rows"] > 1) == bool(rows), tensor
    if not rows:
        continue
    begins.setdefault(tensor["segment"], tensor["offset"])
    begins[tensor["segment"]] = min(begins[tensor["segment"]], tensor["offset"])
    assert sum(part["rows"] for part in rows) == tensor["rows"], tensor
    names = tensor["name"].split("+")
    assert rows[0]["source"] == 0 and rows[0]["offset"] == model.places[names[0]], (tensor, rows)
    found.update(names)
assert len(found) >= 8, found

# A reference plan stores a segment's bytes up to its first matrix. The rest,
# including the digests, is as in the plan that contains its weights.
for i, (a, b) in enumerate(zip(whole["segments"], less["segments"])):
    if a["kind"] == "Kernels":
        assert b["stored_bytes"] == a["stored_bytes"], b
    else:
        assert b["stored_bytes"] <= begins.get(i, b["raw_bytes"]) < b["stored_bytes"] + 64 or i not in begins, (b, begins)
        assert i in begins or b["stored_bytes"] == b["raw_bytes"], b
    for record in (a, b):
        del record["offset"], record["stored_bytes"]
# Only the reference plan needs a staging buffer, to read the model's file.
for placement in less["placements"]:
    staging = [item for item in placement["items"] if item["name"] == "staging"]
    assert len(staging) == 1 and staging[0]["bytes"] == 8 << 20, placement
    placement["items"].remove(staging[0])
assert whole == less
