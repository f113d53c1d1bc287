#!/usr/bin/env python3
"""check_streaming.py AIR-GEN AIR-WINDOWS WORKDIR: weights that are read in every pass change nothing but the speed.

Packs models for less and less memory. Every plan must give the logits of the plan
that keeps all weights, bit for bit, with every way of reading, and must read
exactly the bytes that its placement states.
"""
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import airtest as t

gen, windows, work = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)


def logits(plan, tokens, batch, *options):
    out = work / "out.f32"
    t.run(t.AIRRUN, "logits", plan, "--tokens", t.comma(tokens), "-o", out, "--batch", batch, *options)
    return out.read_bytes()


def reads_back(plan):
    """How many reads begin before the end of the one before them in the file, of each placement that reads weights."""
    inspected = json.loads(t.run(t.AIRPACK, "inspect", plan, "--json"))
    counts = []
    for placement in inspected["placements"]:
        begins = [inspected["segments"][read["segment"]]["offset"] + read["offset"] for read in placement.get("reads", [])]
        ends = [begin + read["bytes"] for begin, read in zip(begins, placement.get("reads", []))]
        counts += [sum(begin < end for begin, end in zip(begins[1:], ends))] if begins else []
    return counts


# Steps that read more than 4 MiB of weights are divided. The model has one layer,
# whose feed-forward matrices have 17 MiB each, and a head of 34 MiB. A fourth of
# the weights stays in memory; the ring holds about as much as one of these steps
# reads. Passes of one, of a few and of many tokens are three different programs,
# and a pass of 100 tokens requests more rows of logits than one run of the head
# computes.
model = work / "parts.gguf"
t.run(gen, "--shape", "1b", "--layers", 1, "--width", 1024, "--heads", 16, "--kv-heads", 4, "--head-dim", 64,
      "--ffn", 16384, "--vocabulary", 32768, "--type", "Q8_0", "-o", model)
whole, part = work / "whole.air", work / "part.air"
t.pack(model, whole, "--ctx", 512)
t.pack(model, part, "--ctx", 512, "--ram", "140MiB")
inspected = json.loads(t.run(t.AIRPACK, "inspect", part, "--json"))
steps = {step["name"] for step in inspected["programs"][0]["steps"]}
t.expect({"layer.0.ffn_in.2", "layer.0.ffn_out.1", "head.2"} <= steps, f"{steps}")
t.expect(inspected["placements"][0]["ring_bytes"] > 0 and len(inspected["placements"][0]["reads"]) > 0, "nothing is streamed")
# Each part of ffn_in needs rows of gate and of up. Row r of these two matrices is
# one row of the plan, so the reads of a pass ascend in the file. A reference plan
# cannot change the order of the model's file. A plan whose weights stay in RAM
# keeps the two matrices.
t.expect(len(reads_back(part)) > 0 and set(reads_back(part)) == {0}, f"reads go back in the file: {reads_back(part)}")
shapes = {(tensor["name"], tensor["rows"], tensor["columns"]) for tensor in inspected["tensors"]}
t.expect(("blk.0.ffn_gate.weight+blk.0.ffn_up.weight", 16384, 2048) in shapes, f"{shapes}")
t.pack(model, work / "reference.air", "--ctx", 512, "--ram", "140MiB", "--reference")
t.expect(max(reads_back(work / "reference.air")) > 0, "no read of the reference plan goes back")
t.expect(logits(work / "reference.air", [1, 2, 3], 1) == logits(part, [1, 2, 3], 1), "the logits of the reference plan differ")
# The two matrices also remain if only the placements for less memory read weights.
# The reads of these placements go back.
inspected = json.loads(t.run(t.AIRPACK, "inspect", whole, "--json"))
ram = int(1.5 * sum(item["bytes"] for item in inspected["placements"][0]["items"]))
t.pack(model, work / "smaller.air", "--ctx", 512, "--ram", ram)
smaller = json.loads(t.run(t.AIRPACK, "inspect", work / "smaller.air", "--json"))
t.expect(smaller["placements"][0]["ring_bytes"] == 0, "not all weights stay in RAM")
t.expect(max(reads_back(work / "smaller.air"), default=0) > 0, "no read of the smaller placements goes back")
t.expect(logits(work / "smaller.air", [1, 2, 3], 1, "--ram", ram // 2) == logits(part, [1, 2, 3], 1),
         "the logits of the smallest placement differ")
for plan in (inspected, smaller):
    names = {tensor["name"] for tensor in plan["tensors"]}
    t.expect({"blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"} <= names, f"{names}")
ids = [i * i % 30011 for i in range(100)]
for batch, count in ((1, 3), (5, 10), (100, 100)):
    t.expect(logits(whole, ids[:count], batch) == logits(part, ids[:count], batch), f"divided steps, batch {batch}: the logits differ")
for file in (model, whole, part, work / "reference.air", work / "smaller.air"):
    file.unlink()
print("divided steps give the same logits")

model = work / "model.gguf"
t.run(gen, "--layers", 6, "--width", 768, "--heads", 12, "--kv-heads", 4, "--head-dim", 64, "--ffn", 3072,
      "--vocabulary", 8000, "--context", 256, "--type", "Q4_K_M", "-o", model)
tokens = [(i * 7919 + 13) % 8000 for i in range(48)]
resident = work / "resident.air"
t.pack(model, resident, "--ctx", 128)
expected = {batch: logits(resident, tokens, batch) for batch in (1, 5, 48)}


def refusal(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    t.expect(done.returncode == 5, f"{command}: exit {done.returncode}, not 5: {done.stderr}")
    return done.stderr


# The message for too little memory states the least amount that is enough. This
# amount is not enough if weights may not be read from the disk, and 32 KiB less
# are never enough.
least = t.least_ram(model, work / "none.air", "--ctx", 128)
for too_little in ((least, "--disk", 0), (least - 2**15,)):
    refusal(t.AIRPACK, model, "--target", "host", "--ctx", 128, "-o", work / "none.air", "--ram", *too_little)

whole = os.path.getsize(resident)
for share in (0.0, 0.4, 0.8):
    ram = int(least + share * whole * 0.6)
    plan = work / f"{share}.air"
    t.pack(model, plan, "--ctx", 128, "--ram", ram)
    for io in ("uring", "pread", "buffered"):
        for batch, bytes_ in expected.items():
            t.expect(logits(plan, tokens, batch, "--ram", ram, "--io", io) == bytes_,
                     f"{ram} bytes of memory, --io {io}, batch {batch}: the logits differ")
    report = t.bench(plan, "--ram", ram, "-p", 0, "-n", 20, "--rounds", 1)
    streaming = report["streaming"]
    disk = next(link for link in report["links"] if link["name"] == "disk")
    t.expect(disk["bytes_per_token"] == streaming["bytes_per_pass"] > 0,
             f"a pass needs {streaming['bytes_per_pass']} bytes from the disk, but {disk['bytes_per_token']} were read")
    t.expect(streaming["resident_bytes"] + streaming["ring_bytes"] < ram, f"{streaming} in {ram} bytes")
    print(f"{ram >> 20} MiB: {streaming['bytes_per_pass']} bytes per pass, the same logits")

# airrun maps windows onto the ring on demand if a pass reads more than 16 times as
# many bytes as the ring has. This model is too small for that, so air-windows is run
# with a limit of 3 times.
plan = work / "0.0.air"
placement = json.loads(t.run(t.AIRPACK, "inspect", plan, "--json"))["placements"][0]
streamed, ring = sum(read["bytes"] for read in placement["reads"]), placement["ring_bytes"]
t.expect(streamed > 4 * ring, f"{streamed} bytes in a ring of {ring} bytes; too few to map windows on demand")
found = json.loads(t.run(windows, plan, int(least), 3, t.comma(tokens[:8]), work / "out.f32"))
t.expect((work / "out.f32").read_bytes() == expected[1][:8 * 8000 * 4], "windows that are mapped on demand: the logits differ")
# The mapped bytes are those of the windows, at most 3 times the ring, and those of one
# more mapping of the whole ring.
t.expect(found["ring_bytes"] == ring < found["mapped_bytes"] <= 4 * ring, f"{found}, {streamed} bytes are read")
print("windows that are mapped on demand give the same logits")

# The time to the first token includes the load of all weights, at 100 MiB per
# second. Later phases only read what does not stay in memory.
plan = work / "0.8.air"
report = t.bench(plan, "-p", 0, "-n", 3, "--rounds", 1, "--io-limit", "100MiB")
streaming = report["streaming"]
for key, bytes_ in (("first_token_s", streaming["resident_bytes"] + streaming["bytes_per_pass"]),
                    ("first_token_warm_s", streaming["bytes_per_pass"])):
    # When a later phase begins, the ring may already be full of weights that need not
    # be read again.
    least_s = (bytes_ - (streaming["ring_bytes"] if "warm" in key else 0)) / (100 * 2**20)
    t.expect(report[key] > 0.95 * least_s, f"{key} is {report[key]}, but {bytes_} bytes take {least_s} s")
# At this rate, steps wait for weights, but not for longer than the tokens take.
t.expect(0 < streaming["waited_s"] < 1.001 * report["decode"]["seconds"], f"{streaming}, {report['decode']}")
print("the first token waits for the load")

# With less --ram, airrun uses a smaller placement of the same plan. It refuses
# to run if the smallest one does not fit.
plan = work / "0.8.air"
ram = int(least + 0.8 * whole * 0.6)
t.expect(logits(plan, tokens, 5, "--ram", int(ram * 0.91)) == expected[5], "the placement for 90 % gives other logits")
message = refusal(t.AIRRUN, "logits", plan, "--tokens", "1", "-o", work / "out.f32", "--ram", "1MiB")
t.expect("--ram" in message, message)

# Runs airrun with one CPU, and with a low limit on locked memory, from which
# root is exempt. If airrun does not use the method of --io, a note must say so.
USER = 61234 if os.geteuid() == 0 else os.geteuid()


def one_cpu():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def lock_at_most(bytes_):
    def limit():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (bytes_, bytes_))

    return limit


os.chmod(work, 0o777)
methods = ("uring", "pread", "buffered")
for name, surroundings in (("one CPU", one_cpu), ("memlock 8 MiB", lock_at_most(8 << 20)), ("memlock 0", lock_at_most(0))):
    for io in methods:
        out = work / f"{name}-{io}.f32".replace(" ", "-")
        done = subprocess.run([t.AIRRUN, "logits", plan, "--tokens", t.comma(tokens), "-o", out, "--batch", "5", "--ram",
                               str(ram), "--io", io], capture_output=True, text=True, preexec_fn=surroundings)
        t.expect(done.returncode == 0, f"{name}, --io {io}: exit {done.returncode}: {done.stderr}")
        t.expect(out.read_bytes() == expected[5], f"{name}, --io {io}: the logits differ")
        t.expect(done.stderr == "" or f"instead of {io}" in done.stderr, f"{name}, --io {io}: {done.stderr}")
print("one CPU and little locked memory give the same logits")

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
