#!/usr/bin/env python3
"""check_hole.py WORKDIR: packs a 405B model that consists of headers and a hole
into a weightless plan for 1,000 sequences of 128 Ki tokens.

The model's file has the size of the real one, but takes no space on the disk.
Packing it without weights needs little memory and reads nothing of the hole: no
page of it is in the page cache afterwards.
"""
import ctypes
import json
import mmap
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

work = Path(sys.argv[1])
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
model, plan, target = work / "405b.gguf", work / "405b.air", work / "server.json"
subprocess.run(["air-gen", "--shape", "405b", "--headers-only", "-o", model], check=True)

# Llama 3.1 405B in Q4_K_M is published with a size of 243.1 GB
# (huggingface.co/bartowski).
size = os.stat(model).st_size
assert 240e9 < size < 250e9, size
used = os.stat(model).st_blocks * 512
assert used < 32 << 20, used
inspected = json.loads(subprocess.run(["airpack", "inspect", "--json", model], check=True,
                                      capture_output=True).stdout)
header = min(tensor["offset"] for tensor in inspected["tensors"])

target.write_text(json.dumps({
    "name": "server", "arch": "x86_64", "cores": 64, "features": ["avx2", "bmi2", "f16c", "fma"],
    "memory_bytes": 1 << 50, "memory_bandwidth": 400_000_000_000, "disk_bandwidth": 0, "measured": False}))
subprocess.run(["airpack", model, "--target", target, "--weightless", "--ctx", "131072", "--slots", "1000",
                "-o", plan], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
print(f"peak {peak >> 20} MiB, plan {os.stat(plan).st_size} bytes")
assert peak < 1 << 30, peak
assert os.stat(plan).st_size < 16 << 20, os.stat(plan).st_size

# mincore(2) reports which pages of a mapping are in the page cache. The system
# may have read ahead near the header.
with open(model, "r+b") as file:
    pages = mmap.mmap(file.fileno(), size)
    state = (ctypes.c_ubyte * (size // mmap.PAGESIZE + 1))()
    address = ctypes.c_char.from_buffer(pages)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mincore(ctypes.c_void_p(ctypes.addressof(address)), ctypes.c_size_t(size), state) == 0
    first = header // mmap.PAGESIZE + (32 << 20) // mmap.PAGESIZE
    resident = len(bytes(state)[first:].replace(b"\0", b""))
    del address
    pages.close()
assert resident == 0, f"{resident} pages of the hole were read"

record = json.loads(subprocess.run(["airpack", "inspect", "--json", plan], check=True,
                                   capture_output=True).stdout)
assert record["weightless"] is True and record["model"]["layers"] == 126, record["model"]
# Llama 3.1's model card rounds this number to 405B.
assert record["model"]["parameters"] == 405_853_388_800, record["model"]
# Each of 1,000 sequences of 128 Ki tokens takes 2 Ki pages of 64 tokens.
(group,) = record["cache_groups"]
assert group["pages"] == 1000 * 2048, group
assert group["page_bytes"] == 126 * 8 * 2 * 128 * 64 * 2, group
assert len(record["caches"]) == 126, len(record["caches"])
weights = [s for s in record["segments"] if s["kind"] == "Weights"]
assert all(s["stored_bytes"] == 0 for s in weights)
left_out = sum(s["raw_bytes"] for s in weights)
assert 0.99 * size < left_out < 1.01 * size, (left_out, size)
verified = subprocess.run(["airpack", "verify", plan], check=True, capture_output=True).stdout.decode()
assert "weightless" in verified, verified
shutil.rmtree(work)
