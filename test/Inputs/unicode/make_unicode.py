"""Writes unicode-16.json: the sets that UnicodeTest compares.

    pip install regex==2024.11.6 tokenizers==0.23.3 && python3 make_unicode.py

A set is a list of numbers: how many code points outside of it come first, then how
many inside, then outside again, and so on. `cases` has, for each code point with
variants in another case, the distance from the previous one of the list and its
variants. All of it is what Python's regex module (of Unicode 16) matches, one code
point at a time; word characters are those of the tokenizers library.
"""

import json
import os

import regex
import tokenizers
from regex import _regex

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "unicode-16.json")
PROPERTIES = ("L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So"
              " Z Zs Zl Zp C Cc Cf Cs Co Cn").split()
SCRIPTS = ("Arabic Bopomofo Cyrillic Devanagari Greek Han Hangul Hebrew Hiragana"
           " Katakana Latin Thai").split()
TEXT = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)


def gaps(members):
    out, at, inside = [], 0, set(members)
    while at <= 0x10FFFF:
        start, is_in = at, len(out) % 2 == 1
        while at <= 0x10FFFF and (at in inside) == is_in:
            at += 1
        out.append(at - start)
    return out


def matched(expression):
    return [ord(c) for c in regex.findall(expression, TEXT)]


def main():
    sets = {name: gaps(matched(rf"\p{{{name}}}")) for name in PROPERTIES}
    sets["Cs"] = gaps(range(0xD800, 0xE000))
    sets["C"] = gaps(matched(r"\p{C}") + list(range(0xD800, 0xE000)))
    sets.update({name: gaps(matched(rf"\p{{Script={name}}}")) for name in SCRIPTS})
    sets["\\s"] = gaps(matched(r"\s"))
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"\w"), "removed", invert=True)
    sets["\\w"] = gaps(ord(c) for piece, _ in split.pre_tokenize_str(TEXT) for c in piece)
    cases, last = [], 0
    for c in range(0x110000):
        # Only in Turkish and Azeri are U+0130 and U+0131 case variants of i.
        others = [o for o in _regex.get_all_cases(regex.U, c) if o not in (c, 0x130, 0x131)]
        if others and c not in (0x130, 0x131):
            cases.append([c - last, *sorted(o - c for o in others)])
            last = c
    with open(OUT, "w", encoding="ascii") as out:
        out.write('{"sets": {\n')
        out.write(",\n".join(json.dumps(n) + ":" + json.dumps(s, separators=(",", ":"))
                             for n, s in sets.items()))
        out.write('\n}, "cases":\n' + json.dumps(cases, separators=(",", ":")) + "}\n")


if __name__ == "__main__":
    main()
