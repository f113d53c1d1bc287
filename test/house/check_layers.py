#!/usr/bin/env python3
"""check_layers.py ROOT: every #include goes down the stair.

The same edges as cmake/AirLayers.cmake, checked in the text, so that a header
that happens to be on the include path can't be used unseen.
"""
import re
import subprocess
import sys
from pathlib import Path

ALLOWED = {
    "formats": {"formats"},
    "codegen": {"codegen", "formats"},
    "compiler": {"compiler", "codegen", "formats"},
    "runtime": {"runtime", "formats"},
    "tools/cli": {"tools", "formats"},
    "tools/airrun": {"tools", "runtime", "formats"},
    "tools/airpack": {"tools", "compiler", "codegen", "formats"},
    "tools/tune": {"tools", "codegen", "runtime", "formats"},
    "tools/air-gen": {"tools", "formats"},
    "tools/air-bench": {"tools", "codegen", "runtime", "formats"},
    "tools/air-opt": {"tools", "compiler", "codegen", "formats"},
}
LLVM_MAY = ("codegen", "compiler", "tools/air-opt")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')

root = Path(sys.argv[1])
checked = 0
wrong = []
for layer, allowed in ALLOWED.items():
    for path in sorted((root / layer).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".td"):
            continue
        checked += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            top = match[1].split("/")[0]
            if top in {"formats", "codegen", "compiler", "runtime", "tools", "test"} and top not in allowed:
                wrong.append(f"{path}:{number}: {layer} must not include {match[1]}")
            if top in {"mlir", "llvm", "lld"} and not layer.startswith(LLVM_MAY):
                wrong.append(f"{path}:{number}: {layer} must not include {match[1]}")
assert checked > 50, f"only {checked} files found below {root}"
if wrong:
    sys.exit("\n".join(wrong))
print(f"{checked} files include downwards only")
