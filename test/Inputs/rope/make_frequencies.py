"""make_frequencies.py: rotary frequencies by transformers' modeling_rope_utils, in float64.

    pip install transformers numpy; python make_frequencies.py > frequencies.txt

transformers computes these in float32. Here numpy replaces torch and computes in double precision, so that
the formula is compared and not its rounding. There is one case per line, with numbers separated by blanks:

    kind dim base factor original beta_fast beta_slow attention_factor mscale_all_dim magnitude f[0] ... f[dim/2 - 1]

kind is linear or yarn. attention_factor and mscale_all_dim are 0 if the configuration does not have them; mscale is 1
if it has mscale_all_dim.
"""
import types

import numpy as np
import transformers.modeling_rope_utils as rope


class Array(np.ndarray):
    def to(self, device=None, dtype=None):
        return self.astype(np.float64)


rope.torch = types.SimpleNamespace(
    arange=lambda *a, dtype=None: np.arange(*a, dtype=np.float64).view(Array),
    clamp=lambda x, low, high: np.clip(x, low, high).view(Array),
    float=np.float64, float32=np.float64, int64=np.int64)


def parameters(kind, dim, base, factor, original, fast, slow, attention, all_dim):
    values = dict(rope_type=kind, rope_theta=base, factor=factor)
    if kind == "yarn":
        values |= dict(original_max_position_embeddings=original, beta_fast=fast, beta_slow=slow)
        if attention:
            values["attention_factor"] = attention
        if all_dim:
            values |= dict(mscale=1.0, mscale_all_dim=all_dim)
    config = types.SimpleNamespace(
        rope_parameters=values, standardize_rope_params=lambda: None, head_dim=dim, hidden_size=dim,
        num_attention_heads=1, max_position_embeddings=int(original * factor))
    return rope.ROPE_INIT_FUNCTIONS[kind](config, None)


for case in [
    ("linear", 64, 10000.0, 4.0, 2048, 32, 1, 0, 0),
    ("linear", 100, 500000.0, 1.5, 2048, 32, 1, 0, 0),
    ("yarn", 32, 500000.0, 4.0, 16, 32, 1, 0, 0),  # yarn-4x.gguf
    ("yarn", 128, 10000.0, 16.0, 4096, 32, 1, 0, 0),  # Yarn-Llama-2-7B-64K
    ("yarn", 128, 1000000.0, 4.0, 32768, 32, 1, 0, 0),  # Qwen3's model card
    ("yarn", 64, 10000.0, 40.0, 4096, 32, 1, 0, 0.707),  # DeepSeek-V2's factors
    ("yarn", 64, 150000.0, 32.0, 4096, 32, 1, 1.25, 0),
    ("yarn", 80, 10000.0, 2.5, 1024, 16, 2, 0, 0),
    ("yarn", 26, 10000.0, 0.5, 8192, 32, 1, 0, 0),  # the magnitude of a factor below 1 is 1
]:
    frequencies, magnitude = parameters(*case)
    print(*case, repr(float(magnitude)), *(repr(float(f)) for f in frequencies))
