#!/usr/bin/env python3
"""edit_gguf.py IN OUT (nan TENSOR | times=FACTOR TENSOR | rename KEY): copies a model and changes something in the copy.

`nan` makes the first float of an F32 tensor a NaN, `times=FACTOR` multiplies
all of them, and `rename KEY` hides a metadata key under another name of the
same length.
"""
import math
import struct
import sys


def read_string(data, at):
    (size,) = struct.unpack_from("<Q", data, at)
    return bytes(data[at + 8 : at + 8 + size]), at + 8 + size


SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def skip_value(data, at, kind):
    if kind == 8:
        return read_string(data, at)[1]
    if kind != 9:
        return at + SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    for _ in range(count):
        at = skip_value(data, at, inner)
    return at


source, target, what, name = sys.argv[1:]
data = bytearray(open(source, "rb").read())
name = name.encode()
tensors, keys = struct.unpack_from("<QQ", data, 8)
at = 24
done = False
for _ in range(keys):
    key, after = read_string(data, at)
    if what == "rename" and key == name:
        data[at + 8 : after] = b"x" * len(key)
        done = True
    (kind,) = struct.unpack_from("<I", data, after)
    at = skip_value(data, after + 4, kind)
places = {}
for _ in range(tensors):
    tensor, at = read_string(data, at)
    (dimensions,) = struct.unpack_from("<I", data, at)
    extents = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
    kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dimensions)
    places[tensor] = (kind, offset, math.prod(extents))
    at += 4 + 8 * dimensions + 12
if what == "nan" or what.startswith("times="):
    kind, offset, count = places[name]
    assert kind == 0, kind
    start = (at + 31) // 32 * 32 + offset
    if what == "nan":
        struct.pack_into("<f", data, start, float("nan"))
    else:
        floats = struct.unpack_from(f"<{count}f", data, start)
        factor = float(what.removeprefix("times="))
        struct.pack_into(f"<{count}f", data, start, *(x * factor for x in floats))
    done = True
assert done, (what, name)
open(target, "wb").write(data)
