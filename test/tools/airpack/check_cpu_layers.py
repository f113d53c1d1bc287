"""Checks how many layers the CPU computes with `airpack --cpu-layers auto`.

If the weights do not fit in VRAM, the prediction must be faster than without
layers on the CPU, where weights are copied to the GPU. With one layer more or
less, it must not be more than 3 % faster. If all weights fit in VRAM, the CPU
must compute no layers.

usage: check_cpu_layers.py MODEL    a model of 32 layers that needs some 5 GiB
"""

import json
import subprocess
import sys
from pathlib import Path


def explain(layers, vram):
    command = ["airpack", sys.argv[1], "--target", "rtx3060", "--vram", vram]
    command += ["--cpu-layers", str(layers), "--explain", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return json.loads(done.stdout)


def bytes_over(report, name):
    return sum(x["bytes_per_token"] for x in report["links"] if x["link"] == name)


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
    # GPU, but on the GPU they take up to 3 % more.
    beside = explain(other, "4GiB")
    assert beside["cpu_layers"] == other, beside
    assert beside["decode_tok_s"] < 1.03 * best["decode_tok_s"], (beside, best)
    # With more layers on the CPU, a token reads more from RAM, and less from
    # VRAM.
    for name, sign in (("dram", 1), ("vram", -1)):
        difference = bytes_over(beside, name) - bytes_over(best, name)
        assert sign * difference * (other - layers) > 0, (name, beside, best)

assert explain("auto", "24GiB")["cpu_layers"] == 0

# If a rate is missing, times cannot be compared. A note says which one.
gpu = {"name": "mine", "backend": "cuda", "memory_bytes": 12 << 30, "arch": "sm_86"}
gpu |= {"memory_bandwidth": 360 * 10**9, "transfer_bandwidth": 25 * 10**9, "multiprocessors": 28}
machine = {"name": "mine", "arch": "x86_64", "features": ["avx2", "bmi2", "f16c", "fma"], "cores": 2}
machine |= {"memory_bytes": 32 << 30, "gpus": [gpu]}


def note_of(**changes):
    profile = Path("without-rate.json")
    profile.write_text(json.dumps(machine | changes))
    command = ["airpack", sys.argv[1], "--target", str(profile), "--vram", "4GiB", "--cpu-layers", "auto"]
    done = subprocess.run([*command, "--explain", "--json"], capture_output=True, text=True, check=False)
    profile.unlink()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cpu_layers"] == 0, done.stdout
    return done.stderr


note = "note: --cpu-layers auto: the GPU computes all layers, because "
unknown = note + "the time of a pass cannot be predicted: the target does not state "
assert unknown + "the bandwidth of RAM" in (got := note_of()), got
slower = {key: value for key, value in gpu.items() if key != "transfer_bandwidth"}
got = note_of(memory_bandwidth=60 * 10**9, gpus=[slower])
assert unknown + "the rate of copies to the GPU" in got, got
