"""check_gpu_forms.py TOOLS: tests the model of TOOLS/gpu_weight_forms.py.

Compares parts of it with published or exact numbers.
"""
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import gpu_weight_forms as forms

# Two balls fall into the same of two bins in half of all cases. Of the 27 cases
# for three balls and bins, 6 have one ball in each bin and 3 have all in one.
assert abs(forms.most_in_a_bin(2) - 1.5) < 1e-12
assert abs(forms.most_in_a_bin(3) - (6 * 1 + 18 * 2 + 3 * 3) / 27) < 1e-12

# The boost clocks of the data sheets, in MHz.
clocks = {"rtx2080": 1710, "rtx3060": 1777, "rtx4090": 2520, "rtx5090": 2407,
          "t4": 1590, "a10": 1695, "a100": 1410}
all_gpus = {gpu.name: gpu for gpu in forms.gpus()}
table = (forms.ROOT / "formats/machine/GpuTable.cpp").read_text()
assert len(all_gpus) == table.count(", kCuda, "), len(all_gpus)
for name, clock in clocks.items():
    found = all_gpus[name].clock / 1e6
    assert abs(found - clock) < 0.01 * clock, (name, found)

# Layout t16 has 102 bytes for 256 weights of IQ2_XXS, and 144 plus 4 for Q4_K.
sizes = forms.unit_bytes()
assert sizes["IQ2_XXS"] == 102 / 256 and sizes["Q4_K"] == 148 / 256

# Twice the bytes take twice as long where memory is the limit. 896 instructions
# take 10 cycles at 70 % of 128 in each.
gpu = all_gpus["rtx4090"]
assert forms.time(gpu, (1, 0, 0))[0] * 2 == forms.time(gpu, (2, 0, 0))[0]
assert forms.time(gpu, (0.01, 896, 0)) == (10, "issue")
assert forms.time(gpu, (0.01, 0, 10)) == (10, "shared")
