#!/usr/bin/env python3
"""tokenizer_json.py IN.gguf FOLDER: writes the vocabulary of a small Qwen 2 model in other formats.

FOLDER gets tokenizer.json, and in FOLDER/gpt2 vocab.json and merges.txt.
"""
import json
import os
import struct
import sys

source, folder = sys.argv[1:]
data = open(source, "rb").read()


def strings(key):
    """The array of strings that is the value of `key`."""
    at = data.index(struct.pack("<Q", len(key)) + key) + 8 + len(key)
    kind, inner, count = struct.unpack_from("<IIQ", data, at)
    assert (kind, inner) == (9, 8)
    at += 16
    out = []
    for _ in range(count):
        (size,) = struct.unpack_from("<Q", data, at)
        out.append(data[at + 8 : at + 8 + size].decode())
        at += 8 + size
    return out


tokens = strings(b"tokenizer.ggml.tokens")
merges = strings(b"tokenizer.ggml.merges")
control = [t for t in tokens if t.startswith("<|")]
vocab = {t: i for i, t in enumerate(tokens)}
split = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
whole = {
    "added_tokens": [{"id": vocab[t], "content": t, "special": True} for t in control],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ],
    },
    "model": {"type": "BPE", "vocab": {t: i for t, i in vocab.items() if t not in control}, "merges": merges},
}
os.makedirs(folder + "/gpt2", exist_ok=True)
json.dump(whole, open(folder + "/tokenizer.json", "w"))
json.dump(vocab, open(folder + "/gpt2/vocab.json", "w"))
open(folder + "/gpt2/merges.txt", "w", encoding="utf-8").write("#version: 0.2\n" + "\n".join(merges) + "\n")
