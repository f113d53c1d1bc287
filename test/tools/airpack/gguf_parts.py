#!/usr/bin/env python3
"""gguf_parts.py MODEL.gguf STEM COUNT: splits a model into COUNT files, STEM-00001-of-0000N.gguf and so on.

Other checks import the class Model. Standard library only.
"""
import struct
import sys
from pathlib import Path

VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32


def string(text):
    return struct.pack("<Q", len(text)) + text


class Model:
    """A GGUF file: the metadata as bytes, and the tensors as (name, shape and type, bytes).

    `places` has the offset of each tensor in the file, by name.
    """

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
        self.places = {name.decode(): start + offset for name, _, offset in index}
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


def split(model, stem, count, has_header_part=False):
    """Writes the files and returns their paths.

    Each has about as many tensors as the others, but with `has_header_part`, the first one has only the metadata, as
    gguf-split --no-tensor-first-split writes it.
    """
    paths = []
    ends = [i * len(model.tensors) // count for i in range(count + 1)]
    if has_header_part:
        ends = [0] + [i * len(model.tensors) // (count - 1) for i in range(count)]
    for i in range(count):
        tensors = model.tensors[ends[i] : ends[i + 1]]
        paths.append(Path(f"{stem}-{i + 1:05}-of-{count:05}.gguf"))
        paths[-1].write_bytes(model.part(i, count, tensors))
    return paths


if __name__ == "__main__":
    split(Model(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
