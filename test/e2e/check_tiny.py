#!/usr/bin/env python3
"""check_tiny.py MODEL.gguf WORKDIR [PACK OPTIONS]: checks logits and greedy tokens of a tiny model.

The reference is MODEL.logits.f32: float64 logits computed by Hugging Face's
`transformers` library, or by a numpy script that agrees with it. With a float32
KV cache and batches of 1, 8 and 64 tokens, max |difference| must be at most
1e-4 of the row's standard deviation (llama.cpp reaches 1.4e-5), and the greedy
tokens must be equal.
"""
import sys
from pathlib import Path

import airtest as t

BOUND = 1e-4
model, work = Path(sys.argv[1]), Path(sys.argv[2])
work.mkdir(parents=True, exist_ok=True)
facts = t.load(model.with_suffix(".json"))
tokens = facts["tokens"]
reference = t.read_rows(model.with_suffix(".logits.f32"), len(tokens))
plan = work / "model.air"
t.pack(model, plan, "--kv-type", "f32", *sys.argv[3:])
for batch in (1, 8, 64):
    worst = t.worst_difference(t.logits(plan, tokens, work / "out.f32", batch), reference)
    print(f"{model.stem} batch {batch}: {worst:.3g} of the row's deviation, bound {BOUND:g}")
    t.expect(worst <= BOUND, f"batch {batch}: {worst:.3g} > {BOUND:g}")
count = len(facts["greedy"])
ours = t.greedy(plan, facts["prompt"], count)
t.expect(ours == facts["greedy"], f"greedy tokens differ: {ours} != {facts['greedy']}")
print(f"{model.stem}: {count} greedy tokens equal")
