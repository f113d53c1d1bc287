#!/usr/bin/env python3
"""check_shared_memory.py AIR-GEN WORKDIR: airrun shares the memory of a cgroup with other processes.

A plan runs in a memory cgroup whose limit it would fill. The more memory other
processes use, the smaller is the placement that airrun chooses, until it
refuses to run. The kernel must not end any process.
"""
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import airtest as t
from memory_group import MemoryGroup

MIB = 1 << 20
LIMIT = 96 * MIB
gen, work = sys.argv[1], Path(sys.argv[2])
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
model, plan, resident = work / "model.gguf", work / "model.air", work / "resident.air"
t.run(gen, "--layers", 6, "--width", 1024, "--heads", 16, "--kv-heads", 4, "--head-dim", 64, "--ffn", 4096,
      "--vocabulary", 4000, "--context", 512, "--type", "Q8_0", "-o", model)
t.pack(model, plan, "--ctx", 512, "--ram", LIMIT)
t.pack(model, resident, "--ctx", 512)


def command(tokens):
    return [t.AIRRUN, str(plan), "--tokens", "1,42,7", "-n", str(tokens), "--temp", "0", "--ignore-eos", "--output-tokens"]


expected = {count: t.run(t.AIRRUN, resident, *command(count)[2:]).strip() for count in (8, 150)}
resident.unlink()


def in_group(group, *arguments, **options):
    return subprocess.Popen([str(part) for part in arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=group.enter, **options)


@contextmanager
def others(group, bytes_):
    """Runs another process in the cgroup, which uses this much memory."""
    child = in_group(group, sys.executable, "-c",
                     f"import sys; held = bytearray({bytes_}); print('ready', flush=True); sys.stdin.read()",
                     stdin=subprocess.PIPE)
    t.expect(child.stdout.readline() == "ready\n", "the other process does not start")
    try:
        yield
    finally:
        child.communicate("")
        t.expect(child.returncode == 0, f"the other process ended with {child.returncode}")


def generate(group, count=8):
    child = in_group(group, *command(count))
    out, errors = child.communicate()
    return child.returncode, out.strip(), errors


def bench(group):
    """Returns the placement with which airrun ends after 20 passes in the cgroup, and its notes."""
    for _ in range(5):
        child = in_group(group, t.AIRRUN, "bench", plan, "-p", 0, "-n", 20, "--rounds", 1, "--json")
        out, errors = child.communicate()
        if child.returncode == 0:
            return int(re.search(r'"placement": (\d+)', out)[1]), errors
    sys.exit(f"FAILED: airrun bench ended with {child.returncode}: {errors}")


def expect_first(group, name):
    placement, notes = bench(group)
    t.expect(placement == 0 and "other processes leave less" not in notes, f"{name}: placement {placement}, {notes}")


# A plan that was made for exactly the limit fits, and stays as it is.
with MemoryGroup(LIMIT) as group:
    expect_first(group, "alone")
    print("alone: the first placement")

# The page cache of a file fills the cgroup. The kernel reclaims it.
with MemoryGroup(LIMIT) as group:
    big = work / "big"
    with open(big, "wb") as file:
        file.write(bytes(2 * LIMIT))
        # The pages belong to the cgroup of the process that reads them first.
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    for _ in range(2):
        reader = in_group(group, "dd", f"if={big}", "of=/dev/null", "bs=1M")
        reader.communicate()
        t.expect(reader.returncode == 0, "dd fails")
    t.expect(group.used() > LIMIT // 2, f"only {group.used()} bytes are used")
    expect_first(group, "page cache")
    big.unlink()
    print("page cache: the first placement")

with MemoryGroup(LIMIT) as group:
    with others(group, 30 * MIB):
        code, tokens, notes = generate(group)
        t.expect(code == 0 and tokens == expected[8], f"30 MiB: {code}, {tokens}, {notes}")
        t.expect("to be fastest, but other processes leave less" in notes, notes)
        placement, _ = bench(group)
        t.expect(placement > 0, "30 MiB: the first placement")
        print(f"other processes use 30 MiB: placement {placement}")
    with others(group, 75 * MIB):
        code, tokens, errors = generate(group)
        lines = errors.splitlines()
        found = re.search(r"memory: the plan needs at least (\d+) bytes of RAM \(.*\), but only (\d+) of (\d+) bytes of "
                          r"memory are left \((.*)\); end other processes that use this memory, or pack the model", errors)
        t.expect(code == 5 and tokens == "" and len(lines) == 1 and found is not None, f"75 MiB: {code}, {tokens}, {errors}")
        t.expect(int(found[2]) < min(int(found[1]), 40 * MIB) and int(found[3]) == LIMIT and found[4] == str(group.limit), errors)
        print("other processes use 75 MiB: exit code 5")

# Two airruns. The second finds out what the first one uses.
for limit, code_of_second in ((LIMIT, 5), (LIMIT * 4 // 3, 0)):
    with MemoryGroup(limit) as group:
        # Without a buffer, communicate() returns what follows the first byte.
        first = subprocess.Popen(command(150), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                 preexec_fn=group.enter)
        head = first.stdout.read(1)  # waits for the first token
        code, tokens, notes = generate(group)
        running = first.poll() is None
        out, errors = first.communicate()
        t.expect(running, "the first airrun ended too early")
        t.expect(code == code_of_second, f"{limit}: the second ended with {code}: {notes}")
        t.expect(code == 5 or tokens == expected[8] and "other processes leave less" in notes, f"{limit}: {tokens}, {notes}")
        t.expect(first.returncode == 0 and (head + out).decode().strip() == expected[150], f"{limit}: the first: {first.returncode} {errors}")
        print(f"two in {limit // MIB} MiB: the second ends with {code}")
