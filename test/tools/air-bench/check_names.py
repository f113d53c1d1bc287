#!/usr/bin/env python3
"""check_names.py ROOT NAMES: the list of benchmarks must cover the kernels.

The ops are read from KernelOp in codegen/KernelSpec.h and the dtypes from the
table of formats/dtype, so an addition there without a benchmark fails here.
"""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
names = Path(sys.argv[2]).read_text().split()
assert len(names) == len(set(names)), "a name is listed twice"

spec = (root / "codegen" / "KernelSpec.h").read_text()
ops = re.findall(r"\w+", re.search(r"enum class KernelOp[^{]*\{([^}]*)\}", spec)[1])
header = (root / "formats" / "dtype" / "DType.h").read_text()
dtypes = re.findall(r"(\w+) = \d+", re.search(r"enum class DType[^{]*\{([^}]*)\}", header)[1])
# These are not weight types (DTypeInfo::isWeight).
dtypes = [d for d in dtypes if d not in ("Q8_1", "Q8_K", "I8", "I16", "I32", "I64")]
assert len(ops) >= 9 and len(dtypes) >= 25, (ops, dtypes)

wrong = []
for op in ops:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", op).lower().replace("mat_mul", "matmul")
    mine = [n for n in names if n.startswith(name + "/")]
    if not mine:
        wrong.append(f"no benchmark of {name}")
    if op in ("EmbedRows", "MatMul", "GluMatMul"):
        for dtype in dtypes:
            for layout in ("x16", "rows"):
                for tokens in ("m1", "m64"):
                    start = f"{name}/{dtype.lower()}/{layout}/{tokens}/"
                    if not any(n.startswith(start) for n in mine):
                        wrong.append(f"no benchmark {start}...")
if wrong:
    sys.exit("\n".join(wrong))
print(f"{len(names)} benchmarks: {len(ops)} ops, {len(dtypes)} dtypes")
