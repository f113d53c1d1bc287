#!/usr/bin/env python3
"""Reduces a file of reference logits to what the KL test needs.

    make_top512.py LOGITS.f32 VOCABULARY OUT.top512

LOGITS.f32 is little-endian float32 [tokens, VOCABULARY]. For each token OUT holds
the 512 largest logits, as 512 uint16 ids (by descending logit, then by id) and
512 float32 logits, followed by one float64: the log of the sum of exp of all
other logits. The KL divergence over these 512 ids and "any other id" is a lower
bound of the divergence over the whole vocabulary. It is tight, because the other
ids have little probability mass (0.8 % for F16, 1.6 % for IQ2_XS).
"""
import array
import math
import struct
import sys

TOP = 512


def main() -> None:
    logits_path, vocabulary, out_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    logits = array.array("f")
    with open(logits_path, "rb") as file:
        logits.frombytes(file.read())
    assert len(logits) % vocabulary == 0
    with open(out_path, "wb") as out:
        for start in range(0, len(logits), vocabulary):
            row = logits[start : start + vocabulary]
            order = sorted(range(vocabulary), key=lambda i: (-row[i], i))
            top, rest = order[:TOP], order[TOP:]
            peak = row[rest[0]]
            log_rest = peak + math.log(math.fsum(math.exp(row[i] - peak) for i in rest))
            out.write(struct.pack(f"<{TOP}H", *top))
            out.write(struct.pack(f"<{TOP}f", *(row[i] for i in top)))
            out.write(struct.pack("<d", log_rest))


main()
