"""Writes the expected results for texts that are not in Unicode Normalization Form C.

    pip install gguf tokenizers && python3 make_nfc.py [VOCABULARIES]

nfc.json: texts and their Form C, from Python's unicodedata. tiny-qwen2.json: the
ids of strings.json in the vocabulary of ../models/tiny/qwen2.gguf, computed by
Hugging Face tokenizers with the normalizer "NFC", like Qwen's tokenizer.json.
qwen2-nfc.json: the ids of those texts of strings.json that Form C changes, and of
one more, in Qwen 2's published vocabulary (qwen2.gguf in the folder VOCABULARIES).
"""

import json
import os
import random
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ATOMS = [chr(c) for c in (
    *range(0x300, 0x345), 0x1D165, 0x16E, 0x1E69, 0x212B, 0x2126, 0xAC00, 0xD55C, 0xFB1D, 0xF900,
    0x2F800, 0x1100, 0x1161, 0x11A8, 0x1112, 0x1175, 0x11C2, 0x3099, 0x304B, 0x9BE, 0x9C7, 0x958,
    0x1D15E, 0x1D157, 0xDC7, 0xDCA, 0x915, 0x93C, 0x4E2D, 0x9FFF, 0x1F600, 0x387, 0x37E, 0x2ADC,
    0x340, 0x344, 0x374, 0x1FBB, 0x110A5, 0x110BA,
)] + list("aeiouSAs d.0\n") + ["\u00e9", "\u00c5", "e\u0301", "a\u0323\u0302"]


def nfc_cases():
    draw = random.Random(20261128)
    texts = ["", "plain", "e\u0301", "\u0301e", "\ud55c\uae00"]
    texts += [chr(c) for c in range(0x300, 0x30000) if unicodedata.normalize("NFC", chr(c)) != chr(c)
              and unicodedata.category(chr(c)) != "Cs"]
    while len(texts) < 2400:
        texts.append("".join(draw.choice(ATOMS) for _ in range(draw.randrange(1, 12))))
    return [[text, unicodedata.normalize("NFC", text)] for text in texts]


def tokenizer(path, special):
    import gguf
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ", 1)) for m in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    if special:
        kinds = fields["tokenizer.ggml.token_type"].contents()
        made.add_special_tokens([AddedToken(t, special=True, normalized=False)
                                 for t, kind in zip(tokens, kinds) if kind == 3])
    return lambda text: made.encode(text, add_special_tokens=False).ids


def write(name, value, **layout):
    with open(os.path.join(HERE, name), "w", encoding="ascii") as out:
        json.dump(value, out, ensure_ascii=True, **layout)


def main():
    with open(os.path.join(HERE, "strings.json"), encoding="utf-8") as file:
        strings = json.load(file)
    write("nfc.json", nfc_cases(), separators=(",", ":"))
    tiny = tokenizer(os.path.join(HERE, "..", "models", "tiny", "qwen2.gguf"), True)
    write("tiny-qwen2.json", [{"text": s, "ids": tiny(s)} for s in strings], indent=0)
    if len(sys.argv) > 1:
        published = tokenizer(os.path.join(sys.argv[1], "qwen2.gguf"), False)
        texts = [s for s in strings if unicodedata.normalize("NFC", s) != s] + ["cafe\u0301"]
        write("qwen2-nfc.json", [{"text": s, "ids": published(s)} for s in texts], indent=0)


if __name__ == "__main__":
    main()
