#!/usr/bin/env python3
"""set_gguf_text.py IN OUT KEY EXPRESSION: copies a model and sets the text of KEY in the copy.

EXPRESSION is a Python expression for the bytes of the text, such as b"x" * 9. Tensors
keep their alignment.
"""
import struct
import sys

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def after_string(data, at):
    return at + 8 + struct.unpack_from("<Q", data, at)[0]


def after_value(data, at, kind):
    if kind == 8:
        return after_string(data, at)
    if kind != 9:
        return at + SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    for _ in range(count):
        at = after_value(data, at, inner)
    return at


source, target, name, expression = sys.argv[1:]
data = open(source, "rb").read()
text = eval(expression)
tensors, keys = struct.unpack_from("<QQ", data, 8)
at = 24
place = None
for _ in range(keys):
    end = after_string(data, at)
    (kind,) = struct.unpack_from("<I", data, end)
    if data[at + 8 : end] == name.encode():
        assert kind == 8, kind
        place = end + 4, after_string(data, end + 4)
    at = after_value(data, end + 4, kind)
for _ in range(tensors):
    at = after_string(data, at)
    at += 4 + 8 * struct.unpack_from("<I", data, at)[0] + 12
header = data[: place[0]] + struct.pack("<Q", len(text)) + text + data[place[1] : at]
header += bytes(-len(header) % 32)
open(target, "wb").write(header + data[(at + 31) // 32 * 32 :])
