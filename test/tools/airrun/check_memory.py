#!/usr/bin/env python3
"""check_memory.py PLAN MODEL...: checks the memory that long text takes.

A prompt that cannot fit into the context must not be read: neither a file of 64 MiB
nor an endless stream may take extra memory. `airrun tokenize` may take three bytes of
memory per byte of text, in addition to its tables.
"""
import os
import subprocess
import sys
import tempfile

MIB = 1 << 20


def peak(command, **streams):
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **streams)
    errors = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    return os.waitstatus_to_exitcode(status), errors, usage.ru_maxrss * 1024


plan, *models = sys.argv[1:]
words = b"Once upon a time, there was a little girl who had 12 caf\xc3\xa9s.\n"
with tempfile.NamedTemporaryFile() as text:
    text.write(words * (64 * MIB // len(words)))
    text.flush()
    for source in ({"stdin": open(text.name)}, {"stdin": open("/dev/zero")}):
        code, errors, bytes_ = peak(["airrun", plan], **source)
        assert code == 5 and bytes_ < 100 * MIB, (code, errors, bytes_ / MIB)
with tempfile.NamedTemporaryFile() as text:
    size = 8 * MIB
    text.write(words * (size // len(words)))
    text.flush()
    for model in models:
        _, _, base = peak(["airrun", "tokenize", model, "-p", "x"])
        code, errors, bytes_ = peak(["airrun", "tokenize", model], stdin=open(text.name))
        assert code == 0, (model, code, errors)
        assert bytes_ - base < 3 * size, (model, bytes_ / MIB, base / MIB)
