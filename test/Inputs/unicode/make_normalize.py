"""Writes normalize.json: normalization forms of texts, for NormalizeTest.

    pip install unicodedata2==16.0.0 && python3 make_normalize.py

`digests` has, for each form, the FNV-1a hash (64 bits) of the normalized texts of
all code points but the surrogates: each alone, and each followed by U+0307 and
U+0323, all as one sequence of bytes of UTF-8. `cases` has random texts, and after
each its forms D, C, KD and KC. `lower` has, for each character that Python's
str.lower() changes to one other, the distance from the previous such character and
that to its lower case. Python 3.11 knows Unicode 14.
"""

import json
import os
import random

import unicodedata2

HERE = os.path.dirname(os.path.abspath(__file__))
FORMS = ["NFD", "NFC", "NFKD", "NFKC"]
ALL = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
MARKS = [c for c in ALL if unicodedata2.combining(c)]
CHANGED = [c for c in ALL if unicodedata2.normalize("NFKD", c) != c]
SECOND = sorted({unicodedata2.normalize("NFD", c)[-1] for c in CHANGED})
PLAIN = list("aeiouSAs d.0\n") + ["\u4e2d", "\u9fff", "\U0001f600", "\u1100", "\u1161", "\u11a8"]


def digest(form):
    value = 0xCBF29CE484222325
    for c in ALL:
        for text in (c, c + "\u0307\u0323"):
            for byte in unicodedata2.normalize(form, text).encode():
                value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def cases():
    draw = random.Random(20261128)
    kinds = [MARKS, CHANGED, SECOND, PLAIN]
    out = []
    for _ in range(400):
        text = "".join(draw.choice(draw.choice(kinds)) for _ in range(draw.randrange(1, 12)))
        out.append([text] + [unicodedata2.normalize(form, text) for form in FORMS])
    return out


def lower():
    out, last = [], 0
    for c in ALL:
        if c.lower() != c and len(c.lower()) == 1:
            out += [ord(c) - last, ord(c.lower()) - ord(c)]
            last = ord(c)
    return out


def main():
    assert unicodedata2.unidata_version == "16.0.0"
    with open(os.path.join(HERE, "normalize.json"), "w", encoding="utf-8") as out:
        out.write('{"digests": ' + json.dumps({form: digest(form) for form in FORMS}))
        out.write(',\n"lower": ' + json.dumps(lower(), separators=(",", ":")))
        out.write(',\n"cases": [\n')
        out.write(",\n".join(json.dumps(each, ensure_ascii=False) for each in cases()) + "]}\n")


if __name__ == "__main__":
    main()
