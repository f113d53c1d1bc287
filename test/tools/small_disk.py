#!/usr/bin/env python3
"""small_disk.py MODEL FOLDER: writes outputs to disks that cannot hold them.

FOLDER holds a.air and an empty folder "disk". Runs in a mount namespace of its
own, so its mounts disappear when it ends.
"""
import os
import shutil
import subprocess
import sys

MODEL, FOLDER = sys.argv[1:]
DISK = os.path.join(FOLDER, "disk")
PACK = ["airpack", MODEL, "--target", "host", "-o"]
LOGITS = ["airrun", "logits", f"{FOLDER}/a.air", "--tokens", "1", "-o"]


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def refuse(code, text, command, output, env=None):
    done = subprocess.run([*command, output], capture_output=True, text=True, env=env)
    lines = done.stderr.splitlines()
    assert done.returncode == code and len(lines) == 1 and text in lines[0], (done, code, text)
    assert done.stdout == "", done.stdout


mount("-t", "tmpfs", "-o", "size=1M", "tmpfs", DISK)
refuse(5, "bytes, but the disk has 1048576 free", PACK, f"{DISK}/new.air")
assert os.listdir(DISK) == [], os.listdir(DISK)
# A plan that airrun makes for its cache does not fit on this disk either. No
# part of it may be left behind.
CACHE = {**os.environ, "XDG_CACHE_HOME": DISK, "AIR_CACHE_MAX": "1GiB"}
refuse(5, "bytes, but the disk has", ["airrun", MODEL, "--tokens", "1", "--output-tokens", "-n"], "1", CACHE)
left = os.listdir(f"{DISK}/airpack/plans")
assert left in ([], ["digests.json"]), left
shutil.rmtree(f"{DISK}/airpack")
with open(f"{DISK}/full", "wb") as file:
    file.write(bytes(1 << 20))
refuse(5, "bytes, but the disk has 0 free", LOGITS, f"{DISK}/l.f32")
os.remove(f"{DISK}/full")

mount("-o", "remount,ro", DISK)
refuse(8, "Read-only file system", PACK, f"{DISK}/new.air")
refuse(8, "Read-only file system", LOGITS, f"{DISK}/l.f32")

for name in ("given", "inside"):
    open(f"{FOLDER}/{name}", "w").close()
mount("--bind", f"{FOLDER}/given", f"{FOLDER}/inside")
refuse(8, "it is a mount point", PACK, f"{FOLDER}/inside")
