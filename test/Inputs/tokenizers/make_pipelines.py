#!/usr/bin/env python3
"""Writes json/pipelines.json for PipelineTest: small tokenizers with each component of
Hugging Face's `tokenizers` library, and the ids and the decoded text of some texts.

    pip install tokenizers==0.23.3 && python3 make_pipelines.py
"""
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
N, P, D = normalizers, pre_tokenizers, decoders
TEXTS = ["", " ", "the end", " The  end. ", "A-B--C", "caf\u00e9s CAFE\u0301S", "12 345", "x\u2581y _z", "\u4e16\u754c\u3067 \u30fc",
         "isn't 'tis", "<n>wort<n> <N> swort", "line\n\nline ends", "tab\tand\u3000wide", "\uff21\ufb01 \u200b\x01?"]
CORPUS = TEXTS * 3 + ["the time of the words", "there then they", "wording word words"]


def trained(kind, normalizer, splitter, decoder=None, prefix=None, suffix=None, **more):
    affixes = {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
    affixes = {name: text for name, text in affixes.items() if text}
    made = Tokenizer({"WordLevel": lambda: models.WordLevel(unk_token="[UNK]"),
                      "WordPiece": lambda: models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix or "##", **more),
                      "Unigram": lambda: models.Unigram(),
                      "BPE": lambda: models.BPE(unk_token="[UNK]", **affixes, **more)}[kind]())
    made.normalizer = normalizer
    made.pre_tokenizer = splitter
    trainer = {"WordLevel": lambda: trainers.WordLevelTrainer(vocab_size=60, special_tokens=["[UNK]", "[A]", "[B]"]),
               "WordPiece": lambda: trainers.WordPieceTrainer(vocab_size=90, special_tokens=["[UNK]", "[A]", "[B]"],
                                                              continuing_subword_prefix=prefix or "##", limit_alphabet=50),
               "Unigram": lambda: trainers.UnigramTrainer(vocab_size=60, special_tokens=["[UNK]", "[A]", "[B]"], unk_token="[UNK]",
                                                          show_progress=False),
               "BPE": lambda: trainers.BpeTrainer(vocab_size=90, special_tokens=["[UNK]", "[A]", "[B]"], limit_alphabet=50,
                                                  show_progress=False, **affixes)}[kind]()
    made.train_from_iterator(CORPUS, trainer)
    made.add_tokens([AddedToken("<n>", normalized=True, rstrip=True), AddedToken("wort", normalized=False, single_word=True)])
    if decoder:
        made.decoder = decoder
    return made


def all_pipelines():
    yield "clip", trained("BPE", N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]),
                          P.Sequence([P.Split(Regex(r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", True),
                                      P.ByteLevel(add_prefix_space=False)]), D.ByteLevel(), suffix="</w>")
    yield "gpt-1", trained("BPE", N.BertNormalizer(), P.BertPreTokenizer(), D.BPEDecoder("</w>"), suffix="</w>")
    yield "prefix", trained("BPE", N.StripAccents(), P.Sequence([P.WhitespaceSplit(), P.Digits(True)]), D.WordPiece("@@", True),
                            prefix="@@", fuse_unk=True)
    yield "llama", trained("BPE", N.Sequence([N.Prepend("\u2581"), N.Replace(" ", "\u2581")]), None,
                           D.Sequence([D.Replace("\u2581", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]))
    yield "bert", trained("WordPiece", N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=False),
                          P.Sequence([P.Punctuation("merged_with_previous"), P.Whitespace()]), D.WordPiece("##", True),
                          max_input_chars_per_word=5)
    yield "albert", trained("Unigram", N.Sequence([N.Replace("``", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), N.Strip()]),
                            P.Metaspace("\u2581", "always"), D.Metaspace("\u2581", "always"))
    yield "first", trained("Unigram", N.Nmt(), P.Sequence([P.CharDelimiterSplit("-"), P.Metaspace("_", "first")]), D.Metaspace("_", "first"))
    yield "scripts", trained("WordLevel", N.NFKC(), P.Sequence([P.UnicodeScripts(), P.FixedLength(3)]))
    yield "words", trained("WordLevel", N.ByteLevel(), P.Split("e", "merged_with_next"), D.ByteLevel())
    yield "lines", trained("WordLevel", N.NFD(), P.Sequence([P.Split(Regex("^l|s$"), "contiguous"), P.Split(Regex(r"\s"), "removed"),
                                                             P.Digits(False)]))
    made = trained("WordLevel", None, P.Whitespace())
    made.post_processor = processors.Sequence([
        processors.ByteLevel(),
        processors.TemplateProcessing(single="[B]:1 [A]:1 [B] $A [B] [A]", special_tokens=[("[A]", 1), ("[B]", 2)])])
    yield "template", made


def main():
    rows = []
    for name, made in all_pipelines():
        cases = []
        for text in TEXTS:
            ids = made.encode(text, add_special_tokens=False).ids
            cases.append({"text": text, "ids": ids, "whole": made.encode(text).ids,
                          "decoded": made.decode(ids, skip_special_tokens=True) if made.decoder else None})
        rows.append(json.dumps({"name": name, "file": json.loads(made.to_str()), "cases": cases}, ensure_ascii=False))
    with open(os.path.join(HERE, "json/pipelines.json"), "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
