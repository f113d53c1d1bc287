"""Writes small vocabularies of the kinds Unigram, WordPiece and RWKV World.

    pip install gguf sentencepiece==0.2.3 tokenizers==0.23.3 unicodedata2==16.0.0
    pip install --no-deps rwkv && python3 make_models.py [VOCABULARIES]

NAME.gguf has a vocabulary, and NAME.json random texts with their ids, without BOS
and EOS: computed by sentencepiece (unigram, unigram-bytes), by Hugging Face's
`tokenizers` library (wordpiece, wordpiece-cased) and by the rwkv package (rwkv,
whose vocabulary is a part of that package's).

With the folder of llama.cpp's vocabularies it also writes bert-bge.json and
nomic-bert-moe.json, with ids for the vocabularies of those names, which stay where
they are. A model of sentencepiece is made of the second one.

The training of WordPiece gives another vocabulary each time. wordpiece.json in the
folder json is made of the same vocabulary, so make_json.py must be run after this.
"""

import io
import json
import os
import random
import string
import sys
import tempfile

import gguf
import sentencepiece
import tokenizers
import unicodedata2
from rwkv import rwkv_tokenizer
from sentencepiece import sentencepiece_model_pb2

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "\u2581"
WORDS = ("the of and to in is that it was for on are as with his they at be this from have or by one had"
         " not but what all were when we there can an your which their said if do will each about how up"
         " out them then she many some so these would other into has more her two like him see time could"
         " no make than first been its who now people my made over did down only way find use may water"
         " long little very after words called just where most know caf\u00e9 na\u00efve Z\u00fcrich se\u00f1or"
         " \u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u4e2d\u6587 \u65e5\u672c\u8a9e"
         " \ud55c\uad6d\uc5b4 \u0645\u0631\u062d\u0628\u0627 2026 3.14 don't I'll").split()
ATOMS = WORDS + list(string.printable) + ["  ", "\t", "\n\n", "\u00a0", "\u2003", "\u200b", "\u00ad", MARK,
    "e\u0301", "\u00e9", "\u00c5", "\u0130", "\u1e9e", "\u03a3", "\uff21", "\u2460", "\ufb01", "\u212b", "\u4e00",
    "\u3400", "\uf900", "\U00020000", "\U0001f600", "\U0001f468\u200d\U0001f469", "\u3002", "\u00bf", "\u0e2a\u0e27",
    "\u093f", "\u0301", "\ufffd", "\u0085", "\u2028", "\x7f", "x" * 99, "y" * 101]
# One key is a prefix of another, and one is replaced by an empty text.
RULES = {"\uff21": "A", "\u2460": "1", "\ufb01": "fi", "\u212b": "\u00c5", "e\u0301": "\u00e9",
         "e\u0301\u0323": "E", "\u00ad": "", "\u00a0": " ", "\u2003": " ", "\t": " ", "\n": " ", "\u1e9e": "SS"}


def texts(count, seed):
    draw = random.Random(seed)
    out = ["", " ", "   ", "a", " a", "a ", " a  b ", MARK, "a" + MARK + "b", "the the", "\u00ad", "x" * 100]
    while len(out) < count:
        joint = draw.choice(["", " ", "", "  "])
        out.append(joint.join(draw.choice(ATOMS) for _ in range(draw.randrange(1, 14))))
    return out


def corpus():
    draw = random.Random(1)
    return [" ".join(draw.choice(WORDS) for _ in range(12)) for _ in range(800)]


def write_cases(name, all_texts, encode):
    with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8") as out:
        rows = (json.dumps({"text": text, "ids": encode(text)}, ensure_ascii=False) for text in all_texts)
        out.write("[\n" + ",\n".join(rows) + "\n]\n")


def write_gguf(name, model, tokens, types, more):
    writer = gguf.GGUFWriter(os.path.join(HERE, name + ".gguf"), "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    more(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def unigram(name, byte_fallback):
    with tempfile.TemporaryDirectory() as folder:
        rules = os.path.join(folder, "rules.tsv")
        with open(rules, "w", encoding="utf-8") as out:
            for source, target in sorted(RULES.items()):
                out.write(" ".join(f"{ord(c):X}" for c in source) + "\t"
                          + " ".join(f"{ord(c):X}" for c in target) + "\n")
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus()), model_writer=model, model_type="unigram",
            vocab_size=500 if byte_fallback else 300, byte_fallback=byte_fallback,
            normalization_rule_tsv=rules, minloglevel=2, num_threads=1, hard_vocab_limit=False)
    data = model.getvalue()
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    proto = sentencepiece_model_pb2.ModelProto.FromString(data)

    def more(writer):
        writer.add_token_scores([piece.score for piece in proto.pieces])
        writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
        writer.add_remove_extra_whitespaces(proto.normalizer_spec.remove_extra_whitespaces)
        writer.add_precompiled_charsmap(proto.normalizer_spec.precompiled_charsmap)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)

    write_gguf(name, "t5", [piece.piece for piece in proto.pieces], [piece.type for piece in proto.pieces], more)
    write_cases(name, texts(110, 2), processor.encode)


def agrees(text):
    """Whether the characters are of the same kind in tokenizers, which has old tables."""
    clean = tokenizers.normalizers.BertNormalizer(True, False, True, False)
    split = tokenizers.pre_tokenizers.BertPreTokenizer()
    for c in text:
        kind = unicodedata2.category(c)
        is_removed = clean.normalize_str(c) == ""
        is_apart = len(split.pre_tokenize_str("a" + c + "b")) == 3
        if is_removed != (kind in ("Cc", "Cf", "Co", "Mn") and c not in "\t\n\r" or c == "\ufffd"):
            return False
        if is_apart != (kind[0] == "P" or c in string.punctuation):
            return False
    return True


def bert(vocabulary, lowercase):
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(
        vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = tokenizers.normalizers.BertNormalizer(True, True, None, lowercase)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return made


def wordpiece(name, lowercase):
    made = bert({}, lowercase)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    made.train_from_iterator(corpus() + [line.upper() for line in corpus()[:100]], trainer)
    tokens = [made.id_to_token(i) for i in range(made.get_vocab_size())]

    def more(writer):
        writer.add_unk_token_id(1)
        writer.add_bos_token_id(2)
        writer.add_sep_token_id(3)
        writer.add_pad_token_id(0)
        if not lowercase:
            writer.add_bool("tokenizer.ggml.normalizer.lowercase", False)

    spelled = [t if t in special else t[2:] if t.startswith("##") else MARK + t for t in tokens]
    write_gguf(name, "bert", spelled, [3 if t in special else 1 for t in tokens], more)
    write_cases(name, list(filter(agrees, texts(150, 3))),
                lambda text: bert({t: i for i, t in enumerate(tokens)}, lowercase)
                .encode(text, add_special_tokens=False).ids)


def rwkv():
    path = os.path.join(os.path.dirname(rwkv_tokenizer.__file__), "rwkv_vocab_v20230424.txt")
    with open(path, encoding="utf-8", newline="\n") as lines:
        lines = list(lines)
    draw = random.Random(4)
    # All single bytes, all tokens that occur in the corpus, and some others.
    words = " ".join(WORDS).encode()
    values = [eval(line[line.index(" "):line.rindex(" ")]) for line in lines]
    values = [v.encode() if isinstance(v, str) else v for v in values]
    kept = [v for v in values if len(v) == 1 or v in words or draw.random() < 0.005]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as part:
        part.writelines(f"{i + 1} {v!r} {len(v)}\n" for i, v in enumerate(kept))
        part.flush()
        reference = rwkv_tokenizer.TRIE_TOKENIZER(part.name)
    write_gguf("rwkv", "rwkv", ["<s>"] + [repr(v)[2:-1] for v in kept], [3] + [1] * len(kept), lambda writer: None)
    write_cases("rwkv", texts(110, 5), lambda text: reference.encode(text) if text else [])


def published(folder):
    def fields(name):
        return gguf.GGUFReader(os.path.join(folder, f"ggml-vocab-{name}.gguf")).fields

    have = fields("bert-bge")
    tokens = have["tokenizer.ggml.tokens"].contents()
    types = have["tokenizer.ggml.token_type"].contents()
    whole = [t if kind == 3 else t[1:] if t.startswith(MARK) else "##" + t for t, kind in zip(tokens, types)]
    reference = bert({t: i for i, t in enumerate(whole)}, True)
    write_cases("bert-bge", list(filter(agrees, texts(180, 6))),
                lambda text: reference.encode(text, add_special_tokens=False).ids)

    have = fields("nomic-bert-moe")
    proto = sentencepiece_model_pb2.ModelProto()
    for token, score, kind in zip(*(have["tokenizer.ggml." + key].contents()
                                    for key in ("tokens", "scores", "token_type"))):
        proto.pieces.add(piece=token, score=score, type=kind)
    proto.trainer_spec.model_type = 1
    proto.trainer_spec.bos_id, proto.trainer_spec.eos_id = 0, 2
    proto.trainer_spec.pad_id, proto.trainer_spec.unk_id = 1, 3
    proto.trainer_spec.unk_piece = "<unk>"
    proto.trainer_spec.bos_piece, proto.trainer_spec.eos_piece, proto.trainer_spec.pad_piece = "<s>", "</s>", "<pad>"
    proto.normalizer_spec.precompiled_charsmap = bytes(have["tokenizer.ggml.precompiled_charsmap"].contents())
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    # Long runs of x or y have several best divisions. In sentencepiece, the
    # rounding of float32 sums decides between them, so such texts are left out.
    write_cases("nomic-bert-moe", [t for t in texts(150, 7) if "x" * 20 not in t and "y" * 20 not in t],
                processor.encode)


def main():
    unigram("unigram", False)
    unigram("unigram-bytes", True)
    wordpiece("wordpiece", True)
    wordpiece("wordpiece-cased", False)
    rwkv()
    if len(sys.argv) > 1:
        published(sys.argv[1])


if __name__ == "__main__":
    main()
