"""Writes regex.json: random expressions and texts with the matches that Python finds.

    pip install regex==2024.11.6 && python3 make_regex.py

Each case is an expression, and then texts, each followed by the starts and ends of
its matches, in characters. A search begins where the last match ended, or one
character further if that was empty.
"""

import json
import os
import random

import regex

HERE = os.path.dirname(os.path.abspath(__file__))
CHARACTERS = "aabbcAB12 \n'.\u00e9\u4e2d\u017f\u03c3\u0301"
SETS = [".", "[ab]", "[^a]", "[a-c1]", r"\s", r"\S", r"\d", r"\D", r"\w", r"\W", r"\p{L}", r"\P{L}",
        r"\p{Lu}", r"\p{N}", r"\p{M}", r"[^\s\p{L}\p{N}]", r"[^\r\n\p{L}\p{N}]", r"[\p{Ll}\p{Lo}\p{M}]",
        r"\p{Han}", r"[\s1-9']", r"[^\W\d]"]
FIXED = [
    r"(?i:'s|'t|'re|'ve)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"a*?b", r"a+?", r"(?:ab|a)(?:c|bcd)", r"(?:a|ab)(?:bcd|c)", r"a?+ab?", r"[ab]++b", r"[ab]*+c",
    r"(?=a)\w+", r"(?!ab)\w\w", r"\d{1,3}(?=(?:\d{3})*\b)", r"(?=(?:\d{2})+(?!\d))", r"\Bb\b", r"^a|b$",
    r"\Aa|b", r"a{2}", r"a{2,}b?", r"[^\S\n]+", r"a{,b", r"a{x}|1", r"\x61\u0062|\x63", r"(?i)AB|\u03a3",
    r"(?i:[^s])+", r"[]a]+|[^]a]", r"[a\-b-]", r"(a|b|c|1|2)+", r"(?:(?:a|b)+c?)+1", r"(?=\w*1)\w", r"(?!\w*1)\w",
    r"(?=(?!ab)a\w*?2)\w+", r"(?:a{1,3}b{0,2}){1,2}", r"(?:(?=a)a|b)*c", r"\w+?(?=\s|$)", r"(?:\w ?)+[.]",
]


class Maker:
    def __init__(self, draw):
        self.draw = draw
        self.depth = 0

    def atom(self):
        """Returns an expression, whether it is one character, and whether it may be empty."""
        kind = self.draw.random()
        if kind < 0.45 or self.depth > 3:
            c = self.draw.choice(CHARACTERS)
            return (("\\n" if c == "\n" else "\\." if c == "." else c), True, False)
        if kind < 0.72:
            return self.draw.choice(SETS), True, False
        self.depth += 1
        inner, empty = self.choice()
        self.depth -= 1
        if kind < 0.86:
            return f"(?:{inner})", False, empty
        if kind < 0.9:
            return f"(?i:{inner})", False, empty
        if kind < 0.97:
            return f"(?{self.draw.choice('=!')}{inner})", None, True
        return self.draw.choice([r"\b", r"\B", "^", "$"]), None, True

    def item(self):
        text, single, empty = self.atom()
        if single is None or self.draw.random() < 0.5:
            return text, empty
        counts = ["?", "{2}", "{1,2}", "{0,3}"] + ([] if empty else ["*", "+", "{2,}"])
        count = self.draw.choice(counts)
        mode = self.draw.choice(["", "", "?"] + (["+"] if single else []))
        return text + count + mode, empty or count[0] in "?*" or count == "{0,3}"

    def sequence(self):
        items = [self.item() for _ in range(self.draw.randrange(1, 4))]
        return "".join(i for i, _ in items), all(e for _, e in items)

    def choice(self):
        branches = [self.sequence() for _ in range(self.draw.choice([1, 1, 2, 3]))]
        return "|".join(b for b, _ in branches), any(e for _, e in branches)


def matches(compiled, text):
    spans, at = [], 0
    while at <= len(text):
        found = compiled.search(text, at)
        if not found:
            break
        spans += [found.start(), found.end()]
        at = found.end() + (found.start() == found.end())
    return spans


def main():
    draw = random.Random(20261128)
    cases = []
    expressions = list(FIXED)
    while len(expressions) < 500:
        expressions.append(Maker(draw).choice()[0])
    for expression in expressions:
        compiled = regex.compile(expression, regex.V0)
        case = [expression]
        for _ in range(6):
            text = "".join(draw.choice(CHARACTERS) for _ in range(draw.randrange(0, 24)))
            case += [text, matches(compiled, text)]
        cases.append(case)
    with open(os.path.join(HERE, "regex.json"), "w", encoding="ascii") as out:
        out.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
