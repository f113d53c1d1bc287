#!/usr/bin/env python3
"""check_airrun.py AIRRUN BYTES: airrun must be small and contain no LLVM.

The stripped program may have at most BYTES bytes.
"""
import os
import subprocess
import sys
import tempfile

airrun = sys.argv[1]
ceiling = int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    stripped = os.path.join(folder, "airrun")
    subprocess.run(["strip", "-o", stripped, airrun], check=True)
    size = os.path.getsize(stripped)
symbols = subprocess.run(["nm", "-C", airrun], capture_output=True, text=True, check=True).stdout
guilty = [s for s in symbols.splitlines() if " llvm::" in s or " mlir::" in s]
needed = subprocess.run(["ldd", airrun], capture_output=True, text=True, check=True).stdout
guilty += [line for line in needed.splitlines() if "LLVM" in line or "MLIR" in line]
if guilty:
    sys.exit("airrun must not contain or link LLVM, but has:\n" + "\n".join(guilty[:10]))
if size > ceiling:
    sys.exit(f"airrun is {size} bytes stripped, at most {ceiling}")
print(f"airrun: {size} bytes stripped, at most {ceiling}; no LLVM")
