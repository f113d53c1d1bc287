"""Tokenizers of Hugging Face's tokenizers library with components that are chosen at random, for check_tokenizers.py."""
import json
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
PATTERNS = [r"\s+", r"\d", r"[a-e]+", r"\p{L}+", r"x*", r"(?i:the)|ing\b", r"\w+|[^\w\s]+", r"^.", r".$", r"\s+(?!\S)|\s+"]
WORD = "wort"
TEXTS = ["", " ", "a", " a", "a ", "<s>a <s> <s>", "<x>", "a<x>b", " <x> ", WORD, "swort wort-wort", "Wort", "  two  spaces  ",
         "the end.\nNew line\n", "x xx xxx", "\u0130stanbul \u1e9e", "\uff1cx\uff1e", "a\u2581b", "\u4e16\u754c\u3067\u3059 \u30fc ok",
         "e\u0301te\u0301", "12 34,5", "'s isn't", "tab\tand\u00a0more\u3000"]


def agrees(c):
    """Whether the library and Python agree on the properties of the character `c`. The library's tables are of several
    versions of Unicode."""
    category = unicodedata.category(c)
    symbol = c.isascii() and c.isprintable() and not c.isalnum() and c != " "
    splits = len(pre_tokenizers.Punctuation().pre_tokenize_str("a" + c)) == 2
    marks = normalizers.StripAccents().normalize_str(c) == ""
    clean = normalizers.BertNormalizer(True, False, False, False).normalize_str(c) == ""
    removed = (category in ("Cc", "Cf", "Co") and c not in "\t\n\r") or c == "\ufffd"
    accents = "".join(each for each in unicodedata.normalize("NFD", c) if unicodedata.category(each) != "Mn")
    return (normalizers.BertNormalizer(False, False, True, False).normalize_str(c) == accents and splits == (symbol or category[0] == "P") and marks == (category[0] == "M") and clean == removed
            and normalizers.Lowercase().normalize_str(c) == c.lower()
            and all(made().normalize_str(c) == unicodedata.normalize(name, c)
                    for name, made in (("NFC", normalizers.NFC), ("NFD", normalizers.NFD),
                                       ("NFKC", normalizers.NFKC), ("NFKD", normalizers.NFKD))))


def pattern(draw):
    return draw.choice(["e", " ", "ab", "."]) if draw.random() < 0.3 else Regex(draw.choice(PATTERNS))


def all_normalizers(draw):
    flag = lambda: draw.random() < 0.5  # noqa: E731
    return [normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD, normalizers.Lowercase,
            normalizers.StripAccents, normalizers.Nmt, normalizers.ByteLevel,
            lambda: normalizers.Strip(flag(), flag()),
            lambda: normalizers.Prepend(draw.choice(["\u2581", "_", "ab ", " "])),
            lambda: normalizers.Replace(pattern(draw), draw.choice(["", "_", "\u2581", " ", "xy"])),
            lambda: normalizers.BertNormalizer(flag(), flag(), draw.choice([None, True, False]), flag())]


def all_splitters(draw):
    flag = lambda: draw.random() < 0.5  # noqa: E731
    return [pre_tokenizers.BertPreTokenizer, pre_tokenizers.UnicodeScripts, pre_tokenizers.Whitespace,
            pre_tokenizers.WhitespaceSplit,
            lambda: pre_tokenizers.ByteLevel(add_prefix_space=flag(), use_regex=flag()),
            lambda: pre_tokenizers.CharDelimiterSplit(draw.choice("-e \u4e16")),
            lambda: pre_tokenizers.Digits(flag()),
            lambda: pre_tokenizers.FixedLength(draw.choice([1, 2, 5])),
            lambda: pre_tokenizers.Metaspace(draw.choice("\u2581_"), draw.choice(["always", "first", "never"]), flag()),
            lambda: pre_tokenizers.Punctuation(draw.choice(BEHAVIORS)),
            lambda: pre_tokenizers.Split(pattern(draw), draw.choice(BEHAVIORS), flag())]


def model(draw, special):
    """A model that is not trained, and its trainer."""
    size = draw.choice([80, 300])
    kind = draw.randrange(5)
    if kind == 0:
        return models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(vocab_size=size, special_tokens=special)
    if kind == 1:
        prefix = draw.choice(["##", "@@", ""])
        return (models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=draw.choice([4, 100]),
                                 continuing_subword_prefix=prefix),
                trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                          continuing_subword_prefix=prefix, limit_alphabet=60))
    if kind == 2:
        return (models.Unigram(),
                trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="[UNK]", show_progress=False))
    affixes = {"continuing_subword_prefix": draw.choice(["", "##", "\u00b7"]),
               "end_of_word_suffix": draw.choice(["", "</w>"])}
    # Without an unknown token, the library drops what has no token, and airrun refuses the tokenizer.
    return (models.BPE(unk_token="[UNK]", fuse_unk=draw.random() < 0.5, ignore_merges=draw.random() < 0.3, **affixes),
            trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, limit_alphabet=60, **affixes))


def with_bytes(draw, made):
    """Returns a copy of the tokenizer `made` with tokens for bytes, which encode the characters that have no token.
    In some copies, 20 of the 256 bytes have no token."""
    saved = json.loads(made.to_str())
    vocab = saved["model"]["vocab"]
    missing = draw.choice([0, 0, 20])
    for byte in sorted(draw.sample(range(256), 256 - missing)):
        token = f"<0x{byte:02X}>"
        if isinstance(vocab, list):
            vocab.append([token, 0.0])
        else:
            vocab[token] = len(vocab)
    saved["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(saved))


def decoder(draw, made):
    """A decoder that belongs to the components, or None."""
    saved = json.loads(made.to_str())
    used, kind = components(made), saved["model"]
    if kind["type"] == "WordPiece":
        return decoders.WordPiece(kind["continuing_subword_prefix"], draw.random() < 0.5)
    if kind.get("end_of_word_suffix"):
        return decoders.BPEDecoder(kind["end_of_word_suffix"])
    if "ByteLevel" in used:
        return None if kind.get("byte_fallback") else decoders.ByteLevel()
    if kind.get("byte_fallback"):
        return decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return None


def tokenizer(draw, text, normalizing, splitting):
    """A trained tokenizer with these components, or None if they leave nothing to train on."""
    empty, trainer = model(draw, ["[UNK]"])
    made = Tokenizer(empty)
    if normalizing:
        made.normalizer = normalizing[0] if len(normalizing) == 1 else normalizers.Sequence(normalizing)
    if splitting:
        made.pre_tokenizer = splitting[0] if len(splitting) == 1 else pre_tokenizers.Sequence(splitting)
    try:
        # In the library, a piece of a word may become a special token; in airrun, it never does. So no piece may have
        # the text of a special token.
        made.train_from_iterator([text() for _ in range(300)] + [each for each in TEXTS if "<s>" not in each], trainer)
    except BaseException:  # the library panics if there is no text
        return None
    if isinstance(made.model, (models.BPE, models.Unigram)) and draw.random() < 0.4:
        made = with_bytes(draw, made)
    chosen = decoder(draw, made)
    if chosen is not None:
        made.decoder = chosen
    if draw.random() < 0.5:
        made.add_tokens([AddedToken(content, lstrip=draw.random() < 0.3, rstrip=draw.random() < 0.3,
                                    single_word=draw.random() < 0.3, normalized=draw.random() < 0.5,
                                    special=content == "<s>") for content in ("<x>", WORD, "\u00c9t", "<s>")])
    return made


def every(draw, count, text):
    """Each component alone, with each model in turn, then `count` combinations."""
    kinds = [(f"normalizer {i}", [make()], []) for i, make in enumerate(all_normalizers(draw) * 3)]
    kinds += [(f"pre_tokenizer {i}", [], [make()]) for i, make in enumerate(all_splitters(draw) * 5)]
    for i in range(count):
        kinds.append((f"combination {i}", [draw.choice(all_normalizers(draw))() for _ in range(draw.randrange(4))],
                      [draw.choice(all_splitters(draw))() for _ in range(draw.randrange(5))]))
    for name, normalizing, splitting in kinds:
        made = tokenizer(draw, text, normalizing, splitting)
        if made is not None:
            yield name, made


def components(made):
    """The types of a tokenizer's components."""
    def types(part):
        if part is None:
            return []
        inner = part.get("normalizers") or part.get("pretokenizers")
        return [each for one in inner for each in types(one)] if inner else [part["type"]]
    saved = json.loads(made.to_str())
    return {saved["model"]["type"], *types(saved["normalizer"]), *types(saved["pre_tokenizer"])}
