#!/usr/bin/env python3
"""check_codecs.py AIR-GEN WORKDIR: weights that are stored with a codec change nothing but the bytes that are read.

Packs a BF16 model with each codec so that a part of the weights stays in RAM, and with
`planes` also so that all of them do. Every plan must verify, and give the logits of the
plan without a codec. A plan must not depend on the number of threads. A damaged plan
must be refused.
"""
import json
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
t.run(gen, "--layers", 1, "--width", 1024, "--heads", 16, "--kv-heads", 4, "--head-dim", 64, "--ffn", 8192,
      "--vocabulary", 8192, "--context", 256, "--type", "BF16", "-o", model)
tokens = [(i * 7919 + 13) % 8192 for i in range(20)]


def logits(plan, batch, *options):
    out = work / "out.f32"
    t.run(t.AIRRUN, "logits", plan, "--tokens", t.comma(tokens), "-o", out, "--batch", batch, *options)
    return out.read_bytes()


def inspect(plan):
    return json.loads(t.run(t.AIRPACK, "inspect", plan, "--json"))


def disk_bytes(plan):
    links = inspect(plan)["placements"][0]["predictions"][0]["links"]
    return next((link["bytes_per_pass"] for link in links if link["link"] == "disk"), 0)


read = {}
expected = None
# The same fraction of the weights stays in RAM with every codec, so the bytes that a pass
# reads depend only on the codec, and not on how much memory this machine's kernels need.
for codec, ram in (("none", "120MiB"), ("planes", "120MiB"), ("zstd", "120MiB"), ("planes", None)):
    plan = work / f"{codec}.air"
    options = ("--ctx", 128, "--codec", codec) + (("--pin", 25, "--ram", ram) if ram else ())
    t.pack(model, plan, *options)
    t.run(t.AIRPACK, "verify", plan)
    found = {batch: logits(plan, batch) for batch in (1, 20)}
    expected = expected or found
    t.expect(found == expected, f"{codec}, --ram {ram}: other logits")
    if not ram:
        again = work / "again.air"
        t.pack(model, again, *options, "--threads", 1)
        t.expect(again.read_bytes() == plan.read_bytes(), "the plan depends on the number of threads")
        continue
    t.expect(logits(plan, 1, "--io", "buffered") == expected[1], f"{codec}: other logits with --io buffered")
    read[codec] = disk_bytes(plan)
    # The share that stays in RAM is a share of the weights, and not of their coded bytes.
    share = re.search(r"\((\d+) %\) stay in RAM", t.run(t.AIRPACK, "inspect", plan))
    t.expect(share is not None and abs(int(share[1]) - 25) <= 1, f"{codec}: {share and share[0]}, but --pin is 25")
    coded = [s for s in inspect(plan)["segments"] if s["codec"] != "None"]
    t.expect(bool(coded) == (codec != "none"), f"{codec}: {len(coded)} segments have a codec")
    if coded:
        small = sum(s["stored_bytes"] for s in coded) / sum(s["raw_bytes"] for s in coded)
        t.expect(small < 0.75, f"{codec}: coded weights take {small} of their raw size")

# With `planes`, a BF16 weight has about 11.1 bits, so a pass must read less.
t.expect(read["none"] > 0, "the plan was to read weights in every pass")
for codec in ("planes", "zstd"):
    t.expect(read[codec] < 0.85 * read["none"], f"{codec}: reads {read[codec]} bytes per pass, not fewer than {read['none']}")

# --io-limit must not change the logits, and a limit of 0 must be refused.
plan = work / "planes.air"
t.expect(logits(plan, 20, "--io-limit", "200MiB") == expected[20], "other logits with --io-limit")
done = subprocess.run([t.AIRRUN, "logits", str(plan), "--tokens", "1", "-o", str(work / "out.f32"), "--io-limit", "0"],
                      capture_output=True, text=True)
t.expect(done.returncode == 2 and "--io-limit" in done.stderr, done.stderr)

# A damaged byte in a coded chunk must be noticed.
segment = next(s for s in inspect(plan)["segments"] if s["name"] == "layer.0.ffn_in")
data = bytearray(plan.read_bytes())
data[segment["offset"] + 70000] ^= 1
plan.unlink()
plan.write_bytes(data)
done = subprocess.run([t.AIRRUN, "logits", str(plan), "--tokens", "1", "-o", str(work / "out.f32")], capture_output=True,
                      text=True)
t.expect(done.returncode in (3, 6) and "layer.0.ffn_in" in done.stderr, done.stderr)
shutil.rmtree(work)
