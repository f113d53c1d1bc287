"""Tokenizers of Hugging Face's tokenizers library with added tokens that are hard to find, for check_tokenizers.py: tokens of white
space, tokens that overlap or contain one another, and all combinations of the fields of an added token."""
import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from random_tokenizers import BEHAVIORS

SPACES = [" ", " ", "\n", "\t", "\u00a0", "\u3000", "\u2581"]
OTHERS = ["a", "b", "ab", "<", ">", "x", "A", "\u00e9", "e\u0301", "\u0130", "-", "1", "\u4e16", "'s"]
EDGES = ["<x>", "<x", "x>", "<x><x>", "a", "ab", "aba", "ba", "AB", "\u00c9", "e\u0301", "b a", "a\nb", "<x> <x>", "1", "-"]


def content(draw):
    """The text of an added token."""
    spaces = lambda most: "".join(draw.choices(SPACES, k=draw.randint(0, most)))  # noqa: E731
    kind = draw.random()
    if kind < 0.4:
        return draw.choice(SPACES) + spaces(2)
    if kind < 0.7:
        return draw.choice(EDGES)
    return spaces(2) + draw.choice(EDGES) + spaces(2)


def text(draw, tokens):
    """A text that is mostly added tokens and white space."""
    parts = []
    for _ in range(draw.randint(1, 9)):
        kind = draw.random()
        parts.append(draw.choice(tokens) if kind < 0.5 else draw.choice(SPACES) if kind < 0.8 else draw.choice(OTHERS))
    return "".join(parts)


def normalizer(draw):
    flag = lambda: draw.random() < 0.5  # noqa: E731
    kinds = [normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.Lowercase, normalizers.StripAccents,
             normalizers.Nmt, normalizers.ByteLevel,
             lambda: normalizers.Strip(flag(), flag()),
             lambda: normalizers.Prepend(draw.choice(["\u2581", " ", "a", "<x"])),
             lambda: normalizers.Replace(draw.choice([" ", "a", "x", Regex(r"\s+"), Regex(r"^\s|\s$")]),
                                         draw.choice(["", " ", "\u2581", "ab", "\n"])),
             lambda: normalizers.BertNormalizer(flag(), flag(), draw.choice([None, True, False]), flag()),
             lambda: normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
             lambda: normalizers.Replace(" ", "\u2581")]
    chosen = [draw.choice(kinds)() for _ in range(draw.choice([0, 0, 1, 1, 1, 2]))]
    return None if not chosen else chosen[0] if len(chosen) == 1 else normalizers.Sequence(chosen)


def splitter(draw):
    flag = lambda: draw.random() < 0.5  # noqa: E731
    kinds = [pre_tokenizers.WhitespaceSplit, pre_tokenizers.Whitespace, pre_tokenizers.BertPreTokenizer,
             lambda: pre_tokenizers.Metaspace("\u2581", draw.choice(["always", "first", "never"]), flag()),
             lambda: pre_tokenizers.Metaspace("\u2581", draw.choice(["always", "first", "never"]), flag()),
             lambda: pre_tokenizers.ByteLevel(add_prefix_space=flag(), use_regex=flag()),
             lambda: pre_tokenizers.Split(draw.choice([" ", "a", Regex(r"\s+"), Regex(r"\w+")]), draw.choice(BEHAVIORS), flag())]
    chosen = [draw.choice(kinds)() for _ in range(draw.choice([0, 0, 1, 1, 1, 2]))]
    return None if not chosen else chosen[0] if len(chosen) == 1 else pre_tokenizers.Sequence(chosen)


def model(draw, pieces):
    """A model with these pieces, and perhaps tokens for bytes, as in a tokenizer.json."""
    kind = draw.choice(["BPE", "BPE", "Unigram", "WordPiece", "WordLevel"])
    vocabulary = ["[UNK]"] + [each for each in dict.fromkeys(pieces) if each != "[UNK]"]
    made = {"type": kind, "unk_token": "[UNK]"}
    fallback = kind in ("BPE", "Unigram") and draw.random() < 0.4
    if fallback:
        vocabulary += [f"<0x{byte:02X}>" for byte in range(256)]
    if kind == "Unigram":
        del made["unk_token"]
        made |= {"unk_id": 0, "vocab": [[each, 0.0 if each[:3] in ("[UN", "<0x") else -draw.choice([1, 2, 3.5, 4.25])]
                                        for each in vocabulary], "byte_fallback": fallback}
        return made
    if kind == "WordPiece":
        vocabulary += ["##" + each for each in vocabulary if each != "[UNK]"]
        made |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": draw.choice([3, 100])}
    merges = []
    if kind == "BPE":
        single = [each for each in vocabulary if len(each) == 1]
        for _ in range(draw.randrange(12)):
            pair = [draw.choice(single), draw.choice(single)]
            if "".join(pair) not in vocabulary:
                vocabulary.append("".join(pair))
                merges.append(pair)
        made |= {"merges": merges, "fuse_unk": draw.random() < 0.5, "byte_fallback": fallback,
                 "ignore_merges": draw.random() < 0.3, "dropout": None, "continuing_subword_prefix": None,
                 "end_of_word_suffix": None}
    made["vocab"] = {each: i for i, each in enumerate(vocabulary)}
    return made


def decoder(draw, kind, saved):
    if "ByteLevel" in saved:
        return decoders.ByteLevel()
    if kind == "WordPiece":
        return decoders.WordPiece("##", False)
    return draw.choice([decoders.Metaspace("\u2581", "never"),
                        decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])])


def tokenizer(draw):
    """A tokenizer with hard added tokens, and the texts of these."""
    tokens = list(dict.fromkeys(content(draw) for _ in range(draw.randint(1, 6))))
    special = [each for each in tokens if draw.random() < 0.3]
    characters = sorted({c for each in OTHERS + EDGES + SPACES for c in each if draw.random() < 0.9})
    steps = normalizer(draw), splitter(draw)
    if "ByteLevel" in str(steps):
        characters += pre_tokenizers.ByteLevel.alphabet()
    # In the library, a piece of a word may become a special token; in airrun, it never does. So no piece of the model
    # has the text of a special token. airrun always uses a pipeline (docs/tokenizers.md) if a piece has a space. About
    # half of the models have no such piece, so that tokenizers without a pipeline are tested, too.
    spaced = draw.random() < 0.5
    pieces = [each for each in characters + [t for t in tokens if draw.random() < 0.3]
              if each not in special and (spaced or " " not in each)]
    described = model(draw, pieces)
    made = Tokenizer(models.WordLevel({"[UNK]": 0}, "[UNK]"))
    if steps[0] is not None:
        made.normalizer = steps[0]
    if steps[1] is not None:
        made.pre_tokenizer = steps[1]
    saved = json.loads(made.to_str())
    saved["model"] = described
    made = Tokenizer.from_str(json.dumps(saved))
    made.decoder = decoder(draw, described["type"], made.to_str())
    made.add_special_tokens(["[UNK]"])
    added, forms = [], set()
    for each in tokens:
        normalized = draw.random() < 0.5
        form = each if steps[0] is None or not normalized else steps[0].normalize_str(each)
        # With a token that the normalizer leaves without text, the library panics or splits other text at every character. Of two
        # tokens with the same normalised text, it takes one at random.
        if form and not (normalized and form in forms):
            forms |= {form} if normalized else set()
            added.append(AddedToken(each, lstrip=draw.random() < 0.4, rstrip=draw.random() < 0.4, single_word=draw.random() < 0.2,
                                    normalized=normalized, special=each in special))
    made.add_tokens(added)
    return made, tokens
