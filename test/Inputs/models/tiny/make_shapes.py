"""make_shapes.py: small models of unusual shapes, with float64 logits by numpy.

    pip install gguf numpy; python make_shapes.py

For each NAME this writes NAME.gguf (float32, random weights, no vocabulary; yarn and nvfp4 are made elsewhere and only
read), and NAME.json and NAME.logits.f32 like those of the other models here. The decoder below computes the logits.
Before anything is written, it computes llama2, llama3 and mistral, whose logits come from Hugging Face transformers,
and stops unless it agrees with them to 1e-5 (transformers computes the rotation angles in float32).
"""
import json
import math
import os

import gguf
import numpy as np
from gguf.quants import dequantize

HERE = os.path.dirname(os.path.abspath(__file__))


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.key = {k.split(".", 1)[1]: f.contents() for k, f in reader.fields.items() if k.startswith("llama.")}
        self.tensor = {t.name: np.asarray(dequantize(t.data, t.tensor_type), dtype=np.float64).reshape(
            [int(n) for n in reversed(t.shape)]) for t in reader.tensors}

    def frequencies(self, dim):
        """modeling_rope_utils of transformers: default, and yarn."""
        base = self.key.get("rope.freq_base", 10000.0)
        f = base ** (-np.arange(0, dim, 2) / dim)
        if "rope_freqs.weight" in self.tensor:
            f = f / self.tensor["rope_freqs.weight"]
        if self.key.get("rope.scaling.type") != "yarn":
            return f, 1.0
        factor, original = self.key["rope.scaling.factor"], self.key["rope.scaling.original_context_length"]
        pair = lambda turns: dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))
        low, high = max(math.floor(pair(32)), 0), min(math.ceil(pair(1)), dim - 1)
        ramp = np.clip((np.arange(dim // 2) - low) / (high - low), 0, 1)
        return f / factor * ramp + f * (1 - ramp), 0.1 * math.log(factor) + 1

    def matrix(self, name):
        w = self.tensor[name + ".weight"]
        return w * self.tensor[name + ".scale"] if name + ".scale" in self.tensor else w

    def logits(self, ids):
        key, tensor = self.key, self.tensor
        heads, kv_heads = key["attention.head_count"], key["attention.head_count_kv"]
        size = key.get("attention.key_length", key["embedding_length"] // heads)
        frequencies, magnitude = self.frequencies(key.get("rope.dimension_count", size))
        angle = np.arange(len(ids))[:, None] * frequencies
        cosine, sine = magnitude * np.cos(angle), magnitude * np.sin(angle)
        norm = lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + key["attention.layer_norm_rms_epsilon"]) * w

        def turned(x):  # x is [token][head][element]; rotates pairs of neighbours
            y = x.copy()
            even, odd = x[..., 0:2 * frequencies.size:2], x[..., 1:2 * frequencies.size:2]
            y[..., 0:2 * frequencies.size:2] = even * cosine[:, None] - odd * sine[:, None]
            y[..., 1:2 * frequencies.size:2] = even * sine[:, None] + odd * cosine[:, None]
            return y

        x = tensor["token_embd.weight"][ids]
        later = np.triu(np.ones((len(ids), len(ids)), dtype=bool), 1)
        for layer in range(key["block_count"]):
            name = f"blk.{layer}."
            n = norm(x, tensor[name + "attn_norm.weight"])
            q = turned((n @ self.matrix(name + "attn_q").T).reshape(len(ids), heads, size))
            k = turned((n @ self.matrix(name + "attn_k").T).reshape(len(ids), kv_heads, size))
            v = (n @ self.matrix(name + "attn_v").T).reshape(len(ids), kv_heads, size)
            k, v = (np.repeat(y, heads // kv_heads, axis=1) for y in (k, v))
            scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(size)
            scores[:, later] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            attended = np.einsum("hqk,khd->qhd", weights, v).reshape(len(ids), -1)
            x = x + attended @ self.matrix(name + "attn_output").T
            n = norm(x, tensor[name + "ffn_norm.weight"])
            gate = n @ self.matrix(name + "ffn_gate").T
            h = gate / (1 + np.exp(-gate)) * (n @ self.matrix(name + "ffn_up").T)
            x = x + h @ self.matrix(name + "ffn_down").T
        x = norm(x, tensor["output_norm.weight"])
        return x @ tensor.get("output.weight", tensor["token_embd.weight"]).T


def check():
    for name in ("llama2", "llama3", "mistral"):
        tokens = json.load(open(os.path.join(HERE, name + ".json")))["tokens"]
        want = np.fromfile(os.path.join(HERE, name + ".logits.f32"), "<f4").reshape(len(tokens), -1)
        off = np.abs(Model(os.path.join(HERE, name + ".gguf")).logits(tokens) - want).max() / want.std()
        print(f"{name}: {off:.2g} of the deviation from transformers'")
        assert off < 1e-5


def write(name, heads, kv_heads, size, width, vocab=128, ffn=48):
    w = gguf.GGUFWriter(os.path.join(HERE, name + ".gguf"), "llama")
    w.add_context_length(256)
    w.add_embedding_length(width)
    w.add_block_count(1)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    w.add_head_count_kv(kv_heads)
    w.add_key_length(size)
    w.add_value_length(size)
    w.add_layer_norm_rms_eps(1e-5)
    random = np.random.default_rng(sum(name.encode()))
    matrix = lambda *shape: (1.6 / shape[1] ** 0.5 * random.standard_normal(shape)).astype(np.float32)
    vector = lambda n: (1 + 0.25 * random.standard_normal(n)).astype(np.float32)
    w.add_tensor("token_embd.weight", (0.3 * random.standard_normal((vocab, width))).astype(np.float32))
    w.add_tensor("blk.0.attn_norm.weight", vector(width))
    w.add_tensor("blk.0.attn_q.weight", matrix(heads * size, width))
    w.add_tensor("blk.0.attn_k.weight", matrix(kv_heads * size, width))
    w.add_tensor("blk.0.attn_v.weight", matrix(kv_heads * size, width))
    w.add_tensor("blk.0.attn_output.weight", matrix(width, heads * size))
    w.add_tensor("blk.0.ffn_norm.weight", vector(width))
    w.add_tensor("blk.0.ffn_gate.weight", matrix(ffn, width))
    w.add_tensor("blk.0.ffn_up.weight", matrix(ffn, width))
    w.add_tensor("blk.0.ffn_down.weight", matrix(width, ffn))
    w.add_tensor("output_norm.weight", vector(width))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def vectors(name, count=40, greedy=12):
    model = Model(os.path.join(HERE, name + ".gguf"))
    vocab = model.tensor["token_embd.weight"].shape[0]
    ids = np.random.default_rng(7).integers(0, vocab, count).tolist()
    logits = model.logits(ids)
    logits.astype("<f4").tofile(os.path.join(HERE, name + ".logits.f32"))
    text, margins = ids[:7], []
    for _ in range(greedy):
        row = model.logits(text)[-1]
        best = np.sort(row)[-2:]
        margins.append(float(best[1] - best[0]))
        text.append(int(row.argmax()))
    json.dump(dict(architecture="llama", tokens=ids, logits_shape=list(logits.shape), prompt=ids[:7], greedy=text[7:],
                   smallest_greedy_margin=min(margins)), open(os.path.join(HERE, name + ".json"), "w"), indent=1)
    print(f"{name}: deviation {logits.std():.2f}, smallest greedy margin {min(margins):.4f}")


def main():
    check()
    write("heads-of-100", heads=2, kv_heads=1, size=100, width=56)
    write("heads-of-80", heads=3, kv_heads=3, size=80, width=32)
    write("heads-64-of-1", heads=64, kv_heads=1, size=6, width=32)
    for name in ("heads-of-100", "heads-of-80", "heads-64-of-1", "yarn", "nvfp4"):
        vectors(name)


if __name__ == "__main__":
    main()
