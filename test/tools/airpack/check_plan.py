#!/usr/bin/env python3
"""check_plan.py PLAN.json: checks what must hold for any plan of a two-layer model."""
import json
import sys

plan = json.load(open(sys.argv[1]))
segments, tensors = plan["segments"], plan["tensors"]

# Segments are in the order of their first use, with the kernels last.
names = [s["name"] for s in segments]
layer = lambda i: [f"layer.{i}.{s}" for s in ("attn_in", "attn_out", "ffn_in", "ffn_out")]
assert names == ["positions", "embed", *layer(0), *layer(1), "head", "kernels"], names
assert [r["segment"] for r in plan["reads"]] == list(range(len(segments) - 1))

# The tensor that a step binds first lies at the start of the step's segment.
for index, segment in enumerate(segments[:-1]):
    offsets = sorted(t["offset"] for t in tensors if t["segment"] == index)
    assert offsets[0] == 0 and all(o % 64 == 0 for o in offsets), (segment, offsets)
    end = max(t["offset"] + t["bytes"] for t in tensors if t["segment"] == index)
    assert end == segment["raw_bytes"], (segment, end)

# The programs cover all batch sizes without gaps, with the same steps.
ranges = [(p["min_tokens"], p["max_tokens"]) for p in plan["programs"]]
assert ranges == [(1, 1), (2, 8), (9, plan["max_tokens"])], ranges
steps = [[s["name"] for s in p["steps"]] for p in plan["programs"]]
assert steps[0] == steps[1] == steps[2]

# The layers share the arena, so it is smaller than the sum of its buffers.
assert plan["arena_bytes"] < sum(b["bytes"] for b in plan["buffers"])
assert [b["name"] for b in plan["buffers"] if b.get("is_output")] == ["logits"]

# The predicted number of bytes per decode pass is that of the weights that the
# dispatches read.
moved = sum(d["weight_bytes"] for s in plan["programs"][0]["steps"] for d in s["dispatches"])
(link,) = plan["predictions"][0]["links"]
assert link["link"] == "dram" and link["bytes_per_pass"] == moved, (link, moved)

assert {d["name"]: d["by"] for d in plan["decisions"]}["context"] in ("Model", "Default")
(source,) = plan["sources"]
assert sorted(source) == ["bytes", "digest"] and len(source["digest"]) == 32, source
print("the plan holds")
