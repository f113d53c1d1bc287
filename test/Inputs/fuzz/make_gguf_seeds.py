#!/usr/bin/env python3
"""Makes the seeds of the GGUF fuzzer: gguf/spm.gguf (v3) and gguf/bpe.gguf (v2),
each with metadata of many types, a tokenizer and three tensors.

Needs gguf-py 0.19 (`pip install gguf numpy`). The output is reproducible.
"""
import pathlib

import gguf
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "gguf"


def make(name, model):
    path = FOLDER / name
    w = gguf.GGUFWriter(path, "llama")
    w.add_uint8("a.u8", 1)
    w.add_int16("a.i16", -2)
    w.add_uint64("a.u64", 1 << 40)
    w.add_float64("a.f64", 0.1)
    w.add_bool("a.bool", True)
    w.add_array("a.ints", [1, -2, 3])
    w.add_array("a.bools", [True, False])
    w.add_custom_alignment(64)
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre("default")
    w.add_token_list(["<unk>", "<s>", "</s>", "a", "b", "ab"])
    w.add_token_types([2, 3, 3, 1, 1, 1])
    if model == "llama":
        w.add_token_scores([0.0, 0.0, 0.0, -1.0, -2.0, -3.0])
    else:
        w.add_token_merges(["a b"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_add_bos_token(True)
    w.add_tensor("token_embd.weight", np.ones((6, 4), np.float32))
    w.add_tensor("output_norm.weight", np.ones(4, np.float32))
    w.add_tensor("output.weight", np.full((2, 34), 3, np.uint8),
                 raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


make("spm.gguf", "llama")
bpe = make("bpe.gguf", "gpt2")
bpe.write_bytes(bpe.read_bytes()[:4] + b"\2" + bpe.read_bytes()[5:])
