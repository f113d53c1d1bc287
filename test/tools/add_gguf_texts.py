#!/usr/bin/env python3
"""add_gguf_texts.py IN OUT KEY=FILE...: copies the model IN to OUT, and adds each KEY with the text of its FILE."""
import struct
import sys

from gguf_places import places

source, target, *pairs = sys.argv[1:]
data = open(source, "rb").read()
keys, _, after_records = places(data)
at = max((end for _, _, _, end in keys.values()), default=24)
more = b""
for pair in pairs:
    key, path = pair.split("=", 1)
    assert key.encode() not in keys, key
    text = open(path, "rb").read()
    more += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, len(text)) + text
counts = struct.unpack_from("<QQ", data, 8)
header = data[:8] + struct.pack("<QQ", counts[0], counts[1] + len(pairs)) + data[24:at] + more + data[at:after_records]
header += bytes(-len(header) % 32)
open(target, "wb").write(header + data[(after_records + 31) // 32 * 32 :])
