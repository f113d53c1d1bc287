#!/usr/bin/env python3
"""check_plan.py PLAN.json: checks what must hold for any plan of a two-layer model."""
import json
import sys

plan = json.load(open(sys.argv[1]))
segments, tensors = plan["segments"], plan["tensors"]

# Weights are in the order of their first use, followed by the kernels, and by the
# embedding table if the head has a matrix of its own.
names = [s["name"] for s in segments]
layer = lambda i: [f"layer.{i}.{s}" for s in ("attn_in", "attn_out", "ffn_in", "ffn_out")]
weights = ["positions", *layer(0), *layer(1), "head"]
assert names in ([*weights, "kernels"], [*weights, "kernels", "embed"]), names
assert [r["segment"] for r in plan["reads"]] == list(range(len(weights)))

# The tensor that a step binds first lies at the start of the step's segment.
for index, segment in enumerate(segments):
    if segment["kind"] == "Kernels":
        continue
    offsets = sorted(t["offset"] for t in tensors if t["segment"] == index)
    assert offsets[0] == 0 and all(o % 64 == 0 for o in offsets), (segment, offsets)
    end = max(t["offset"] + t["bytes"] for t in tensors if t["segment"] == index)
    assert end == segment["raw_bytes"], (segment, end)

# The programs cover all batch sizes without gaps, and all have the same steps.
ranges = [(p["min_tokens"], p["max_tokens"]) for p in plan["programs"]]
assert ranges == [(1, 1), (2, 8), (9, plan["max_tokens"])], ranges
steps = [[s["name"] for s in p["steps"]] for p in plan["programs"]]
assert steps[0] == steps[1] == steps[2]

# The layers share the arena, so it is smaller than the sum of its buffers.
assert plan["arena_bytes"] < sum(b["bytes"] for b in plan["buffers"])
assert [b["name"] for b in plan["buffers"] if b.get("is_output")] == ["logits"]

# The plan predicts that a decode pass reads the weights of its dispatches.
moved = sum(d["weight_bytes"] for s in plan["programs"][0]["steps"] for d in s["dispatches"])
(placement,) = plan["placements"]
(link,) = placement["predictions"][0]["links"]
assert link["link"] == "dram" and link["bytes_per_pass"] == moved, (link, moved)

# The model fits, so everything stays in RAM.
assert placement["resident"] == [s["raw_bytes"] for s in segments], placement
assert placement.get("ring_bytes", 0) == 0 and not placement.get("reads"), placement

assert {d["name"]: d["by"] for d in plan["decisions"]}["context"] in ("Model", "Default")
(source,) = plan["sources"]
assert sorted(source) == ["bytes", "digest", "header_bytes"] and len(source["digest"]) == 32, source
print("the plan holds")
