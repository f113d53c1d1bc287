#!/usr/bin/env python3
"""check_reference.py AIR-GEN MODELS WORKDIR: a plan that leaves its matrices in the model's file computes the same.

The logits must be those of a plan that contains all weights, bit for bit. This is
checked with small models in the folder MODELS, and with generated models of several
dtypes, some of whose matrices have a number of rows that is not a multiple of 16.
For the generated models, it is also checked with too little memory for all weights.
A file that has been moved is found with --source. A file that has been changed or
replaced, or that is missing, is refused.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import airtest as t

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools" / "airpack"))
import gguf_parts

gen, models, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).resolve()
shutil.rmtree(work, ignore_errors=True)
(work / "elsewhere").mkdir(parents=True)
VOCABULARY = 8003
tokens = [(i * 7919 + 13) % VOCABULARY for i in range(48)]


def logits(plan, batch, *options, ids=tokens):
    out = work / "out.f32"
    t.run(t.AIRRUN, "logits", plan, "--tokens", t.comma(ids), "-o", out, "--batch", batch, *options)
    return out.read_bytes()


def refused(code, text, plan, *options):
    command = [t.AIRRUN, "logits", plan, "--tokens", t.comma(tokens), "-o", work / "out.f32", *options]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    t.expect(done.returncode == code and text in done.stderr and done.stderr.count("\n") == 1,
             f"{command}: exit {done.returncode}, not {code} with {text!r}: {done.stderr}")


# Models of three families. The first one has an embedding table and a separate
# matrix for the head, the second one uses one matrix for both, and the third
# one has attention heads of one element.
for model in (models / f"{name}.gguf" for name in ("llama2", "qwen3", "heads-64-of-1")):
    ids = [3, 1, 20, 33, 2, 7, 40, 3]
    t.pack(model, work / "whole.air")
    t.pack(model, work / "less.air", "--reference")
    t.expect(logits(work / "less.air", 5, "--source", models, ids=ids) == logits(work / "whole.air", 5, ids=ids),
             f"{model.name}: the logits differ")

# Width, heads, KV heads, elements of a head, and width of the feed-forward
# network. The matrices of the keys and values have 40 rows (Q8_0) or 200 rows
# (BF16). These numbers and the vocabulary are not multiples of 16, so some
# blocks of 16 rows contain rows of two matrices, or fewer than 16 rows.
SHAPES = {
    "Q4_K_M": (768, 12, 4, 64, 2816),
    "Q8_0": (640, 16, 1, 40, 3008),
    "BF16": (600, 15, 5, 40, 3000),
}
for dtype, (width, heads, kv_heads, head_dim, ffn) in SHAPES.items():
    model = work / f"{dtype}.gguf"
    t.run(gen, "--layers", 3 if dtype == "Q4_K_M" else 1, "--width", width, "--heads", heads, "--kv-heads", kv_heads, "--head-dim", head_dim,
          "--ffn", ffn, "--vocabulary", VOCABULARY, "--context", 256, "--type", dtype, "-o", model)
    whole, less = work / "whole.air", work / f"{dtype}.air"
    t.pack(model, whole, "--ctx", 128)
    expected = {batch: logits(whole, batch) for batch in (1, 48)}
    t.pack(model, less, "--ctx", 128, "--reference")
    t.expect(os.path.getsize(less) < os.path.getsize(whole) / 8, f"{dtype}: {os.path.getsize(less)} bytes")
    for batch, bytes_ in expected.items():
        t.expect(logits(less, batch) == bytes_, f"{dtype}, all in memory, batch {batch}: the logits differ")
    least = t.least_ram(model, work / "none.air", "--ctx", 128, "--reference")
    # With a share of 0.35, a part of every layer stays in memory.
    for share, io in ((0.0, "pread"), (0.35, "buffered"))[: 2 if dtype == "Q4_K_M" else 1]:
        ram = int(least + share * os.path.getsize(model))
        t.pack(model, less, "--ctx", 128, "--reference", "--ram", ram)
        t.expect("are read from the model's file for every token" in t.run(t.AIRPACK, "inspect", less), "no such line")
        for batch, bytes_ in expected.items():
            t.expect(logits(less, batch, "--ram", ram, "--io", io) == bytes_,
                     f"{dtype}, {ram} bytes of memory, batch {batch}: the logits differ")
        report = t.bench(less, "--ram", ram, "-p", 0, "-n", 4, "--rounds", 1)
        disk = next(link for link in report["links"] if link["name"] == "disk")
        planned = report["streaming"]["bytes_per_pass"]
        # Rows at the ends of a read may be read twice.
        t.expect(0 < planned <= disk["bytes_per_token"] < 1.25 * planned,
                 f"{dtype}: a pass needs {planned} bytes from the disk, but {disk['bytes_per_token']} were read")
        print(f"{dtype}, {ram >> 20} MiB: {planned} bytes per pass, {disk['bytes_per_token']:.0f} read, the same logits")
    greedy = t.greedy(whole, tokens[:8], 12)
    t.expect(t.greedy(less, tokens[:8], 12) == greedy, f"{dtype}: other tokens")
    whole.unlink()
    if dtype != "BF16":
        model.unlink()

# A split model has several files. The first one may contain no tensors.
model, plan = work / "BF16.gguf", work / "BF16.air"
expected = logits(plan, 5)
paths = gguf_parts.split(gguf_parts.Model(model), work / "part", 3, has_header_part=True)
parted = work / "part.air"
t.pack(paths[0], parted, "--ctx", 128, "--reference", "--ram", ram)
t.expect(logits(parted, 5) == expected, "a split model gives other logits")
report = t.bench(parted, "--ram", ram, "-p", 0, "-n", 1, "--rounds", 1)
t.expect(any(link["name"] == "disk" for link in report["links"]), "the disk was not measured")
for path in paths:
    path.rename(work / "elsewhere" / path.name)
refused(8, "cannot open '" + str(paths[0]), parted)
t.expect(logits(parted, 5, "--source", work / "elsewhere") == expected, "--source FOLDER gives other logits")

# A moved or renamed file is found with --source.
moved = work / "elsewhere" / "renamed"
model.rename(moved)
refused(8, "the plan's weights are in this file); name the right file or its folder with --source", plan)
t.expect(logits(plan, 5, "--source", moved) == expected, "--source FILE gives other logits")
refused(8, "cannot open", plan, "--source", work / "elsewhere")
moved.rename(work / "elsewhere" / model.name)
t.expect(logits(plan, 5, "--source", work / "elsewhere") == expected, "--source FOLDER gives other logits")
(work / "elsewhere" / model.name).rename(model)

# A different file is refused when the plan is opened. A changed row is found
# when it is read.
data = bytearray(model.read_bytes())
model.write_bytes(data + b"0")
refused(6, f"has {len(data) + 1} bytes, but the model from which the plan was made has {len(data)}", plan)
model.write_bytes(data[:-1])
refused(6, f"has {len(data) - 1} bytes", plan)
places = gguf_parts.Model(model).places
for at, text in ((60, "the digest of its header is"), (places["blk.0.attn_q.weight"] + 5, "have changed"),
                 (places["blk.0.ffn_down.weight"] + 7, "have changed"), (places["token_embd.weight"] + 2 * SHAPES["BF16"][0] * tokens[3] + 3, "have changed")):
    data[at] ^= 4
    model.write_bytes(data)
    refused(6, text, plan)
    data[at] ^= 4
model.write_bytes(data)
t.expect(logits(plan, 5) == expected, "the restored file gives other logits")

refused(2, "give pread or buffered, or leave out --io", plan, "--io", "uring")
t.pack(model, work / "whole.air", "--ctx", 128)
refused(2, "leave out --source", work / "whole.air", "--source", work)
print("other files are refused")
