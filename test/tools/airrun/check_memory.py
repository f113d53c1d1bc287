#!/usr/bin/env python3
"""check_memory.py PLAN FOLDER: checks the memory that long text takes.

A prompt that cannot fit into the context must not be read: neither a file of 64 MiB
nor an endless stream may take extra memory. `airrun tokenize` holds the text; its
normalised form, if that differs and cannot be made piece by piece; and the lengths of
the pieces of the current word, which matter only if the word is very long. With the
texts used here, each of the three takes at most one byte per byte of text. FOLDER has
the vocabularies.
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


plan, folder = sys.argv[1:]
words = b"Once upon a time, there was a little girl who had 12 caf\xc3\xa9s.\n"
with tempfile.NamedTemporaryFile() as text:
    text.write(words * (64 * MIB // len(words)))
    text.flush()
    for source in ({"stdin": open(text.name)}, {"stdin": open("/dev/zero")}):
        code, errors, bytes_ = peak(["airrun", plan], **source)
        assert code == 5 and bytes_ < 100 * MIB, (code, errors, bytes_ / MIB)

# Each text has about SIZE bytes. SLACK bytes of memory are not counted, because
# they do not depend on the text. Each model has two limits, in bytes of memory per
# byte of text: one for a text with spaces between words, one for a text without.
SIZE, SLACK = 4 * MIB, 1.5 * MIB
for model, with_words, without in (("models/tiny/llama2.gguf", 1, 3), ("models/tiny/qwen2.gguf", 1, 1.5),
                                   ("tokenizers/unigram.gguf", 1, 3), ("tokenizers/wordpiece.gguf", 1, 1)):
    _, _, base = peak(["airrun", "tokenize", f"{folder}/{model}", "-p", "x"])
    for unit, most in ((words, with_words), (b"nospaceshere", without)):
        with tempfile.NamedTemporaryFile() as text:
            text.write(unit * (SIZE // len(unit)))
            text.flush()
            code, errors, bytes_ = peak(["airrun", "tokenize", f"{folder}/{model}"], stdin=open(text.name))
        assert code == 0, (model, code, errors)
        each = (bytes_ - base - SLACK) / SIZE
        assert each <= most, f"{model}: {each:.2f} bytes of memory per byte of {unit!r}, more than {most}"
