#!/usr/bin/env python3
"""check_memory.py PLAN PIPELINE FOLDER: checks the memory that long text takes.

A prompt that cannot fit into the context must not be read: neither a file of 64 MiB
nor an endless stream may take extra memory. `airrun tokenize` holds the text; its
normalised form, if that differs and cannot be made piece by piece; and the lengths of
the pieces of the current word, which matter only if the word is very long. With the
texts used here, each of the three takes at most one byte per byte of text. If a
vocabulary may change any part of a text, as a tokenizer.json may, the text is freed as
soon as its normalised form has been made. A text of 64 MiB must not take more than
200 MB. Since a prompt may also become shorter without limit, the plan PIPELINE, whose
vocabulary has a pipeline, reads all of it. FOLDER has the vocabularies.
"""
import json
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


plan, pipeline, folder = sys.argv[1:]
words = b"Once upon a time, there was a little girl who had 12 caf\xc3\xa9s.\n"
with tempfile.NamedTemporaryFile() as text:
    text.write(words * (64 * MIB // len(words)))
    text.flush()
    for source in ({"stdin": open(text.name)}, {"stdin": open("/dev/zero")}):
        code, errors, bytes_ = peak(["airrun", plan], **source)
        assert code == 5 and bytes_ < 100 * MIB, (code, errors, bytes_ / MIB)
    code, errors, bytes_ = peak(["airrun", pipeline, "-f", text.name])
    assert code == 5 and "tokens, but the plan's context has room for 512" in errors, (code, errors)
    assert bytes_ < 200_000_000, bytes_
with tempfile.NamedTemporaryFile() as text:
    text.write(b"nospaceshere" * (64 * MIB // 12))
    text.flush()
    code, errors, bytes_ = peak(["airrun", pipeline, "-f", text.name])
    assert code == 5 and bytes_ < 200_000_000, (code, errors, bytes_)

# Each text has about SIZE bytes. SLACK bytes of memory are not counted, because
# they do not depend on the text. Each vocabulary has two limits, in bytes of
# memory per byte of text: one for a text with spaces between words, one for a
# text without.
SIZE, SLACK = 4 * MIB, 1.5 * MIB


def check(vocabulary, unit, most):
    _, _, base = peak(["airrun", "tokenize", vocabulary, "-p", "x"])
    with tempfile.NamedTemporaryFile() as text:
        text.write(unit * (SIZE // len(unit)))
        text.flush()
        code, errors, bytes_ = peak(["airrun", "tokenize", vocabulary, "--json"], stdin=open(text.name))
    assert code == 0, (vocabulary, code, errors)
    each = (bytes_ - base - SLACK) / SIZE
    assert each <= most, f"{vocabulary}: {each:.2f} bytes of memory per byte of {unit!r}, more than {most}"


for vocabulary, with_words, without in (
        ("models/tiny/llama2.gguf", 1, 3), ("models/tiny/qwen2.gguf", 1, 1.5), ("tokenizers/unigram.gguf", 1, 3),
        ("tokenizers/wordpiece.gguf", 1, 1), ("tokenizers/json/fallback.json", 2.3, 2.3),
        ("tokenizers/json/first.json", 2.1, 2.3), ("tokenizers/json/prefix.json", 2.1, 2.3),
        ("tokenizers/json/nfc.json", 2.1, 2.3), ("tokenizers/json/words.json", 2.1, 2.3),
        ("tokenizers/json/split.json", 1.1, 1.1)):
    check(f"{folder}/{vocabulary}", words, with_words)
    check(f"{folder}/{vocabulary}", b"nospaceshere", without)
# A long run of white space is a single word, in which the expression that splits
# the text remembers several bits for each byte.
check(f"{folder}/models/tiny/qwen2.gguf", b" ", 2.7)
# Decomposed letters, which NFC makes shorter and NFKD longer.
check(f"{folder}/tokenizers/json/nfc.json", b"cafe\xcc\x81 ", 2.1)
with open(f"{folder}/tokenizers/json/pipelines.json") as file:
    albert = next(each["file"] for each in json.load(file) if each["name"] == "albert")
with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    json.dump(albert, file)
    file.flush()
    check(file.name, words, 2.7)

# Of --strings, one string at a time takes memory besides the file.
with tempfile.NamedTemporaryFile() as strings:
    strings.write(b"[" + b'"",' * (SIZE // 3) + b'""]')
    strings.flush()
    _, _, base = peak(["airrun", "tokenize", f"{folder}/models/tiny/qwen2.gguf", "-p", "x"])
    code, errors, bytes_ = peak(["airrun", "tokenize", f"{folder}/models/tiny/qwen2.gguf", "--strings", strings.name])
    assert code == 0 and bytes_ - base < 2 * SIZE, (code, errors, (bytes_ - base) / MIB)
