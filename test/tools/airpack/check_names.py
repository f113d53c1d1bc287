#!/usr/bin/env python3
"""check_names.py MODEL.gguf WORKDIR: the name of a model's file must not enter the plan.

The same bytes under two names produce the same plan, as one file and as a split
model.
"""
import shutil
import struct
import subprocess
import sys
from pathlib import Path

VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32


def string(text):
    return struct.pack("<Q", len(text)) + text


class Model:
    """A GGUF file: the metadata as bytes, and the tensors as (name, shape and type, bytes)."""

    def __init__(self, path):
        self.data = path.read_bytes()
        self.at = 8
        tensors, self.keys = self.unpack("<QQ")
        begin = self.at
        for _ in range(self.keys):
            self.text()
            self.skip(self.unpack("<I")[0])
        self.metadata = self.data[begin : self.at]
        index = []
        for _ in range(tensors):
            name, shape = self.text(), self.at
            (dimensions,) = self.unpack("<I")
            self.at += 8 * dimensions + 4
            described = self.data[shape : self.at]
            index.append((name, described, self.unpack("<Q")[0]))
        start = (self.at + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        ends = sorted([offset for _, _, offset in index] + [len(self.data) - start])
        self.tensors = [(name, described, self.data[start + offset : start + ends[ends.index(offset) + 1]])
                        for name, described, offset in index]

    def unpack(self, layout):
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def text(self):
        (size,) = self.unpack("<Q")
        self.at += size
        return self.data[self.at - size : self.at]

    def skip(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            inner, count = self.unpack("<IQ")
            for _ in range(count):
                self.skip(inner)
        else:
            self.at += VALUE_BYTES[kind]

    def part(self, number, count, tensors):
        """Returns part `number` of a split model, as llama.cpp's gguf-split writes it."""
        keys = b"".join(string(name) + struct.pack("<I" + layout, kind, value) for name, kind, layout, value in (
            (b"split.no", 2, "H", number), (b"split.count", 2, "H", count),
            (b"split.tensors.count", 5, "i", len(self.tensors))))
        metadata = self.metadata if number == 0 else b""
        out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 3 + (self.keys if number == 0 else 0)) + metadata + keys
        body = b""
        for name, described, data in tensors:
            out += string(name) + described + struct.pack("<Q", len(body))
            body += data + bytes(-len(data) % ALIGNMENT)
        return out + bytes(-len(out) % ALIGNMENT) + body


def pack(model, plan):
    subprocess.run(["airpack", model, "--target", "x86-64-v3", "-o", plan], check=True, stdout=subprocess.DEVNULL)
    return plan.read_bytes()


source, work = Path(sys.argv[1]), Path(sys.argv[2])
shutil.rmtree(work, ignore_errors=True)
(work / "elsewhere").mkdir(parents=True)
shutil.copy(source, work / "a.gguf")
shutil.copy(source, work / "elsewhere" / "another name.bin")
assert pack(work / "a.gguf", work / "a.air") == pack(work / "elsewhere" / "another name.bin", work / "b.air")

model = Model(source)
middle = len(model.tensors) // 2
plans = []
for stem in ("one", "two"):
    parts = (model.tensors[:middle], model.tensors[middle:])
    for i, tensors in enumerate(parts):
        (work / f"{stem}-0000{i + 1}-of-00002.gguf").write_bytes(model.part(i, 2, tensors))
    plans.append(pack(work / f"{stem}-00001-of-00002.gguf", work / f"{stem}.air"))
assert plans[0] == plans[1]
print("names change nothing")
