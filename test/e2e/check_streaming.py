#!/usr/bin/env python3
"""check_streaming.py AIR-GEN WORKDIR: weights that are read in every pass change nothing but the speed.

Packs one model for less and less memory. Every plan must give the logits of the
plan that keeps all weights, bit for bit, with every way of reading, and must
read exactly the bytes that its placement states.
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import airtest as t

gen, work = sys.argv[1], Path(sys.argv[2]).resolve()
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
model = work / "model.gguf"
t.run(gen, "--layers", 6, "--width", 768, "--heads", 12, "--kv-heads", 4, "--head-dim", 64, "--ffn", 3072,
      "--vocabulary", 8000, "--context", 256, "--type", "Q4_K_M", "-o", model)
tokens = [(i * 7919 + 13) % 8000 for i in range(48)]
resident = work / "resident.air"
t.pack(model, resident, "--ctx", 128)


def logits(plan, batch, *options):
    out = work / "out.f32"
    t.run(t.AIRRUN, "logits", plan, "--tokens", t.comma(tokens), "-o", out, "--batch", batch, *options)
    return out.read_bytes()


expected = {batch: logits(resident, batch) for batch in (1, 5, 48)}


def refusal(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    t.expect(done.returncode == 5, f"{command}: exit {done.returncode}, not 5: {done.stderr}")
    return done.stderr


# The message for too little memory states how much is needed. That much is not
# enough without the disk, but it is enough with it, as the first plan below
# shows.
message = refusal(t.AIRPACK, model, "--target", "host", "--ctx", 128, "--ram", "1MiB", "-o", work / "none.air")
found = re.search(r"needs ([0-9.]+) (KiB|MiB|GiB) of RAM", message)
t.expect(found is not None, message)
least = float(found[1]) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[found[2]] + 2**20
refusal(t.AIRPACK, model, "--target", "host", "--ctx", 128, "--ram", int(least), "--disk", 0, "-o", work / "none.air")

whole = os.path.getsize(resident)
for share in (0.0, 0.4, 0.8):
    ram = int(least + share * whole * 0.6)
    plan = work / f"{share}.air"
    t.pack(model, plan, "--ctx", 128, "--ram", ram)
    for io in ("uring", "pread", "buffered"):
        for batch, bytes_ in expected.items():
            t.expect(logits(plan, batch, "--ram", ram, "--io", io) == bytes_,
                     f"{ram} bytes of memory, --io {io}, batch {batch}: the logits differ")
    report = json.loads(t.run(t.AIRRUN, "bench", plan, "--ram", ram, "-p", 0, "-n", 20, "--rounds", 1, "--json"))
    streaming = report["streaming"]
    disk = next(link for link in report["links"] if link["name"] == "disk")
    t.expect(disk["bytes_per_token"] == streaming["bytes_per_pass"] > 0,
             f"a pass needs {streaming['bytes_per_pass']} bytes from the disk, but {disk['bytes_per_token']} were read")
    t.expect(streaming["resident_bytes"] + streaming["ring_bytes"] < ram, f"{streaming} in {ram} bytes")
    print(f"{ram >> 20} MiB: {streaming['bytes_per_pass']} bytes per pass, the same logits")

# A smaller --ram takes a smaller placement of the same plan; less than the
# smallest is refused.
plan = work / "0.8.air"
ram = int(least + 0.8 * whole * 0.6)
t.expect(logits(plan, 5, "--ram", int(ram * 0.91)) == expected[5], "the placement for 90 % gives other logits")
message = refusal(t.AIRRUN, "logits", plan, "--tokens", "1", "-o", work / "out.f32", "--ram", "1MiB")
t.expect("--ram" in message, message)

# A changed byte is found wherever it lies.
data = bytearray((work / "0.4.air").read_bytes())
for place in (0.3, 0.6, 0.9):
    at = int(len(data) * place)
    data[at] ^= 4
    (work / "changed.air").write_bytes(data)
    data[at] ^= 4
    done = subprocess.run([t.AIRRUN, "logits", work / "changed.air", "--tokens", t.comma(tokens), "-o",
                           work / "out.f32", "--ram", str(int(least + 0.4 * whole * 0.6))], capture_output=True, text=True)
    t.expect(done.returncode == 6 and "have changed" in done.stderr, f"byte {at}: {done.returncode} {done.stderr}")
print("changed bytes are found")
