#!/usr/bin/env python3
"""check_kl.py MODEL.gguf FACTS.json REFERENCE.top512 WORKDIR

KL divergence (nats, mean over tokens) of a quantised model's next-token
distribution from the float64 one of its dequantised weights must not exceed
llama.cpp's, which FACTS.json states. Default KV type (f16), as llama.cpp's.
"""
import math
import struct
import sys
from pathlib import Path

import airtest as t

TOP = 512
ROW = TOP * 2 + TOP * 4 + 8


def log_sum_exp(values):
    peak = max(values)
    return peak + math.log(math.fsum(math.exp(v - peak) for v in values))


def row_kl(row, ids, reference, log_rest):
    """KL over the top ids and one bucket for every other id."""
    total = log_sum_exp(list(reference) + [log_rest])
    chosen = set(ids)
    ours_rest = log_sum_exp([v for i, v in enumerate(row) if i not in chosen])
    ours_total = log_sum_exp(row)
    terms = []
    for i, ref in list(zip(ids, reference)) + [(None, log_rest)]:
        log_p = ref - total
        log_q = (ours_rest if i is None else row[i]) - ours_total
        terms.append(math.exp(log_p) * (log_p - log_q))
    return math.fsum(terms)


model, facts_path, reference_path, work = map(Path, sys.argv[1:5])
work.mkdir(parents=True, exist_ok=True)
facts = t.load(facts_path)
data = reference_path.read_bytes()
tokens = facts["tokens"]
t.expect(len(data) == ROW * len(tokens), f"{reference_path}: {len(data)} bytes, {len(tokens)} tokens")
plan = work / "model.air"
t.pack(model, plan)
bound = facts["llama_cpp"]["kl_mean"]
for batch in (1, 4, 64):
    rows = t.logits(plan, tokens, work / "out.f32", batch)
    kls = []
    for index, row in enumerate(rows):
        at = index * ROW
        ids = struct.unpack_from(f"<{TOP}H", data, at)
        reference = struct.unpack_from(f"<{TOP}f", data, at + TOP * 2)
        (log_rest,) = struct.unpack_from("<d", data, at + TOP * 6)
        kls.append(row_kl(row, ids, reference, log_rest))
    mean = math.fsum(kls) / len(kls)
    print(f"{model.stem} batch {batch}: KL mean {mean:.3g}, max {max(kls):.3g}; llama.cpp {bound:.3g}")
    t.expect(mean <= bound, f"batch {batch}: KL {mean:.3g} > {bound:.3g}")
