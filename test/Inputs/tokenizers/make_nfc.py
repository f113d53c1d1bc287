"""Writes the expected results for texts that are not in Unicode Normalization Form C.

    pip install gguf tokenizers && python3 make_nfc.py [VOCABULARIES]

tiny-qwen2.json: the ids of strings.json in the vocabulary of
../models/tiny/qwen2.gguf, computed by Hugging Face's `tokenizers` library with the
normalizer "NFC", like Qwen's tokenizer.json.
qwen2-nfc.json: the ids of those texts of strings.json that Form C changes, and of
one more, in Qwen 2's published vocabulary (qwen2.gguf in the folder VOCABULARIES).
"""

import json
import os
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


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
    tiny = tokenizer(os.path.join(HERE, "..", "models", "tiny", "qwen2.gguf"), True)
    write("tiny-qwen2.json", [{"text": s, "ids": tiny(s)} for s in strings], indent=0)
    if len(sys.argv) > 1:
        published = tokenizer(os.path.join(sys.argv[1], "qwen2.gguf"), False)
        texts = [s for s in strings if unicodedata.normalize("NFC", s) != s] + ["cafe\u0301"]
        write("qwen2-nfc.json", [{"text": s, "ids": published(s)} for s in texts], indent=0)


if __name__ == "__main__":
    main()
