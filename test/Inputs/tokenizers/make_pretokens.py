"""Writes pretokens.json: random texts, split by each family's published expressions
with the `regex` package (which knows \\p{L}, \\p{N}, \\p{P} and Unicode's \\s).

    pip install regex && python3 make_pretokens.py
"""

import json
import os
import random
import unicodedata

import regex

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
EXPRESSIONS = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "gpt-2": [GPT2 + r"|\s+"],
    "llama-bpe": [LLAMA3],
    "qwen2": [LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")],
}
ATOMS = (
    "'s 'S '\u017f 't 'RE 'lL 'Ve 'm 'd ' '' \u2019 a B \u00df \u00e9 \u4e2d \u306e"
    " \ud55c \u0661 \u00bd \u2167 \u00b2 1 23 456 78901 ! ... $ + < | > _ - ~ ^ ` = @"
    " \U0001f600 \U0001f44d\U0001f3fd \u0301 \u200d \ufe0f \ufeff the world ing \u0000"
    " \u007f \u01c5 \u02b0 \u0e31 \u2211 \u20ac \u0130 \u212a I'm we'LL"
).split(" ")
ATOMS += [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\r", "\r\n", "\t", "\x0b", "\x0c"]
ATOMS += ["\u0085", "\u00a0", "\u2003", "\u3000", "\u2028", "\u2029", "\u1680", "\u180e"]
ATOMS += ["\u200b", "\x1c", "\x1f", " Hello", " 12345", " !"]


def agreed(text):
    """True if no character has changed its category since Unicode 14."""
    return all(
        bool(regex.match(rf"\p{{{c}}}", each)) == (unicodedata.category(each)[0] == c)
        for each in text
        for c in "LNP"
    )


def cut(expressions, text):
    pieces = [text] if text else []
    for expression in expressions:
        cuts = []
        for piece in pieces:
            at = 0
            for match in regex.finditer(expression, piece):
                if match.start() > at:
                    cuts.append(piece[at : match.start()])
                cuts.append(match.group())
                at = match.end()
            if at < len(piece):
                cuts.append(piece[at:])
        pieces = cuts
    return pieces


def main():
    draw = random.Random(20250101)
    texts = [""]
    while len(texts) < 400:
        text = "".join(draw.choice(ATOMS) for _ in range(draw.randrange(1, 16)))
        if agreed(text):
            texts.append(text)
    cases = []
    for text in texts:
        case = {"text": text}
        for name, expressions in EXPRESSIONS.items():
            case[name] = [len(p.encode()) for p in cut(expressions, text)]
        cases.append(case)
    with open(os.path.join(HERE, "pretokens.json"), "w", encoding="ascii") as out:
        out.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
