#!/usr/bin/env python3
"""check_kl.py MODEL.gguf FACTS.json REFERENCE WORKDIR: compares KL divergences.

The KL divergence (nats, mean over tokens) of a quantised model's next-token
distribution from that of a float64 evaluation of its dequantised weights must
not exceed llama.cpp's, which FACTS.json states. The KV cache is f16, the
default, as it was for llama.cpp.

REFERENCE holds the float64 logits after each token of FACTS.json: either all of
them (.logits.f32: little-endian float32 [tokens, vocabulary]) or the largest 512
(.top512, which make_top512.py beside these files writes and describes).
"""
import array
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


def kl(reference, ours):
    """Returns KL(reference || ours) of two distributions given as logits."""
    reference_total, ours_total = log_sum_exp(reference), log_sum_exp(ours)
    terms = []
    for a, b in zip(reference, ours, strict=True):
        log_p, log_q = a - reference_total, b - ours_total
        terms.append(math.exp(log_p) * (log_p - log_q))
    return math.fsum(terms)


def whole_rows(data, tokens):
    """Reads logits of the whole vocabulary. Returns a pair (ids, logits) per token."""
    logits = array.array("f", data)
    t.expect(len(logits) % tokens == 0, f"{reference_path}: {len(logits)} logits, {tokens} tokens")
    vocabulary = len(logits) // tokens
    return [(range(vocabulary), logits[i * vocabulary : (i + 1) * vocabulary]) for i in range(tokens)]


def top_rows(data, tokens):
    """Reads the 512 largest logits of each token. Returns a pair (ids, logits) per token.

    `logits` has one element more than `ids`: the log of the sum of exp of all other logits.
    """
    t.expect(len(data) == ROW * tokens, f"{reference_path}: {len(data)} bytes, {tokens} tokens")
    rows = []
    for at in range(0, len(data), ROW):
        ids = struct.unpack_from(f"<{TOP}H", data, at)
        logits = struct.unpack_from(f"<{TOP}f", data, at + TOP * 2)
        (log_rest,) = struct.unpack_from("<d", data, at + TOP * 6)
        rows.append((ids, (*logits, log_rest)))
    return rows


def ours_like(row, ids):
    """Returns our logits in the order of `ids`.

    If `ids` is only a part of the vocabulary, a last element is the log of the sum of exp of all other logits.
    """
    logits = [row[i] for i in ids]
    if len(ids) < len(row):
        chosen = set(ids)
        logits.append(log_sum_exp([v for i, v in enumerate(row) if i not in chosen]))
    return logits


model, facts_path, reference_path, work = map(Path, sys.argv[1:5])
work.mkdir(parents=True, exist_ok=True)
facts = t.load(facts_path)
tokens = facts["tokens"]
read = top_rows if reference_path.suffix == ".top512" else whole_rows
reference = read(reference_path.read_bytes(), len(tokens))
plan = work / "model.air"
t.pack(model, plan)
bound = facts["llama_cpp"]["kl_mean"]
for batch in (1, 4, 64):
    rows = t.logits(plan, tokens, work / "out.f32", batch)
    kls = [kl(logits, ours_like(row, ids)) for row, (ids, logits) in zip(rows, reference, strict=True)]
    mean = math.fsum(kls) / len(kls)
    print(f"{model.stem} batch {batch}: KL mean {mean:.3g}, max {max(kls):.3g}; llama.cpp {bound:.3g}")
    t.expect(mean <= bound, f"batch {batch}: KL {mean:.3g} > {bound:.3g}")
