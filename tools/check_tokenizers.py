#!/usr/bin/env python3
"""check_tokenizers.py [--airrun PROGRAM] [--seconds N] [--seed N] [--combinations N] [--added N] [FILE ...]: ids of random texts, compared with other libraries.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 pcre2==0.7.1
    python3 tools/check_tokenizers.py                            # the tokenizers of the tests, and trained ones
    python3 tools/check_tokenizers.py --seconds 600 --seed 7     # more texts
    python3 tools/check_tokenizers.py --combinations 1000        # more tokenizers with random components
    python3 tools/check_tokenizers.py --added 1000               # more tokenizers with random added tokens
    python3 tools/check_tokenizers.py .../tokenizer.json         # also tokenizer.model

A text has characters of all of Unicode, words, numbers and white space. The ids of a tokenizer.json are those of
Hugging Face's tokenizers, the ids of a tokenizer.model those of sentencepiece. Published expressions, which split text,
are also compared with PCRE2. Then each component of the tokenizers library is compared, and combinations of components
that are chosen at random (random_tokenizers.py), and tokenizers whose added tokens are hard to find
(random_added_tokens.py). The first difference of each comparison is printed, and the exit code
is 1.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

import pcre2
import sentencepiece
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

import random_added_tokens
import random_tokenizers

HERE = Path(__file__).resolve().parent
JSON = HERE.parent / "test/Inputs/tokenizers/json"
# With these files, the tokenizer must give the same ids as the libraries.
# docs/tokenizers.md says how unigram.json and wordpiece.json differ.
OURS = ["llama3", "nfc", "prefix", "prepend", "first", "split", "spaces", "words", "unspaced", "fused",
        "fallback"]
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
EXPRESSIONS = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Llama 3": CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST,
    "Qwen 2": CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST,
    "GPT-4o": rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTION}?"
              r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
# The libraries know different versions of Unicode, so only characters that Python knows are used. U+0085 is white space
# for Unicode, but not for PCRE2.
CHARACTERS = [chr(c) for c in range(0x110000)
              if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co") and c != 0x85]
WORDS = "the time I'll don't HELLO World's caf\u00e9 na\u00efve \u4e16\u754c \u043f\u0440\u0438\u0432\u0435\u0442 \u0645\u0631\u062d\u0628\u0627 12 3456 3.14 a_b x+=1 ... --".split()
SPACES = [" ", " ", " ", "  ", "     ", "\n", "\r\n", "\n\n", "\t", " \n ", "\u00a0", "\u3000", ""]


def random_text(draw, characters=CHARACTERS):
    parts = []
    for _ in range(draw.randrange(12)):
        kind = draw.random()
        if kind < 0.35:
            parts.append(draw.choice(WORDS))
        elif kind < 0.5:  # neighbours in Unicode, as in a word of some script
            at = draw.randrange(len(characters))
            parts.append("".join(draw.choice(characters[at:at + 60]) for _ in range(draw.randrange(1, 7))))
        elif kind < 0.7:
            parts.append("".join(draw.choices(characters, k=draw.randrange(1, 5))))
        else:
            parts.append(chr(draw.randrange(32, 127)) * draw.choice([1, 1, 2, 9]))
        parts.append(draw.choice(SPACES))
    return "".join(parts)


class Checker:
    def __init__(self, airrun, seconds, seed, folder):
        self.airrun, self.seconds, self.draw, self.folder, self.failed = airrun, seconds, random.Random(seed), folder, 0

    def ours(self, file, texts):
        strings = self.folder / "texts.json"
        strings.write_text(json.dumps(texts))
        done = subprocess.run([self.airrun, "tokenize", file, "--no-bos", "--strings", strings],
                              capture_output=True, text=True)
        if done.returncode:
            kept = Path(tempfile.gettempdir()) / "refused.json"
            kept.write_text(Path(file).read_text(errors="replace"))
            sys.exit(f"{file}: exit code {done.returncode}: {done.stderr}  see {kept}")
        return json.loads(done.stdout)

    def compare(self, name, file, oracle):
        end, count = time.monotonic() + self.seconds, 0
        while True:
            texts = [random_text(self.draw) for _ in range(2000)]
            # The library implements Form C of an older version of Unicode, so
            # it does not put newer marks into canonical order. Texts in which
            # that makes a difference are left out.
            texts = [text for text in texts
                     if normalizers.NFC().normalize_str(text) == unicodedata.normalize("NFC", text)]
            for text, got in zip(texts, self.ours(file, texts)):
                wanted = oracle(text)
                if got != wanted:
                    print(f"{name}: {text!r}\n  got    {got}\n  wanted {wanted}")
                    self.failed += 1
                    return
            count += len(texts)
            if time.monotonic() > end:
                print(f"{name}: {count} texts agree")
                return

    def corpus(self):
        return [random_text(self.draw) for _ in range(4000)]

    def file(self, path):
        if path.suffix == ".model":
            model = sentencepiece.SentencePieceProcessor(model_file=str(path))
            self.compare(f"{path.name}, sentencepiece", path, model.encode)
        else:
            library = Tokenizer.from_file(str(path))
            self.compare(f"{path.name}, tokenizers", path,
                         lambda text: library.encode(text, add_special_tokens=False).ids)

    def expressions(self):
        # Merges learnt from unsplit text may cross the places at which an
        # expression splits it, so a wrong split leads to other ids.
        whole = Tokenizer(models.BPE())
        whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        whole.train_from_iterator(self.corpus(), trainers.BpeTrainer(
            vocab_size=4000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
        for name, expression in EXPRESSIONS.items():
            split = Tokenizer.from_str(whole.to_str())
            split.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(expression), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
            file = self.folder / "split.json"
            split.save(str(file))
            self.compare(f"{name}, tokenizers", file, lambda text: split.encode(text, add_special_tokens=False).ids)
            pattern = pcre2.compile(expression)

            def by_pcre2(text):
                ids, at = [], 0
                for match in pattern.finditer(text):
                    for piece in (text[at:match.start()], match.group()):
                        ids += whole.encode(piece).ids if piece else []
                    at = match.end()
                return ids + (whole.encode(text[at:]).ids if text[at:] else [])
            self.compare(f"{name}, PCRE2", file, by_pcre2)

    def undecoded(self, name, file, made, texts):
        """[0] if the ids of one of the longest texts are decoded to another text, otherwise [].

        docs/tokenizers.md says what differs: the unknown token and added tokens, tokens of bytes with a decoder that does not know
        them, spaces at the end of words, and prefixes of pieces that begin a text."""
        if made.decoder is None:  # the library then puts spaces between all tokens
            return []
        saved = json.loads(made.to_str())
        bytes_ = "ByteFallback" in json.dumps(saved["decoder"])
        prefix = saved["model"].get("continuing_subword_prefix")
        added = {each["id"] for each in saved["added_tokens"]}

        def compares(ids):
            tokens = [made.id_to_token(each) for each in ids]
            return ids and not added & set(ids) and not (prefix and tokens[0].startswith(prefix)) and (
                bytes_ or not any(token.startswith("<0x") for token in tokens))
        encoded = [(text, made.encode(text, add_special_tokens=False).ids) for text in texts if "\0" not in text]
        for text, ids in sorted((each for each in encoded if compares(each[1])), key=lambda each: -len(each[1]))[:3]:
            run = subprocess.run([self.airrun, "tokenize", file, "--no-bos"], input=text.encode(), capture_output=True, check=True)
            pieces = b"".join(line.split(b"\t")[1] for line in run.stdout.splitlines())
            got = pieces.decode("unicode_escape").encode("latin-1").decode(errors="replace")
            wanted = made.decode(ids, skip_special_tokens=False)
            if got.strip(" ") != wanted.strip(" "):
                print(f"{name}: {text!r} is decoded\n  to     {got!r}\n  wanted {wanted!r}")
                return [0]
        return []

    def combinations(self, count):
        characters = [c for c in CHARACTERS if random_tokenizers.agrees(c)]
        kinds, agreeing, texts = {}, 0, 0
        for name, made in random_tokenizers.every(self.draw, count, lambda: random_text(self.draw, characters)):
            file = self.folder / "combined.json"
            file.write_text(made.to_str())
            given = [text for text in (random_text(self.draw, characters) for _ in range(200))
                     if normalizers.NFC().normalize_str(text) == unicodedata.normalize("NFC", text)]
            given += random_tokenizers.TEXTS
            wanted = [made.encode(text, add_special_tokens=False).ids for text in given]
            got = self.ours(file, given)
            # airrun stores scores in single precision. If two divisions of a text have almost the same sum of scores,
            # it may choose another one than the library, so ids with the same rounded sum are accepted.
            vocabulary = json.loads(made.to_str())["model"]["vocab"]

            def total(ids):
                return round(sum(vocabulary[each][1] for each in ids if each < len(vocabulary)), 3)
            wrong = [i for i, ids in enumerate(got) if ids != wanted[i]
                     and not (isinstance(vocabulary, list) and total(ids) == total(wanted[i]))]
            for i in wrong[:1]:
                print(f"{name}: {given[i]!r}\n  got    {got[i]}\n  wanted {wanted[i]}")
                kept = Path(tempfile.gettempdir()) / f"tokenizer-{self.failed}.json"
                kept.write_text(made.to_str())
                print(f"  see {kept}")
            wrong += self.undecoded(name, file, made, given)
            self.failed += len(wrong[:1])
            agreeing += not wrong
            texts += len(given)
            for kind in random_tokenizers.components(made):
                kinds[kind] = kinds.get(kind, 0) + 1
        print(f"components and combinations: {agreeing} tokenizers agree, {texts} texts")
        print("  with " + ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())))

    def added_tokens(self, count):
        agreeing, compared, failed = 0, 0, 0
        for _ in range(count):
            made, tokens = random_added_tokens.tokenizer(self.draw)
            file = self.folder / "added.json"
            file.write_text(made.to_str())
            texts, wanted = [], []
            for text in (random_added_tokens.text(self.draw, tokens) for _ in range(100)):
                try:
                    wanted.append(made.encode(text, add_special_tokens=False).ids)
                    texts.append(text)
                except BaseException:  # the library panics: see docs/tokenizers.md
                    failed += 1
            wrong = [(text, *ids) for text, *ids in zip(texts, self.ours(file, texts), wanted) if ids[0] != ids[1]]
            for text, got, ids in wrong[:1]:
                kept = Path(tempfile.gettempdir()) / f"tokenizer-{self.failed}.json"
                kept.write_text(made.to_str())
                print(f"added tokens: {text!r}\n  got    {got}\n  wanted {ids}\n  see {kept}")
                self.failed += 1
            agreeing += not wrong
            compared += len(texts)
        print(f"added tokens: {agreeing} tokenizers agree, {compared} texts; the library fails with {failed} others")

    def sentencepiece(self):
        corpus = self.folder / "corpus.txt"
        corpus.write_text("\n".join(" ".join(self.draw.choices(WORDS, k=8)) for _ in range(4000)))
        for kind in ("bpe", "unigram"):
            prefix = self.folder / kind
            sentencepiece.SentencePieceTrainer.train(
                input=str(corpus), model_prefix=str(prefix), model_type=kind, vocab_size=500, byte_fallback=True,
                normalization_rule_name="identity", remove_extra_whitespaces=False,
                hard_vocab_limit=False, minloglevel=2)
            self.file(prefix.with_suffix(".model"))


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--airrun", default=os.environ.get("AIRRUN", str(HERE.parent / "build/dev/bin/airrun")))
    options.add_argument("--seconds", type=float, default=2, help="for each comparison")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--combinations", type=int, default=100, help="how many tokenizers are put together at random")
    options.add_argument("--added", type=int, default=100, help="how many tokenizers have added tokens that are hard to find")
    options.add_argument("files", nargs="*", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(given.airrun, given.seconds, given.seed, Path(folder))
        for file in given.files or [JSON / f"{name}.json" for name in OURS]:
            checker.file(file)
        if not given.files:
            checker.expressions()
            checker.sentencepiece()
            checker.combinations(given.combinations)
            checker.added_tokens(given.added)
    sys.exit(1 if checker.failed else 0)


if __name__ == "__main__":
    main()
