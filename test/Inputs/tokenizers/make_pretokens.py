"""Writes pretokens.json: random texts, split by each family's published expressions
with the `regex` package.

    pip install regex==2024.11.6 unicodedata2==16.0.0 && python3 make_pretokens.py

That version of `regex` knows Unicode 16, as the library does.
"""

import json
import os
import random

import regex
import unicodedata2

HERE = os.path.dirname(os.path.abspath(__file__))
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
SPACE = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTION + "|" + WORD + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACE
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(upper, lower, ending):
    start = r"[^\r\n\p{L}\p{N}]?"
    return f"{start}{upper}*{lower}+{ending}|{start}{upper}+{lower}*{ending}"


GPT4O = cased(UPPER, LOWER, CONTRACTION + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACE
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*") + SPACE
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
BICAMERAL = (  # the letters of alphabets with upper and lower case, as DeepSeek LLM lists them
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd"
    "\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
    "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
    "\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b"
    "\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787"
    "\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943")
BLOOM = r" ?[^(\s|.,!?" + "\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
# The word characters of the tokenizers library.
WORD_CHARACTERS = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}"
# EDGE is the tokenizers library's \b, whose word characters differ from regex's.
WORDS = "[\\w\u00b2\u00b3\u00b9\u00bc-\u00be]"
IS_WORD, WAS_WORD = f"(?![\u200c\u200d]){WORDS}", f"(?<={WORDS})(?<![\u200c\u200d])"
NO_WORD, WAS_NO_WORD = f"(?:[\u200c\u200d]|(?!{WORDS}))", f"(?:(?<=[\u200c\u200d])|(?<!{WORDS}))"
EDGE = f"(?:{WAS_WORD}(?={NO_WORD})|{WAS_NO_WORD}(?={IS_WORD}))"
EXPRESSIONS = {
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
              "[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf"
              "\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af"
              "\u1100-\u11ff]+", DEEPSEEK],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                   r"|\s*[\r\n]|\s+(?!\S)|\s+"],
    "bloom": [BLOOM],
    "chameleon": [r"<sentinel:[0-9]+>", r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )",
                  r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, r"\p{N}"],
    "deepseek-llm": [r"[\r\n]", r"\s?[" + BICAMERAL + "]+",
                     r"\s?[!-/:-~" + "\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$",
                     DEEPSEEK_CJK, r"\p{N}+"],
    "deepseek-v3": [r"\p{N}{1,3}", CJK, DEEPSEEK],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    "exaone-moe": [CONTRACTION + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                   r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "gemma4": [r"[^\n]+|\n+"],
    "gpt-2": [GPT2 + r"|\s+"],
    "gpt-4o": [GPT4O],
    "jais-2": [LLAMA3[: LLAMA3.index(r"|\s+(?!\S)")] + "".join(rf"|\s{{{2 ** n}}}(?!\S)" for n in range(9, 1, -1))
               + r"|\s{1,2}(?!\S)|\s{1}"],
    # Python has no intersections of classes here, so a look-ahead excludes Han.
    "kimi-k2": [r"\p{Han}+|" + cased(rf"(?:(?!\p{{Han}}){UPPER})", rf"(?:(?!\p{{Han}}){LOWER})", CONTRACTION + "?")
                + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACE],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "llama-bpe": [LLAMA3],
    "minicpm5": [r"\p{N}{1,3}", LLAMA3.replace("{1,3}", "+")],
    "qwen2": [QWEN2],
    "qwen35": [CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACE],
    "seed-coder": [CONTRACTION + "|" + WORD + r"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + SPACE],
    "spark2_5": [r"\p{N}{1,3}", CJK, DEEPSEEK.replace(r"+[\r\n]*|\s*[\r\n]+", r"+|[\r\n]"), r"\p{N}"],
    "starcoder": [r"\p{N}", GPT2],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "tekken": [cased(UPPER, LOWER, "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACE],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*" + EDGE + ")", GPT4O],
    "ufakzeka": [WORD + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACE],
    "viking": [BLOOM, r"\p{N}"],
    "whitespace": [rf"[{WORD_CHARACTERS}]+|[^{WORD_CHARACTERS}\s]+"],
    "youtu": ["[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c"
              "\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
              GPT4O.replace("{1,3}", "")],
}
ATOMS = (
    "'s 'S '\u017f 't 'RE 'lL 'Ve 'm 'd ' '' \u2019 a B \u00df \u00e9 \u4e2d \u306e \u56fd\u8a9e"
    " \ud55c \u0661 \u00bd \u2167 \u00b2 1 23 456 78901 ! ... $ + < | > _ - ~ ^ ` = @ / [ ] ( ) & \\ ,"
    " \U0001f600 \U0001f44d\U0001f3fd \u0301 \u200d \ufe0f \ufeff the world ing HTTPServer iPhone \u0000"
    " \u007f \u01c5 \u02b0 \u0e31 \u2211 \u20ac \u0130 \u212a I'm we'LL \u30ab \u30fc \u3002 \uff0c \u2026"
    " \u3105 \u3001 \u0e44\u0e17\u0e22 \u1100 \uff76 \u060c \u0915\u093f <sentinel:12> IMGIMGABZ \u0394\u03b1"
).split(" ")
ATOMS += [" ", " ", " ", "  ", "   ", "    ", "\n", "\n\n", "\r", "\r\n", "\t", "\x0b", "\x0c"]
ATOMS += ["\u0085", "\u00a0", "\u2003", "\u3000", "\u2028", "\u2029", "\u1680", "\u180e"]
ATOMS += ["\u200b", "\x1c", "\x1f", " Hello", " 12345", " !", "1234567", " a b"]


def cut(expressions, text):
    pieces = [text] if text else []
    for expression in expressions:
        cuts = []
        for piece in pieces:
            at = 0
            for match in regex.finditer(expression, piece):
                cuts += [piece[at : match.start()], match.group()]
                at = match.end()
            cuts.append(piece[at:])
        pieces = [c for c in cuts if c]
    return pieces


def main():
    draw = random.Random(20250101)
    by_category = {}
    for c in range(0x110000):
        by_category.setdefault(unicodedata2.category(chr(c)), []).append(chr(c))
    del by_category["Cs"]
    categories = sorted(by_category)
    texts = [""]
    while len(texts) < 210:
        any_character = len(texts) % 3 == 0
        text = ""
        for _ in range(draw.randrange(1, 16)):
            if any_character and draw.random() < 0.6:
                text += draw.choice(by_category[draw.choice(categories)])
            else:
                text += draw.choice(ATOMS)
        texts.append(text)
    columns = {name: [[len(p.encode()) for p in cut(expressions, text)] for text in texts]
               for name, expressions in EXPRESSIONS.items()}
    with open(os.path.join(HERE, "pretokens.json"), "w", encoding="ascii") as out:
        out.write('{"texts": [\n' + ",\n".join(json.dumps(t) for t in texts) + '\n], "lengths": {\n')
        out.write(",\n".join(json.dumps(n) + ":" + json.dumps(c, separators=(",", ":"))
                             for n, c in columns.items()) + "\n}}\n")


if __name__ == "__main__":
    main()
