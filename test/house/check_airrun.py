#!/usr/bin/env python3
"""check_airrun.py AIRRUN: the release build of airrun must be small and contain no LLVM.

The stripped program may have at most 6 MB.
"""
import os
import subprocess
import sys
import tempfile

CEILING = 6_000_000
airrun = sys.argv[1]
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
if size > CEILING:
    sys.exit(f"airrun is {size} bytes stripped, at most {CEILING}")
print(f"airrun: {size} bytes stripped, at most {CEILING}; no LLVM")
