#!/usr/bin/env python3
"""Packs, verifies and runs a model of 70 billion parameters in 4 GiB of memory.

  python3 tools/nightly_70b.py --dir FOLDER [--layers N] [--reference] [--model FILE]

The model has the shape of Llama 3 70B in Q4_K_M (80 layers) and random weights.
The script first checks that the disk has room for the model and its plan, some
40 GB each, and says how much they need. With --reference the plan leaves the
matrices in the model's file, so that only the model takes 40 GB. With --layers
the model has fewer layers, for smaller disks. With --model the model is not
generated, and FILE remains.

Then it reports, one line each: how long air-gen and airpack took, and the peak
memory of airpack, which must be at most 1 GiB; what airpack verify says; and
what airrun bench measured in a memory cgroup of --memory: tokens per second, eta
(the least time that the disk and the memory allow for a pass, at the rates
measured in that run / the time of a pass in that run), beta (the bytes that a pass needs / the bytes that were read), the rate of the
disk, and the peak memory of the cgroup. The files are deleted at the end, and
also if a step fails.

The exit code is 0 if every step succeeded and stayed within its memory, 5 if the
disk is too small, and 1 otherwise. Needs root, for the cgroup.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure_streaming import MemoryGroup, drop

ROOT = Path(__file__).resolve().parent.parent
GIB = 2**30
PACK_LIMIT = GIB  # bytes of memory that airpack may take


def fail(message, code=1):
    print(f"nightly_70b.py: {message}", file=sys.stderr)
    sys.exit(code)


def run(command, enter=None):
    """Runs a command, and returns its standard output, its seconds, and its peak memory in bytes."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors, preexec_fn=enter)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        out.seek(0)
        errors.seek(0)
        if child.returncode != 0:
            fail(f"{' '.join(map(str, command))} ended with exit code {child.returncode}: "
                 f"{(errors.read().strip().splitlines() or ['it printed no message'])[-1]}")
        return out.read(), seconds, usage.ru_maxrss * 1024


def model_bytes(args, folder):
    """Returns the size of the model's file, by writing a file of this size with a hole in place of the weights."""
    headers = folder / "headers.gguf"
    run([args.bin / "air-gen", *shape(args), "--headers-only", "-o", headers])
    size = headers.stat().st_size
    headers.unlink()
    return size


def shape(args):
    return ["--shape", args.shape, "--type", "Q4_K_M", "--layers", args.layers]


def check_disk(args, folder):
    model = args.model.stat().st_size if args.model else model_bytes(args, folder)
    # Metadata and padding take at most 1/64 of the model's size.
    plan = model // 64 if args.reference else model + model // 64
    free = shutil.disk_usage(folder).free
    if args.model:
        needed, needs = plan, f"{plan / 1e9:.1f} GB (for the plan)"
    else:
        needed = model + plan
        needs = f"{needed / 1e9:.1f} GB ({model / 1e9:.1f} for the model, {plan / 1e9:.1f} for the plan)"
    if free < needed:
        fail(f"{args.dir} has {free / 1e9:.1f} GB free, but {needs} are needed; give another folder with --dir, "
             "or use --reference or fewer --layers", 5)
    print(f"disk: {needs} of {free / 1e9:.1f} GB free", flush=True)


def bench(args, plan):
    drop(plan)
    group = MemoryGroup(args.memory)
    try:
        text, _, _ = run([args.bin / "airrun", "bench", plan, "-p", 0, "-n", args.tokens, "--rounds", 1, "--json"],
                         group.enter)
        peak = group.peak()
    finally:
        group.close()
    report = json.loads(text)
    decode = report["decode"]
    disk = next((link for link in report["links"] if link["name"] == "disk"), None)
    print(f"run: {decode['tok_s']:.4f} tok/s in {args.memory / GIB:g} GiB, eta {decode['eta']:.3f}, "
          f"beta {decode['beta']:.3f}, limited by {decode['limited_by']}"
          + (f"; {report['streaming']['bytes_per_pass'] / 1e9:.2f} GB per pass, disk {disk['limit_gb_s']:.2f} GB/s"
             if disk else "")
          + f"; peak {peak / GIB:.2f} GiB", flush=True)
    return peak <= args.memory


def main():
    parser = argparse.ArgumentParser(prog="nightly_70b.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="folder for the model and the plan")
    parser.add_argument("--layers", type=int, default=80, help="number of layers (default 80)")
    parser.add_argument("--reference", action="store_true", help="leave the matrices in the model's file")
    parser.add_argument("--model", type=Path, help="a model that exists already, instead of a generated one")
    parser.add_argument("--memory", type=float, default=4, metavar="GIB", help="memory of a pass (default 4)")
    parser.add_argument("--tokens", type=int, default=3, help="tokens to decode (default 3)")
    parser.add_argument("--shape", default="70b", help="another shape of air-gen, to try the script (default 70b)")
    parser.add_argument("--bin", type=Path, default=ROOT / "build/release/bin", help="folder of the programs")
    args = parser.parse_args()
    args.memory = int(args.memory * GIB)
    if not args.dir.is_dir():
        fail(f"there is no folder {args.dir}")
    if args.model and not args.model.is_file():
        fail(f"there is no file {args.model}")
    with tempfile.TemporaryDirectory(prefix="air-70b-", dir=args.dir) as name:
        folder = Path(name)
        check_disk(args, folder)
        model, plan = args.model or folder / "model.gguf", folder / "model.air"
        if not args.model:
            _, seconds, _ = run([args.bin / "air-gen", *shape(args), "-o", model])
            print(f"generate: {model.stat().st_size / 1e9:.1f} GB in {seconds:.0f} s", flush=True)
        drop(model)
        pack = [args.bin / "airpack", model, "--target", "host", "--ctx", 512, "--ram", args.memory, "--json"]
        _, seconds, peak = run([*pack, "-o", plan, *(["--reference"] if args.reference else [])])
        fits = peak <= PACK_LIMIT
        print(f"pack: {plan.stat().st_size / 1e9:.1f} GB in {seconds:.0f} s, peak memory {peak / 2**20:.0f} MiB"
              + ("" if fits else ": MORE THAN 1 GiB"), flush=True)
        text, seconds, _ = run([args.bin / "airpack", "verify", plan])
        print(f"verify: {text.strip().splitlines()[-1]} in {seconds:.0f} s", flush=True)
        fits = bench(args, plan) and fits
    return 0 if fits else 1


if __name__ == "__main__":
    # SIGTERM ends the program with an exception, as an interrupt does, so that
    # the files are deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
