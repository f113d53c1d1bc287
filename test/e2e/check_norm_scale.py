#!/usr/bin/env python3
"""check_norm_scale.py MODEL.gguf WORKDIR: checks logits of very large and small scale.

Scaling the weights of the final norm scales every logit and changes nothing else,
as long as the logits are float32 numbers. The activations that the head packs must
therefore work at every magnitude, in prefill and in decode: the logits of a scaled
model must be those of the model itself, times the factor.
"""
import struct
import sys
from pathlib import Path

import airtest as t

TOKENS = [1, 53, 7, 260, 99, 411, 18, 300, 5, 77, 203, 350, 42, 11, 128, 256,
          64, 390, 31, 222, 16, 401, 88, 150, 270, 9, 333, 61, 190, 245, 120, 36]
# Maps each factor by which the norm is scaled to the largest allowed difference
# of logits, in standard deviations of a row. A factor that is a power of two
# changes only the scales of quantised activations. With 1e-20, the scales of
# the activation format I8Grid are rounded differently, so the difference is as
# large as the error of quantisation. No factor takes the logits, which are
# around 2^4, out of the range of normal float32 numbers, 2^-126 to 2^128.
TOLERANCES = {2.0**-100: 1e-6, 1e-20: 0.1, 2.0**50: 1e-6, 2.0**110: 1e-6}

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY, F32 = 8, 9, 0


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        (value,) = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return value

    def string(self):
        size = self.take("Q")
        self.at += size
        return bytes(self.data[self.at - size : self.at]).decode(errors="replace")

    def skip_value(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            element, count = self.take("I"), self.take("Q")
            for _ in range(count):
                self.skip_value(element)
        else:
            self.at += SCALARS[kind]


def place_of(data, wanted):
    """Returns where a float32 tensor's numbers are in a GGUF file: (offset, count).

    Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    """
    reader = Reader(data)
    reader.at = 8  # skip the magic number and the version
    tensors, keys = reader.take("Q"), reader.take("Q")
    alignment = 32
    for _ in range(keys):
        key, kind = reader.string(), reader.take("I")
        if key == "general.alignment":
            alignment = reader.take("I")
        else:
            reader.skip_value(kind)
    found = None
    for _ in range(tensors):
        name = reader.string()
        sizes = [reader.take("Q") for _ in range(reader.take("I"))]
        kind, offset = reader.take("I"), reader.take("Q")
        if name == wanted:
            t.expect(kind == F32 and len(sizes) == 1, f"{wanted} is a float32 vector")
            found = (offset, sizes[0])
    t.expect(found is not None, f"the model has {wanted}")
    start = (reader.at + alignment - 1) // alignment * alignment
    return start + found[0], found[1]


def scaled_model(source, factor, target):
    data = bytearray(source)
    offset, count = place_of(data, "output_norm.weight")
    weights = struct.unpack_from(f"<{count}f", data, offset)
    struct.pack_into(f"<{count}f", data, offset, *(w * factor for w in weights))
    target.write_bytes(data)


model, work = Path(sys.argv[1]), Path(sys.argv[2])
work.mkdir(parents=True, exist_ok=True)
source = model.read_bytes()


def logits_of(factor):
    """Returns the logits of a scaled model for each batch size: 32 and 8 (prefill), and 1 (decode)."""
    path, plan = work / "scaled.gguf", work / "scaled.air"
    scaled_model(source, factor, path)
    t.pack(path, plan)
    return {batch: t.logits(plan, TOKENS, work / "logits", batch) for batch in (32, 8, 1)}


reference = logits_of(1.0)
for factor, tolerance in TOLERANCES.items():
    for batch, rows in logits_of(factor).items():
        case = f"batch {batch}, factor {factor}"
        scaled = [[value / factor for value in row] for row in rows]
        want = reference[batch]
        likeliest = [row.index(max(row)) for row in scaled]
        t.expect(likeliest == [row.index(max(row)) for row in want],
                 f"{case}: other likeliest tokens: {likeliest}")
        difference = t.worst_difference(scaled, want)
        t.expect(difference < tolerance, f"{case}: logits differ by {difference} deviations")
