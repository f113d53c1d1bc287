#!/usr/bin/env python3
"""Writes UnicodeTables.inc, NormalizationTables.inc and ScriptTables.inc: the properties
of all code points of Unicode 16, their decompositions, and their scripts.

    pip install unicodedata2==16.0.0 regex==2024.11.6 tokenizers==0.23.3
    python3 formats/text/unicode/make_tables.py

The general categories come from unicodedata2. White space, scripts and case
equivalence come from regex, which has the tables of the same version of Unicode.
The set \\w, the lower case and the scripts in ScriptTables.inc come from Hugging
Face's `tokenizers` library, because that library splits the text on which most
models are trained. Its scripts are those of an older version of Unicode.
Decompositions and combining classes come from unicodedata2.
"""

import os

import regex
import tokenizers
import unicodedata2
from regex import _regex

HERE = os.path.dirname(os.path.abspath(__file__))
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po"
              " Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn").split()
SCRIPTS = ("Arabic Bopomofo Cyrillic Devanagari Greek Han Hangul Hebrew Hiragana"
           " Katakana Latin Thai").split()
ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, ALL))
# These letters are equivalent to i only in Turkish and Azeri (CaseFolding.txt,
# status T).
TURKIC = {0x130, 0x131}


def ranges(members):
    """Joins sorted code points into [first, last] ranges."""
    out = []
    for c in members:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def word_members():
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"\w"), "removed", invert=True)
    return sorted({ord(c) for piece, _ in split.pre_tokenize_str(TEXT) for c in piece})


def matches(expression):
    return [ord(c) for c in regex.findall(expression, TEXT)]


def canonical_cases():
    """Returns pairs (code point, its smallest case variant) if the two differ."""
    out = []
    for c in ALL:
        cases = set(_regex.get_all_cases(regex.U, c)) - TURKIC
        if c not in TURKIC and min(cases | {c}) != c:
            out.append((c, min(cases)))
    return out


def lower_cases():
    """Returns pairs (code point, its lower case in the `tokenizers` library) if the two differ.

    If the lower case consists of several code points, only the first is returned. Unassigned
    code points are left out.
    """
    lower = tokenizers.normalizers.Lowercase().normalize_str
    return [(c, ord(lower(chr(c))[0])) for c in ALL
            if lower(chr(c)) != chr(c) and unicodedata2.category(chr(c)) != "Cn"]


def runs_of_cases(pairs):
    """Joins pairs (c, other) with the same c - other into runs (first c, count, step, c - other).

    The step from one c to the next is 1 or 2.
    """
    out = []
    for c, other in pairs:
        distance = c - other
        if out:
            first, count, step, same = out[-1]
            last = first + (count - 1) * step
            if same == distance and (c - last == step or (count == 1 and c - last == 2)):
                out[-1] = (first, count + 1, c - last, same)
                continue
        out.append((c, 1, 1, distance))
    return out


def rows(items):
    lines, line = [], ""
    for item in items:
        if len(line) + len(item) + 2 > 80:
            lines.append(line)
            line = ""
        line += (" " if line else "") + item + ","
    return "\n".join(lines + [line])


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def digits(number):
    """Writes a number in base 32, the lowest digit first.

    32 is added to each digit except the last one. Each digit is then written as the base64
    character of its value.
    """
    out = ""
    while number >= 32:
        out += BASE64[number & 31 | 32]
        number >>= 5
    return out + BASE64[number]


def signed(number):
    return digits(2 * number if number >= 0 else -2 * number - 1)


def classes():
    """Returns runs [first, last, combining class]. Code points of class 0 are left out."""
    out = []
    for c in ALL:
        kind = unicodedata2.combining(chr(c))
        if kind and out and out[-1][1:] == [c - 1, kind]:
            out[-1][1] = c
        elif kind:
            out.append([c, c, kind])
    return out


def decompositions():
    """Writes every decomposition except those of Hangul syllables."""
    out, last, previous = "", 0, [0] * 32
    for c in ALL:
        text = unicodedata2.decomposition(chr(c))
        if not text:
            continue
        tag = text.startswith("<")
        parts = [int(part, 16) for part in text.split() if not part.startswith("<")]
        # 0: canonical; 1: canonical, but excluded from composition;
        # 2: compatibility.
        kind = 2 if tag else int(unicodedata2.normalize("NFC", chr(c)) != chr(c))
        out += digits(c - last) + digits(4 * len(parts) + kind)
        for i, part in enumerate(parts):
            out += signed(part - previous[i])
            previous[i] = part
        last = c
    return out


def literal(text):
    return "\n".join(f'"{text[i:i + 78]}"' for i in range(0, len(text), 78))


def write_normalization():
    parts = ["// Generated by make_tables.py from the Unicode Character Database 16.0. Do not",
             "// edit.", "// clang-format off", "constexpr ClassRun kClassRuns[] = {",
             rows(f"{{{a:#x}, {b:#x}, {kind}}}" for a, b, kind in classes()), "};",
             "constexpr std::string_view kDecompositions =", literal(decompositions()) + ";",
             "// clang-format on", ""]
    with open(os.path.join(HERE, "NormalizationTables.inc"), "w", encoding="ascii") as out:
        out.write("\n".join(parts))


def scripts():
    """Returns runs (first code point, script) of code points with the same script.

    The script is the one by which the pre-tokenizer UnicodeScripts of `tokenizers` splits text:
    0 if a character has none, otherwise a number that is only good for comparisons.
    """
    split = tokenizers.pre_tokenizers.UnicodeScripts().pre_tokenize_str
    examples = []  # a character of each script
    out, last = [], None
    for c in ALL:
        script = 0
        if split(chr(c)):
            # Neighbouring code points mostly have the same script, so the last
            # one found is tried first.
            order = ([last] if last else []) + list(range(1, len(examples) + 1))
            script = next((s for s in order if len(split(examples[s - 1] + chr(c))) == 1), 0)
            if script == 0:
                examples.append(chr(c))
                script = len(examples)
            last = script
        if not out or out[-1][1] != script:
            out.append((c, script))
    return out


def write_scripts():
    text, last = "", 0
    for first, script in scripts():
        text += digits(first - last) + digits(script)
        last = first
    parts = ["// Generated by make_tables.py from Hugging Face's `tokenizers` library. Do not",
             "// edit.", "// clang-format off", "constexpr std::string_view kScriptRuns =",
             literal(text) + ";", "// clang-format on", ""]
    with open(os.path.join(HERE, "ScriptTables.inc"), "w", encoding="ascii") as out:
        out.write("\n".join(parts))


def range_rows(members):
    return rows(f"{{{a:#x}, {b:#x}}}" for a, b in ranges(members))


def main():
    runs = []
    for c in range(0x110000):
        category = CATEGORIES.index(unicodedata2.category(chr(c)))
        if not runs or runs[-1][1] != category:
            runs.append((c, category))
    assert unicodedata2.unidata_version == "16.0.0"
    parts = ["// Generated by make_tables.py from the Unicode Character Database 16.0 and from",
             "// Hugging Face's `tokenizers` library. Do not edit.",
             "// clang-format off",
             "constexpr uint32_t kCategoryRuns[] = {",
             rows(hex(c << 5 | category) for c, category in runs), "};",
             "constexpr CodePointRange kWhiteSpace[] = {", range_rows(matches(r"\s")), "};",
             "constexpr CodePointRange kWord[] = {", range_rows(word_members()), "};"]
    for script in SCRIPTS:
        parts += [f"constexpr CodePointRange k{script}[] = {{",
                  range_rows(matches(rf"\p{{Script={script}}}")), "};"]
    parts += ["constexpr CaseRun kCaseRuns[] = {",
              rows(f"{{{a:#x}, {n}, {s}, {d}}}" for a, n, s, d in runs_of_cases(canonical_cases())),
              "};", "constexpr LowerRun kLowerRuns[] = {",
              rows(f"{{{a:#x}, {n}, {s}, {-d}}}" for a, n, s, d in runs_of_cases(lower_cases())),
              "};", "// clang-format on", ""]
    with open(os.path.join(HERE, "UnicodeTables.inc"), "w", encoding="ascii") as out:
        out.write("\n".join(parts))
    write_normalization()
    write_scripts()


if __name__ == "__main__":
    main()
