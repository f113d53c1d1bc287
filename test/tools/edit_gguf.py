#!/usr/bin/env python3
"""edit_gguf.py IN OUT (nan TENSOR | times=FACTOR TENSOR | rename KEY): copies a model and changes something in the copy.

`nan` makes the first float of an F32 tensor a NaN, `times=FACTOR` multiplies
all of them, and `rename KEY` hides a metadata key under another name of the
same length.
"""
import struct
import sys

from gguf_places import places

source, target, what, name = sys.argv[1:]
data = bytearray(open(source, "rb").read())
name = name.encode()
keys, tensors, after_records = places(data)
if what == "rename":
    start = keys[name][0]
    data[start : start + len(name)] = b"x" * len(name)
else:
    assert what == "nan" or what.startswith("times="), what
    kind, offset, count = tensors[name]
    assert kind == 0, kind
    start = (after_records + 31) // 32 * 32 + offset
    if what == "nan":
        struct.pack_into("<f", data, start, float("nan"))
    else:
        floats = struct.unpack_from(f"<{count}f", data, start)
        factor = float(what.removeprefix("times="))
        struct.pack_into(f"<{count}f", data, start, *(x * factor for x in floats))
open(target, "wb").write(data)
