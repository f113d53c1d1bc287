#!/usr/bin/env python3
"""Predicts which form of weights a GPU multiplies fastest in a decode step.

    python3 tools/gpu_weight_forms.py                        # prints the tables
    python3 tools/gpu_weight_forms.py --check docs/gpu-kernels.md
    python3 tools/gpu_weight_forms.py --write docs/gpu-kernels.md

The time of a weight on one multiprocessor, in clock cycles, is the longest of

    memory  its bytes / (bytes that VRAM delivers per multiprocessor and cycle)
    issue   its instructions / (128 * 0.7): four schedulers issue one
            instruction for 32 threads per cycle, and real code reaches 70 %
    shared  the cycles in which its warp occupies the shared memory

The GPUs, with 85 % of the bandwidth of their data sheets, come from
formats/machine/GpuTable.cpp, the bytes of layout t16 from
formats/plan/T16.cpp, and the instructions of its kernels from
test/codegen/cuda/CompileTest.cpp, whose limits are at most 4 % above what is counted in machine code. The
other forms do not exist. Their instructions are those of the existing kernel
without its decoding of codes, plus those of their own decoding.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIT = 256 * 16  # weights of a unit, which a warp multiplies
LANE = UNIT / 32  # weights of a unit per lane

# Floating-point operations of a multiprocessor per cycle, for dense float16
# matrices with accumulation in float32 (the architecture white papers). The
# clock follows from them and from the rate in the table of GPUs.
OPERATIONS = {"sm_75": 512, "sm_80": 2048, "sm_86": 512, "sm_89": 512,
              "sm_90a": 4096, "sm_100a": 8192, "sm_120": 512}


class Gpu:
    def __init__(self, row):
        name, server, rate, tenths, arch, multiprocessors = row
        self.name = name
        operations = OPERATIONS[arch]
        # GeForce has half of the rate of the server GPUs of its generation.
        if server == "Server" and operations == 512:
            operations *= 2
        clock = float(tenths) * 1e11 / (int(multiprocessors) * operations)
        self.clock = clock
        self.bytes = float(rate) * 0.85e9 / (int(multiprocessors) * clock)


def gpus():
    text = (ROOT / "formats/machine/GpuTable.cpp").read_text()
    rows = re.findall(r'\{"([^"]+)", kCuda, k(\w+), \d+, (\d+), \d+, \d+, '
                      r'(\d+), "(sm_\w+)", (\d+)\}', text)
    return [Gpu(row) for row in rows]


def unit_bytes():
    text = (ROOT / "formats/plan/T16.cpp").read_text()
    rows = re.findall(r"\{DType::(\w+), \{(\d+), (\d+),", text)
    return {name: int(size) / (int(columns) * 16)
            for name, columns, size in rows}


def counts():
    text = (ROOT / "test/codegen/cuda/CompileTest.cpp").read_text()
    rows = re.findall(r"\{DType::(\w+), ([\d.]+), ([\d.]+)\}", text)
    return {name: float(one) for name, one, _ in rows}


def most_in_a_bin(balls):
    """The expected number of balls in the fullest of as many bins."""
    # The number of ways to distribute the balls with at most `most` in a bin,
    # each divided by balls!, by adding one bin after another.
    factorial = [1.0]
    for n in range(1, balls + 1):
        factorial.append(factorial[-1] * n)
    expected, before = 0.0, 0.0
    for most in range(1, balls + 1):
        ways = [1.0] + [0.0] * balls
        for _ in range(balls):
            ways = [sum(ways[n - k] / factorial[k]
                        for k in range(min(n, most) + 1))
                    for n in range(balls + 1)]
        share = ways[balls] * factorial[balls] / float(balls) ** balls
        expected += most * (share - before)
        before = share
    return expected


# A lane's instructions for the codes of a unit in the kernels of t16: shifts,
# masks and byte permutations.
CODES = {"IQ1_S": 140, "IQ1_M": 140, "IQ2_XXS": 148, "IQ2_XS": 148,
         "IQ2_S": 148, "IQ3_XXS": 224, "IQ3_S": 80}

# A codebook in shared memory: bytes of 256 weights, elements of an entry,
# instructions that extract an index, and whether the elements have signs. The
# signs of IQ2_XXS, IQ2_XS and IQ3_XXS are stored as 8 bits per 8 elements
# instead of 7.
CODEBOOKS = {"IQ1_S": (50, 8, 3, False), "IQ1_M": (56, 8, 3, False),
             "IQ2_XXS": (70, 8, 1.75, True), "IQ2_XS": (78, 8, 3, True),
             "IQ2_S": (82, 8, 3, True), "IQ3_XXS": (102, 4, 1.75, True),
             "IQ3_S": (110, 4, 3, True)}


def codebook(dtype, count):
    """Bytes, instructions and cycles of shared memory of a weight."""
    size, elements, extract, signs = CODEBOOKS[dtype]
    lookups = LANE / elements
    instructions = count * LANE - CODES[dtype]
    instructions += lookups * (extract + 1)
    # A sign is moved to the top bit of its float16 and combined with it, two
    # elements at a time; of 16 shifts, one is not needed.
    instructions += LANE / 2 * (2 - 1 / 16) if signs else 0
    # A lane reads 16 or 8 bytes of a random entry. So 8 or 16 lanes read at a
    # time, and the banks form as many groups, from one of which each lane
    # reads.
    lanes = 64 // elements if elements == 8 else 16
    cycles = lookups * 32 / lanes * most_in_a_bin(lanes)
    cycles += 8 + size * 16 / 128  # activations, and the indices themselves
    return size / 256, instructions / LANE, cycles / UNIT


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
    dtypes = list(CODEBOOKS)
    lines = ["| | " + " | ".join(dtypes) + " | IQ2_XXS, 4 bits |",
             "|---" * (len(dtypes) + 2) + "|"]
    size, count, shared = t16("IQ2_XXS", sizes, instructions)
    # Codes of 4 bits need no assembly. Eight codes take a shift, and each four
    # codes take three instructions that look them up and separate them, so four
    # codes take 3.5 instructions.
    four = (134 / 256, count - CODES["IQ2_XXS"] / LANE + 3.5 * 32 / LANE,
            shared + 32 / 256 / 8)
    for gpu in all_gpus:
        cells = []
        for dtype in dtypes:
            now, limit = time(gpu, t16(dtype, sizes, instructions))
            then, other = time(gpu, codebook(dtype, instructions[dtype]))
            cells.append(f"{then / now:.2f} {limit[0]}{other[0]}")
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
