#!/usr/bin/env python3
"""Makes the golden vectors of test/formats/dtype: NAME.bin for every dtype, and
grids.bin.

NAME.bin: little-endian u32 block count, u32 elements per block, u32 bytes per
block; the blocks (random bits, fixed seed); their values as float32.
grids.bin: the IQ grids as gguf-py expands them, int8, in the order of GRIDS.

The expected values come from gguf-py 0.19 (`pip install gguf numpy`). For types
that it cannot dequantise (F64, I8-I64, Q8_1, Q8_K, Q1_0, Q2_0) this script has a
plain loop, written from the description of the format alone.

    python3 make_vectors.py        # writes next to itself; the output is reproducible
"""
import pathlib
import struct

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import quants

HERE = pathlib.Path(__file__).resolve().parent
BLOCKS = {1: 256, 32: 16, 64: 12, 128: 8, 256: 6}  # elements -> blocks

GRIDS = [quants.IQ2_XXS, quants.IQ2_XS, quants.IQ2_S, quants.IQ3_XXS,
         quants.IQ3_S, quants.IQ1_S]

# name -> (elements, bytes). The sizes are literals, because gguf-py has a wrong
# one, 40 bytes, for Q8_1.
SIZES = {
    "F32": (1, 4), "F16": (1, 2), "BF16": (1, 2), "F64": (1, 8),
    "I8": (1, 1), "I16": (1, 2), "I32": (1, 4), "I64": (1, 8),
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24),
    "Q8_0": (32, 34), "Q8_1": (32, 36), "Q2_K": (256, 84), "Q3_K": (256, 110),
    "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
    "Q8_K": (256, 292), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74),
    "IQ2_S": (256, 82), "IQ3_XXS": (256, 98), "IQ3_S": (256, 110),
    "IQ1_S": (256, 50), "IQ1_M": (256, 56), "IQ4_NL": (32, 18),
    "IQ4_XS": (256, 136), "TQ1_0": (256, 54), "TQ2_0": (256, 66),
    "MXFP4": (32, 17), "NVFP4": (64, 36), "Q1_0": (128, 18), "Q2_0": (64, 18),
}


def f16(raw):
    return np.float32(np.frombuffer(raw, "<f2")[0])


def q1_0(block):
    d = f16(block[0:2])
    return [d if block[2 + j // 8] >> (j % 8) & 1 else -d for j in range(128)]


def q2_0(block):
    d = f16(block[0:2])
    return [np.float32((block[2 + j // 4] >> (2 * (j % 4)) & 3) - 1) * d
            for j in range(64)]


def q8_1(block):
    d = f16(block[0:2])
    return [d * np.float32(q) for q in struct.unpack("<32b", block[4:36])]


def q8_k(block):
    d = np.frombuffer(block[0:4], "<f4")[0]
    return [d * np.float32(q) for q in struct.unpack("<256b", block[4:260])]


def plain(kind):
    return lambda block: [np.frombuffer(block, kind)[0].astype(np.float32)]


OWN = {"Q1_0": q1_0, "Q2_0": q2_0, "Q8_1": q8_1, "Q8_K": q8_k,
       "F64": plain("<f8"), "I8": plain("<i1"), "I16": plain("<i2"),
       "I32": plain("<i4"), "I64": plain("<i8")}


def expected(name, blocks):
    if name in OWN:
        values = [v for block in blocks for v in OWN[name](block.tobytes())]
        return np.array(values, np.float32)
    if name == "F32":
        return blocks.reshape(-1).view(np.float32)
    return quants.dequantize(blocks, T[name]).reshape(-1).astype(np.float32)


def main():
    np.seterr(all="ignore")
    for index, (name, (elements, size)) in enumerate(SIZES.items()):
        rng = np.random.default_rng(1000 + index)
        count = BLOCKS[elements]
        blocks = rng.integers(0, 256, (count, size), np.uint8)
        if name == "F64":  # random bits are mostly outside the range of float
            near = rng.standard_normal(count // 2).view(np.uint8)
            blocks[: count // 2] = near.reshape(-1, 8)
        if name == "Q8_K":  # likewise for its float32 scale
            blocks[:, 0:4] = rng.standard_normal(count).astype("<f4").view(
                np.uint8).reshape(-1, 4)
        values = expected(name, blocks)
        assert values.size == count * elements and values.dtype == np.float32
        (HERE / f"{name}.bin").write_bytes(
            struct.pack("<III", count, elements, size) + blocks.tobytes()
            + values.astype("<f4").tobytes())
    grids = b""
    for kind in GRIDS:
        kind.init_grid()
        grids += kind.grid.astype(np.int8).tobytes()
    (HERE / "grids.bin").write_bytes(grids)


if __name__ == "__main__":
    main()
