#!/usr/bin/env python3
"""check_nvrtc.py JSON SCRIPT: the plan records the NVRTC that made its kernels.

JSON is the metadata of a plan for a GPU. The version in it must be the one that
the library itself writes into PTX, and SCRIPT (tools/install-deps.sh) must name
one version of NVRTC, in the same form.
"""
import ctypes
import json
import re
import sys

for name in [folder + f"libnvrtc.so.{version}" for folder in ("", "/usr/local/cuda/lib64/")
             for version in (13, 12)]:
    try:
        library = ctypes.CDLL(name)
        break
    except OSError:
        pass
program = ctypes.c_void_p()
size = ctypes.c_size_t()
assert library.nvrtcCreateProgram(ctypes.byref(program), b"", b"a.cu", 0, None, None) == 0
assert library.nvrtcCompileProgram(program, 0, None) == 0
assert library.nvrtcGetPTXSize(program, ctypes.byref(size)) == 0
ptx = ctypes.create_string_buffer(size.value)
assert library.nvrtcGetPTX(program, ptx) == 0
version = re.search(r"V(\d+\.\d+\.\d+)", ptx.value.decode()).group(1)

recorded = json.load(open(sys.argv[1]))["codegen_fingerprint"]
if not recorded.endswith(f", NVRTC {version}"):
    sys.exit(f"the plan records {recorded!r}, but the library is {version}")
pinned = re.findall(r"nvidia-cuda-nvrtc==(\S+)", open(sys.argv[2]).read())
if len(pinned) != 1 or not re.fullmatch(r"\d+\.\d+\.\d+", pinned[0]):
    sys.exit(f"the script does not fix one version of NVRTC: {pinned}")
