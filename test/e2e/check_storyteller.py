#!/usr/bin/env python3
"""check_storyteller.py MODEL.gguf VECTORS WORKDIR: checks greedy text and perplexity.

The F16 model must continue "Once upon a time" with the 64 greedy tokens of the
float64 reference, and its perplexity on a held-out book must differ from the
reference's by at most 0.1 %.
"""
import json
import sys
from pathlib import Path

import airtest as t

model, vectors, work = map(Path, sys.argv[1:4])
work.mkdir(parents=True, exist_ok=True)
plan = work / "model.air"
t.pack(model, plan)

expected = t.load(vectors / "greedy.json")
ours = t.greedy(plan, expected["tokens"], len(expected["greedy"]))
t.expect(ours == expected["greedy"], f"greedy tokens differ: {ours} != {expected['greedy']}")
text = t.run(t.AIRRUN, plan, "-p", expected["prompt"], "-n", len(expected["greedy"]), "--temp", 0,
             "--ignore-eos")
t.expect(expected["text"] in text, f"text differs: {text!r} lacks {expected['text']!r}")
print("64 greedy tokens and their text equal")

wanted = t.load(vectors / "perplexity.json")
answer = json.loads(t.run(t.AIRRUN, "perplexity", plan, "-f", vectors / "perplexity.txt", "--window",
                          wanted["window"], "--json"))
t.expect(answer["scored_tokens"] == wanted["scored_tokens"],
         f"{answer['scored_tokens']} tokens scored, {wanted['scored_tokens']} expected")
error = abs(answer["perplexity"] / wanted["perplexity"] - 1)
print(f"perplexity {answer['perplexity']:.5f}, reference {wanted['perplexity']:.5f}: {error:.2e} apart")
t.expect(error <= 1e-3, f"perplexity {answer['perplexity']} is {error:.2%} off")
