#!/usr/bin/env python3
"""set_gguf_text.py IN OUT KEY EXPRESSION: copies a model and sets the text of KEY in the copy.

EXPRESSION is a Python expression for the bytes of the text, such as b"x" * 9. Tensors
keep their alignment.
"""
import struct
import sys

from gguf_places import places

source, target, name, expression = sys.argv[1:]
data = open(source, "rb").read()
text = eval(expression)
keys, _, after_records = places(data)
_, kind, start, end = keys[name.encode()]
assert kind == 8, kind
header = data[:start] + struct.pack("<Q", len(text)) + text + data[end:after_records]
header += bytes(-len(header) % 32)
open(target, "wb").write(header + data[(after_records + 31) // 32 * 32 :])
