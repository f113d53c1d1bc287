#!/usr/bin/env python3
"""check_deep.py WORKDIR: checks models of 2, 66 and 130 layers.

The metadata must grow linearly with the number of layers, and the kernels, the
buffers and the arena must not grow at all. A model of 130 layers must compute the
right logits. To check this, attn_output and ffn_down are set to zero in all layers
but the first two, so that the other layers add nothing to the residual stream. Its
logits must then be bitwise those of the model of two layers.
"""
import json
import shutil
import struct
import sys
from pathlib import Path

import airtest as t

AIRGEN = Path(t.AIRPACK).with_name("air-gen")
SHAPE = ("--width", 64, "--heads", 2, "--kv-heads", 1, "--head-dim", 32, "--ffn", 96,
         "--vocabulary", 300, "--context", 256)
VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def tensors_of(data):
    """Maps each tensor's name to (offset in the file, bytes), for a GGUF of Q8_0 and F32 tensors."""
    def text(at):
        (size,) = struct.unpack_from("<Q", data, at)
        return bytes(data[at + 8 : at + 8 + size]).decode(), at + 8 + size

    def skip(at, kind):
        if kind == 8:
            return text(at)[1]
        if kind != 9:
            return at + VALUE_BYTES[kind]
        inner, count = struct.unpack_from("<IQ", data, at)
        at += 12
        for _ in range(count):
            at = skip(at, inner)
        return at

    count, keys = struct.unpack_from("<QQ", data, 8)
    at = 24
    for _ in range(keys):
        _, at = text(at)
        (kind,) = struct.unpack_from("<I", data, at)
        at = skip(at + 4, kind)
    found = {}
    for _ in range(count):
        name, at = text(at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dimensions)
        at += 4 + 8 * dimensions + 12
        elements = 1
        for extent in shape:
            elements *= extent
        found[name] = (offset, {0: 4 * elements, 8: elements // 32 * 34}[kind])
    start = (at + 31) // 32 * 32
    return {name: (start + offset, size) for name, (offset, size) in found.items()}


def metadata_bytes(plan):
    with open(plan, "rb") as file:
        return struct.unpack_from("<Q", file.read(48), 40)[0]


work = Path(sys.argv[1]).resolve()
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
sizes, facts = {}, {}
for layers in (2, 66, 130):
    model, plan = work / f"{layers}.gguf", work / f"{layers}.air"
    t.run(AIRGEN, *SHAPE, "--layers", layers, "--type", "Q8_0", "-o", model)
    t.pack(model, plan)
    t.run(t.AIRPACK, "verify", plan)
    sizes[layers] = metadata_bytes(plan)
    record = json.loads(t.run(t.AIRPACK, "inspect", "--json", plan))
    facts[layers] = {"kernels": len(record["executables"][0]["entries"]),
                     "buffers": len(record["buffers"]), "arena": record["arena_bytes"]}
    t.expect(record["model"]["layers"] == layers, f"{layers}: {record['model']}")
    print(f"{layers} layers: {sizes[layers]} bytes of metadata, {facts[layers]}")
t.expect(sizes[130] - sizes[66] <= 1.1 * (sizes[66] - sizes[2]), f"metadata is not linear: {sizes}")
t.expect(facts[2] == facts[66] == facts[130], f"grows with depth: {facts}")

tokens = t.greedy(work / "130.air", [1, 2, 3, 250, 77], 12)
t.expect(len(tokens) == 12 and all(0 <= token < 300 for token in tokens), f"generated {tokens}")

# With a context of 128 Ki tokens and slots for three sequences, the model of
# two layers must generate the same tokens as with a short context.
t.run(AIRGEN, *SHAPE[:-1], 131072, "--layers", 2, "--type", "Q8_0", "-o", work / "long.gguf")
t.pack(work / "long.gguf", work / "long.air", "--ctx", 131072, "--slots", 3)
prompt = [5, 250, 17]
t.expect(t.greedy(work / "long.air", prompt, 8) == t.greedy(work / "2.air", prompt, 8),
         "a long context changes what is generated")

shallow = (work / "2.gguf").read_bytes()
deep = bytearray((work / "130.gguf").read_bytes())
ours, theirs = tensors_of(deep), tensors_of(shallow)
for name, (offset, size) in ours.items():
    if name in theirs:
        begin = theirs[name][0]
        t.expect(theirs[name][1] == size, name)
        deep[offset : offset + size] = shallow[begin : begin + size]
    elif name.endswith(("attn_output.weight", "ffn_down.weight")):
        deep[offset : offset + size] = bytes(size)
(work / "still.gguf").write_bytes(deep)
t.pack(work / "still.gguf", work / "still.air")
prompt = [(37 * i + 11) % 299 for i in range(40)]
for batch in (1, 5, 40):
    t.logits(work / "2.air", prompt, work / "2.f32", batch)
    t.logits(work / "still.air", prompt, work / "130.f32", batch)
    t.expect((work / "2.f32").read_bytes() == (work / "130.f32").read_bytes(),
             f"batches of {batch}: 130 layers, of which 128 add nothing, change the logits")
print("128 layers that add nothing change no bit of the logits")
shutil.rmtree(work)
