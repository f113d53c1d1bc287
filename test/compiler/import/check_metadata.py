#!/usr/bin/env python3
"""check_metadata.py MODEL.gguf WORKDIR RANDOM MIB: hostile metadata must end in a clean error.

Makes 5 * RANDOM changed models from MODEL.gguf: 4 * RANDOM with one hostile value
in the metadata, and RANDOM with two. A fixed seed chooses the values and their
keys, which are the architecture's keys in MODEL.gguf and those in OPTIONAL. airpack
imports each changed model and plans it up to the read schedule. Each run must end
within 20 s, use at most MIB MiB of memory (0: no limit) and exit with code 0, 3, 4
or 5. Besides notes, it must print one line on stderr if it fails, and none
otherwise.

Standard library only. AIRPACK names the program; lit sets it.
"""
import os
import random
import struct
import subprocess
import sys
import threading
from pathlib import Path

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = 4, 5, 6, 7, 8, 9, 10, 11, 12
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?",
           UINT64: "Q", INT64: "q", FLOAT64: "d"}

HOSTILE = (
    [(UINT32, v) for v in (0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32 - 1)]
    + [(UINT64, v) for v in (2**40, 2**63, 2**64 - 1)]
    + [(INT32, -1), (INT64, -(2**63)), (BOOL, True), (BOOL, False)]
    + [(FLOAT32, v) for v in (0.0, -1.0, 1e-45, 3e38, float("nan"), float("inf"), -float("inf"))]
    + [(FLOAT64, 1e308), (FLOAT64, 5e-324)]
    + [(STRING, b""), (STRING, b"yarn"), (STRING, b"\xff\xfe\x00")]
    + [(ARRAY, (INT32, [])), (ARRAY, (INT32, [2, 2])), (ARRAY, (INT32, [-1, 4])),
       (ARRAY, (FLOAT32, [float("nan")])), (ARRAY, (BOOL, [True]))]
)
OPTIONAL = [
    "attention.causal", "attention.head_count_kv", "attention.key_length",
    "attention.sliding_window", "attention.value_length", "expert_count", "pooling_type",
    "rope.dimension_count", "rope.freq_base", "rope.scale_linear", "rope.scaling.attn_factor",
    "rope.scaling.factor", "rope.scaling.type", "use_parallel_residual", "vocab_size",
]


class Model:
    """A GGUF file split into the bytes of each key and the bytes of everything else."""

    def __init__(self, data):
        self.data, self.at = data, 4
        (self.version, self.tensors, count) = self.take("IQQ")
        self.keys = {}
        for _ in range(count):
            name = self.text()
            kind, = self.take("I")
            start = self.at
            self.skip(kind)
            self.keys[name.decode()] = struct.pack("<I", kind) + data[start : self.at]
        start = self.at
        for _ in range(self.tensors):
            self.text()
            extents, = self.take("I")
            self.at += 8 * extents + 12
        self.index = data[start : self.at]
        self.payload = data[(self.at + 31) // 32 * 32 :]

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def text(self):
        length, = self.take("Q")
        self.at += length
        return self.data[self.at - length : self.at]

    def skip(self, kind):
        if kind == STRING:
            self.text()
        elif kind == ARRAY:
            element, count = self.take("IQ")
            for _ in range(count):
                self.skip(element)
        else:
            self.take(SCALARS[kind])

    def written(self, changes):
        keys = dict(self.keys)
        for name, value in changes:
            keys[name] = encoded(value)
        head = b"GGUF" + struct.pack("<IQQ", self.version, self.tensors, len(keys))
        for name, value in keys.items():
            head += struct.pack("<Q", len(name)) + name.encode() + value
        head += self.index
        return head + bytes(-len(head) % 32) + self.payload


def encoded(value):
    kind, content = value
    if kind == STRING:
        return struct.pack("<IQ", kind, len(content)) + content
    if kind == ARRAY:
        element, items = content
        return struct.pack("<IIQ", kind, element, len(items)) + struct.pack(
            f"<{len(items)}{SCALARS[element]}", *items)
    return struct.pack("<I" + SCALARS[kind], kind, content)


source, work, count, most_mib = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
work.mkdir(parents=True, exist_ok=True)
model = Model(source.read_bytes())
path = work / "changed.gguf"
architecture = struct.unpack_from("<IQ", model.keys["general.architecture"])[1]
prefix = model.keys["general.architecture"][12 : 12 + architecture].decode() + "."
names = sorted({n for n in model.keys if n.startswith(prefix)} | {prefix + n for n in OPTIONAL})

cases = [[(name, value)] for name in names for value in HOSTILE]
rng = random.Random(source.name)  # different values for each model
rng.shuffle(cases)
del cases[4 * count :]
cases += [[(rng.choice(names), rng.choice(HOSTILE)) for _ in range(2)] for _ in range(count)]

codes, peak = {}, 0
for changes in cases:
    path.write_bytes(model.written(changes))
    run = subprocess.Popen(
        [os.environ["AIRPACK"], str(path), "--target", "x86-64-v3", "--emit=plan",
         "--stop-after=schedule-reads"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    timer = threading.Timer(20, run.kill)
    timer.start()
    errors = run.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(run.pid, 0)
    timer.cancel()
    run.stderr.close()
    run.returncode = code = os.waitstatus_to_exitcode(status)
    lines = [line for line in errors.splitlines() if not line.startswith("note: ")]
    if code not in (0, 3, 4, 5) or len(lines) != (code != 0):
        sys.exit(f"FAILED: {changes}: exit {code}, {lines}")
    peak = max(peak, usage.ru_maxrss >> 10)
    if most_mib and peak > most_mib:
        sys.exit(f"FAILED: {changes}: {peak} MiB of memory")
    codes[code] = codes.get(code, 0) + 1
print(f"{len(cases)} changed models, exit codes {dict(sorted(codes.items()))}, at most {peak} MiB")
