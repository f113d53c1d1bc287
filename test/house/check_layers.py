#!/usr/bin/env python3
"""check_layers.py ROOT: every #include must go down the layers.

The allowed edges are read from the text of cmake/AirLayers.cmake. The check also finds
the use of a header that only happens to be on the include path.
"""
import re
import sys
from pathlib import Path

# Maps a folder to the layer of its files. If a file is in several of these
# folders, the one with the longest name applies.
LAYER_OF = {
    "formats": "formats",
    "codegen": "codegen",
    "compiler": "compiler",
    "runtime": "runtime",
    "test": "test",
    "tools/cli": "cli",
    "tools/tune": "tune",
    "tools/airpack": "airpack",
    "tools/air-opt": "airpack",
    "tools/airrun": "airrun",
    "tools/air-gen": "airgen",
    "tools/air-bench": "bench",
    "tools/air-gpu-bench": "gpubench",
}
LLVM_MAY = ("codegen", "compiler", "tools/air-opt")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')

root = Path(sys.argv[1])
edges = re.findall(r"^set\(AIR_LAYER_(\w+)_MAY_USE ([\w ]+)\)$",
                   (root / "cmake/AirLayers.cmake").read_text(), re.M)
allowed = {layer: set(names.split()) for layer, names in edges}
assert set(allowed) == set(LAYER_OF.values()), (sorted(allowed), sorted(set(LAYER_OF.values())))


def layer_of(name):
    folders = [folder for folder in LAYER_OF if name.startswith(folder + "/")]
    return LAYER_OF[max(folders, key=len)] if folders else None


checked = 0
wrong = []
for folder, layer in LAYER_OF.items():
    if layer == "test":
        continue
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".td"):
            continue
        checked += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            used = layer_of(match[1])
            if used is None and match[1].startswith("tools/"):
                wrong.append(f"{path}:{number}: no layer is known for {match[1]}")
            # For each layer, cmake/AirLayers.cmake lists the other layers that
            # it may use. Every layer may also use itself.
            if used and used != layer and used not in allowed[layer]:
                wrong.append(f"{path}:{number}: {layer} must not include {match[1]}")
            if match[1].split("/")[0] in {"mlir", "llvm", "lld"} and not folder.startswith(LLVM_MAY):
                wrong.append(f"{path}:{number}: {folder} must not include {match[1]}")
assert checked > 50, f"only {checked} files found below {root}"
if wrong:
    sys.exit("\n".join(wrong))
print(f"{checked} files include downwards only")
