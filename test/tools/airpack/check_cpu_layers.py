"""Checks `airpack --cpu-layers auto`: it is faster than copying weights to the
GPU and than the numbers of layers beside it, and 0 if all weights fit in VRAM.

usage: check_cpu_layers.py MODEL    a model of 32 layers that needs some 5 GiB
"""

import json
import subprocess
import sys


def explain(layers, vram):
    command = ["airpack", sys.argv[1], "--target", "rtx3060", "--vram", vram]
    command += ["--cpu-layers", str(layers), "--explain", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return json.loads(done.stdout)


def weights_of(report, memory):
    classes = ("attention", "ffn", "head", "embedding table", "other")
    return sum(row[memory] for row in report["placement"] if row["name"] in classes)


copied = explain(0, "4GiB")
assert copied["cpu_layers"] == 0 and copied["devices"] == "gpu", copied
assert copied["limited_by"] == "pcie", copied

best = explain("auto", "4GiB")
layers = best["cpu_layers"]
assert 1 <= layers <= 31, best
assert best["devices"] == "both", best
assert best["decode_tok_s"] > copied["decode_tok_s"], (best, copied)
for other in {max(layers - 1, 1), min(layers + 1, 31)} - {layers}:
    # The choice assumes that layers take as many bytes on the CPU as on the
    # GPU, where they take up to 3 % more.
    beside = explain(other, "4GiB")
    assert beside["cpu_layers"] == other, beside
    assert beside["decode_tok_s"] < 1.03 * best["decode_tok_s"], (beside, best)
    # More layers on the CPU have more weights in RAM, and fewer in VRAM.
    for memory, sign in (("ram_bytes", 1), ("vram_bytes", -1)):
        difference = weights_of(beside, memory) - weights_of(best, memory)
        assert sign * difference * (other - layers) >= 0, (memory, beside, best)

assert explain("auto", "24GiB")["cpu_layers"] == 0
