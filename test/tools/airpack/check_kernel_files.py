#!/usr/bin/env python3
"""check_kernel_files.py PLAN FOLDER: compares the files of --dump-kernels with the plan's list of kernels."""
import json
import subprocess
import sys
from pathlib import Path

plan, folder = sys.argv[1], Path(sys.argv[2])
facts = json.loads(subprocess.run(["airpack", "inspect", "--json", plan], check=True, capture_output=True).stdout)
kernels = {entry for executable in facts["executables"] for entry in executable["entries"]}
assert kernels
found = {}
for file in folder.iterdir():
    steps, kernel = file.name.split(".", 1)
    kernel, extension = kernel.rsplit(".", 1)
    found.setdefault(kernel, set()).add(extension)
    assert steps and steps == "+".join(sorted(set(steps.split("+")))), file.name
    content = file.read_bytes()
    if extension == "mlir":
        assert f"func.func @{kernel}".encode() in content, file.name
    elif extension == "s":
        assert f"\n{kernel}:".encode() in content, file.name
    elif extension == "cu":
        assert f"#define KERNEL_NAME {kernel}\n".encode() in content, file.name
    else:
        assert content[:4] == b"\x7fELF" and kernel.encode() in content, file.name
assert set(found) == kernels, set(found) ^ kernels
assert all(forms in ({"mlir", "s", "o"}, {"cu", "cubin"}) for forms in found.values())
