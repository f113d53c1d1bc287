#!/usr/bin/env python3
"""Predicts which form of weights a GPU multiplies fastest in a decode step.

    python3 tools/gpu_weight_forms.py                        # prints the tables
    python3 tools/gpu_weight_forms.py --check docs/gpu-kernels.md
    python3 tools/gpu_weight_forms.py --write docs/gpu-kernels.md

For IQ1, IQ2 and IQ3, the model is that of codegen/cuda/WeightForm.h, with which
airpack chooses between layouts t16 and t16i. WeightFormTest.cpp compares the
table in docs/gpu-kernels.md with what airpack does. The numbers come from
WeightForm.cpp and from the layouts in formats/plan. The GPUs, with 85 % of the
bandwidth of their data sheets, come from formats/machine/GpuTable.cpp, and the
instructions of other kernels from test/codegen/cuda/CompileTest.cpp, whose
limits are at most 4 % above what is counted in machine code. There are no
kernels with codes of 4 bits for IQ2_XXS or with int8 activations; comments
below say where the numbers of their instructions come from.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIT = 256 * 16  # weights of a unit, which a warp multiplies
LANE = UNIT / 32  # weights of a unit per lane

FORM = (ROOT / "codegen/cuda/WeightForm.cpp").read_text()


FASTER_THAN = float(re.search(
    r"kFasterThan = ([\d.]+);",
    (ROOT / "codegen/cuda/WeightForm.h").read_text()).group(1))


def clocks():
    """Clock frequencies in Hz by compute capability."""
    table = FORM.split("kClocks[] = {{")[1].split("}};")[0]
    return {name: float(mhz) * 1e6
            for name, mhz in re.findall(r"(\d+), (\d+)", table)}


class Gpu:
    def __init__(self, row, clock_of):
        name, rate, arch, multiprocessors = row
        self.name = name
        self.clock = clock_of[arch]
        self.bytes = float(rate) * 0.85e9 / (int(multiprocessors) * self.clock)


def gpus():
    text = (ROOT / "formats/machine/GpuTable.cpp").read_text()
    rows = re.findall(r'\{"([^"]+)", kCuda, k\w+, \d+, (\d+), \d+, \d+, '
                      r'\d+, "sm_(\d+)a?", (\d+)\}', text)
    clock_of = clocks()
    return [Gpu(row, clock_of) for row in rows]


def unit_bytes():
    text = (ROOT / "formats/plan/T16.cpp").read_text()
    rows = re.findall(r"\{DType::(\w+), \{(\d+), (\d+),", text)
    return {name: int(size) / (int(columns) * 16)
            for name, columns, size in rows}


def counts():
    text = (ROOT / "test/codegen/cuda/CompileTest.cpp").read_text()
    rows = re.findall(r"\{DType::(\w+), ([\d.]+), ([\d.]+)\}", text)
    return {name: float(one) for name, one, _ in rows}


def index_forms():
    """For each dtype, the bytes, the instructions and the cycles of shared
    memory of a weight in layout t16i."""
    text = (ROOT / "formats/plan/T16Indices.cpp").read_text()
    sizes = dict(re.findall(r"\{DType::(\w+),\s+\{\{256, (\d+),", text))
    rows = re.findall(r"\{DType::(\w+), [\d.]+, ([\d.]+), (\d+), ([\d.]+)\}",
                      FORM)
    return {name: (int(sizes[name]) / UNIT, float(count),
                   (int(sizes[name]) / 128 + 16 + int(lookups) * float(cycles))
                   / UNIT)
            for name, count, lookups, cycles in rows}


DTYPES = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"]


def time(gpu, form):
    size, instructions, shared = form
    times = {"memory": size / gpu.bytes, "issue": instructions / (128 * 0.7),
             "shared": shared}
    limit = max(times, key=times.get)
    return times[limit], limit


def t16(dtype, sizes, instructions):
    # A lane reads its codes, activations and sums 16 bytes at a time.
    return (sizes[dtype], instructions[dtype],
            (sizes[dtype] * UNIT / 128 + 16) / UNIT)


def forms_table(all_gpus, sizes, instructions):
    lines = ["| | " + " | ".join(DTYPES) + " | IQ2_XXS, 4 bits |",
             "|---" * (len(DTYPES) + 2) + "|"]
    indices = index_forms()
    size, count, shared = t16("IQ2_XXS", sizes, instructions)
    # With codes of 4 bits, 256 weights of IQ2_XXS would take 134 bytes. Of the
    # kernel's instructions, 148 per lane and unit decode codes of 3 bits. Codes
    # of 4 bits would need 3.5 instructions for each four codes: one that looks
    # them up, two that separate the results, and a shift for each eight codes.
    four = (134 / 256, count - 148 / LANE + 3.5 * 32 / LANE,
            shared + 32 / 256 / 128)
    for gpu in all_gpus:
        cells = []
        for dtype in DTYPES:
            now, limit = time(gpu, t16(dtype, sizes, instructions))
            then, other = time(gpu, indices[dtype])
            ratio = f"{then / now:.2f}"
            if then < FASTER_THAN * now:
                ratio = f"**{ratio}**"
            cells.append(f"{ratio} {limit[0]}{other[0]}")
        now, limit = time(gpu, (size, count, shared))
        then, other = time(gpu, four)
        cells.append(f"{then / now:.2f} {limit[0]}{other[0]}")
        lines.append(f"| {gpu.name} | " + " | ".join(cells) + " |")
    return lines


# Instructions per weight with int8 activations that have a scale for every 32
# columns, from the straight-line machine code of such inner loops.
INT8 = {"Q8_0": 1.16, "Q4_K": 1.60, "Q6_K": 2.17, "IQ4_XS": 2.68}


def int8_table(all_gpus, sizes, instructions):
    lines = ["| | " + " | ".join(INT8) + " |", "|---" * (len(INT8) + 1) + "|",
             "| instructions, float16 and int8 | " + " | ".join(
                 f"{instructions[d]:.2f}, {INT8[d]:.2f}" for d in INT8) + " |"]
    for gpu in all_gpus:
        cells = []
        for dtype in INT8:
            memory = sizes[dtype] / gpu.bytes
            issue = instructions[dtype] / (128 * 0.7)
            gains = issue > memory and INT8[dtype] < instructions[dtype]
            cells.append(f"{issue / memory:.2f}" + (" int8" if gains else ""))
        lines.append(f"| {gpu.name} | " + " | ".join(cells) + " |")
    return lines


def with_tables(text, tables):
    for name, lines in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        if text.count(begin) != 1 or text.count(end) != 1:
            sys.exit(f"the page must have the lines '{begin.strip()}' and "
                     f"'{end.strip()}' once each")
        head, rest = text.split(begin)
        text = head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1]
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="PAGE", type=pathlib.Path)
    parser.add_argument("--write", metavar="PAGE", type=pathlib.Path)
    arguments = parser.parse_args()
    all_gpus, sizes, instructions = gpus(), unit_bytes(), counts()
    tables = {"weight forms": forms_table(all_gpus, sizes, instructions),
              "int8 activations": int8_table(all_gpus, sizes, instructions)}
    page = arguments.check or arguments.write
    if page is None:
        print("\n".join(line for lines in tables.values() for line in lines))
        return
    text = page.read_text()
    if arguments.write:
        page.write_text(with_tables(text, tables))
    elif with_tables(text, tables) != text:
        sys.exit(f"the tables of {page} differ from the model's; run "
                 f"`python3 tools/gpu_weight_forms.py --write {page}`")


if __name__ == "__main__":
    main()
