"""Writes small files tokenizer.json, and the ids of random texts, for TokenizerFilesTest.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 && python3 make_json.py

json/NAME.json is a tokenizer of Hugging Face's `tokenizers` library, and
json/NAME-ids.json has texts and their ids by that library, for the first ten also
with the tokens that begin and end a text. The vocabularies are those of bpe.json, unigram.gguf and wordpiece.gguf,
or trained here.
"""

import base64
import json
import os
import random

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from make_models import ATOMS, HERE, MARK, corpus

OUT = os.path.join(HERE, "json")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# Added tokens that are matched by different rules.
ADDED = [AddedToken("<left>", lstrip=True, special=True, normalized=False),
         AddedToken("<right>", rstrip=True, special=False, normalized=False),
         AddedToken("<both>", lstrip=True, rstrip=True, special=True, normalized=False),
         AddedToken("word", single_word=True, special=False, normalized=False),
         AddedToken("<left", special=False, normalized=False)]
NORMALIZED = [AddedToken("caf\u00e9s", special=False, normalized=True),
              AddedToken("<n>", special=False, normalized=True, single_word=True)]


def texts(added, seed):
    draw = random.Random(seed)
    pieces = [a.content for a in added]
    out = ["", " ", "<left><left>", "  <left>  <right>  x", "swords word-word word_ word", "<left", "cafe\u0301s"]
    while len(out) < 80:
        joint = draw.choice(["", " "])
        out.append(joint.join(draw.choice(pieces if draw.random() < 0.4 else ATOMS[:-2])
                              for _ in range(draw.randrange(1, 9))))
    return out


def template(made, first, last):
    tokens = [t for t in (first, last) if t]
    made.post_processor = processors.TemplateProcessing(
        single=" ".join(filter(None, [first, "$A", last])),
        special_tokens=[(t, made.token_to_id(t)) for t in tokens])


def save(name, made, added, seed):
    made.save(os.path.join(OUT, name + ".json"), pretty=False)
    cases = [{"text": text, "ids": made.encode(text, add_special_tokens=False).ids} for text in texts(added, seed)]
    for case in cases[:10]:
        case["whole"] = made.encode(case["text"]).ids
    with open(os.path.join(OUT, name + "-ids.json"), "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


def byte_level(name, normalizer, pre, added, first, last, seed, ignore_merges=False):
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.normalizer = normalizer
    made.pre_tokenizer = pre
    made.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"], show_progress=False))
    made.add_tokens(added)
    template(made, first, last)
    save(name, made, added, seed)


def text_bpe(name, normalizer, pre, seed):
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    trained.normalizer, trained.pre_tokenizer = normalizer, pre
    if pre is None:  # words are not merged with each other in training
        trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, show_progress=False))
    data = json.loads(trained.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    data["pre_tokenizer"] = None
    made = Tokenizer.from_str(json.dumps(data))
    made.normalizer = normalizer
    if pre is not None:
        made.pre_tokenizer = pre
    made.add_tokens(ADDED)
    template(made, "<s>", None)
    save(name, made, ADDED, seed)


def words(name, normalizer, pre, seed):
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = normalizer, pre
    made.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=360, limit_alphabet=120, special_tokens=["<unk>", "<s>", "</s>", "<s>word", MARK], show_progress=False))
    data = json.loads(made.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    made = Tokenizer.from_str(json.dumps(data))
    made.add_tokens(ADDED + NORMALIZED)
    template(made, "<s>", "</s>")
    save(name, made, ADDED + NORMALIZED, seed)


def fused(name, base, lost, added, seed):
    """The vocabulary `base`, in which some tokens have other texts, so that parts of texts are unknown."""
    with open(os.path.join(OUT, base + ".json"), encoding="utf-8") as file:
        data = json.load(file)
    model = data["model"]
    model["vocab"] = {f"<lost{i}>" if t in lost else t: i for t, i in model["vocab"].items()}
    model["merges"] = [m for m in model["merges"] if not any(c in "".join(m) for c in lost)]
    model["unk_token"], model["fuse_unk"] = "<s>", True
    save(name, Tokenizer.from_str(json.dumps(data)), added, seed)


def unigram(seed):
    fields = gguf.GGUFReader(os.path.join(HERE, "unigram.gguf")).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    scores = fields["tokenizer.ggml.scores"].contents()
    charsmap = bytes(fields["tokenizer.ggml.precompiled_charsmap"].contents())
    data = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
            "normalizer": {"type": "Precompiled",
                           "precompiled_charsmap": base64.b64encode(charsmap).decode()},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True}]},
            "post_processor": None, "decoder": None,
            "model": {"type": "Unigram", "unk_id": 0, "vocab": list(zip(tokens, scores))}}
    made = Tokenizer.from_str(json.dumps(data))
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    made.add_tokens(ADDED)
    template(made, None, "</s>")
    save("unigram", made, ADDED, seed)


def wordpiece(seed):
    fields = gguf.GGUFReader(os.path.join(HERE, "wordpiece.gguf")).fields
    kinds = fields["tokenizer.ggml.token_type"].contents()
    tokens = [t if kind == 3 else t[1:] if t.startswith(MARK) else "##" + t
              for t, kind in zip(fields["tokenizer.ggml.tokens"].contents(), kinds)]
    made = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(tokens[:5])
    made.add_tokens(ADDED)
    template(made, "[CLS]", "[SEP]")
    save("wordpiece", made, ADDED, seed)


def main():
    os.makedirs(OUT, exist_ok=True)
    byte_level("llama3", None, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), ADDED, "<s>", None, 1, True)
    byte_level("nfc", normalizers.NFC(), pre_tokenizers.Sequence([
        pre_tokenizers.Digits(True), pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.Split("t", "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False)]), ADDED + NORMALIZED, None, None, 2)
    byte_level("prefix", None, pre_tokenizers.ByteLevel(add_prefix_space=True), ADDED, "<s>", "</s>", 3)
    text_bpe("prepend", normalizers.Sequence([
        normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)]), None, 4)
    text_bpe("first", None, pre_tokenizers.Metaspace(prepend_scheme="first"), 5)
    byte_level("split", None, pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[aeiou]"), "merged_with_previous"),
        pre_tokenizers.Split(Regex(r"[tl]|ng"), "merged_with_next"),
        pre_tokenizers.Split("r", "contiguous"),
        pre_tokenizers.Split(Regex(r"[nd]"), "merged_with_previous", invert=True),
        pre_tokenizers.Split("s", "merged_with_next", invert=True),
        pre_tokenizers.Punctuation("merged_with_next"),
        pre_tokenizers.Split(Regex(LLAMA3), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), ADDED, None, None, 8)
    text_bpe("spaces", normalizers.Replace(" ", MARK), pre_tokenizers.Split(" ", "merged_with_previous"), 9)
    words("words", normalizers.Lowercase(), pre_tokenizers.Whitespace(), 10)
    words("unspaced", None, pre_tokenizers.Sequence([
        pre_tokenizers.Digits(False), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]), 11)
    fused("fused", "prefix", [*"tle\u00c3\u00a9\u0142"], ADDED, 12)
    fused("fallback", "prepend", ["t", "l", "e", "<0x74>", "<0xF0>"], ADDED, 13)
    unigram(6)
    wordpiece(7)


if __name__ == "__main__":
    main()
