"""check_gpu_forms.py TOOLS: tests the model of TOOLS/gpu_weight_forms.py.

Compares parts of it with published or exact numbers.
"""
import random
import re
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import gpu_weight_forms as forms

# Shared memory has 32 banks, each of which delivers one word per cycle, so a
# look-up by a warp takes as many cycles as there are different words to read
# from the busiest bank. The table in the source must have the average over
# random indices.
random.seed(1)


def cycles(entries, sharing):
    total = 0
    for _ in range(4000):
        words = [random.randrange(entries) for _ in range(32 // sharing)]
        banks = [len({w for w in words if w % 32 == bank}) for bank in range(32)]
        total += max(banks)
    return total / 4000


rows = re.findall(r"\{DType::(\w+), [\d.]+, [\d.]+, (\d+), ([\d.]+)\}",
                  forms.FORM)
entries = {"IQ1_S": 2048, "IQ1_M": 2048, "IQ2_XXS": 256, "IQ2_XS": 512,
           "IQ2_S": 1024, "IQ3_XXS": 256, "IQ3_S": 512}
assert len(rows) == len(entries)
for name, lookups, figure in rows:
    # In IQ1_M, IQ2_XS and IQ2_S, each index belongs to two lanes.
    sharing = 2 if name in ("IQ1_M", "IQ2_XS", "IQ2_S") else 1
    columns = 4 if "IQ3" in name else 8
    assert int(lookups) == 128 // columns * sharing, name
    found = cycles(entries[name], sharing)
    assert abs(found - float(figure)) < 0.02 * found, (name, found)

# The boost clocks of the data sheets, in MHz. The model has one clock for all
# GPUs of an architecture, which may differ from these by up to 4.4 %.
clocks = {"rtx2080": 1710, "rtx3060": 1777, "rtx4090": 2520, "rtx5090": 2407,
          "t4": 1590, "a10": 1695, "a100": 1410}
all_gpus = {gpu.name: gpu for gpu in forms.gpus()}
table = (forms.ROOT / "formats/machine/GpuTable.cpp").read_text()
assert len(all_gpus) == table.count(", kCuda, "), len(all_gpus)
for name, clock in clocks.items():
    found = all_gpus[name].clock / 1e6
    assert abs(found - clock) < 0.05 * clock, (name, found)

# In layout t16, 256 weights of a row take 102 bytes if they are IQ2_XXS, and
# 148 bytes if they are Q4_K.
sizes = forms.unit_bytes()
assert sizes["IQ2_XXS"] == 102 / 256 and sizes["Q4_K"] == 148 / 256

# Where memory is the limit, twice the bytes take twice as long. Per cycle, a
# multiprocessor issues at most 128 instructions, counted per thread. Real code
# reaches 70 % of that, so 896 instructions take 10 cycles.
gpu = all_gpus["rtx4090"]
assert forms.time(gpu, (1, 0, 0))[0] * 2 == forms.time(gpu, (2, 0, 0))[0]
assert forms.time(gpu, (0.01, 896, 0)) == (10, "issue")
assert forms.time(gpu, (0.01, 0, 10)) == (10, "shared")
