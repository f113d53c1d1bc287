#!/usr/bin/env python3
"""Measures how fast airpack packs a model and how fast cp copies the same file.

  python3 tools/measure_pack.py MODEL.gguf [--rounds 3] [--dir FOLDER]

Each round runs airpack, and cp --reflink=never with fsync, in an order that
changes from round to round. Both start without the model in the page cache and
without pending writes, and end with all bytes on the disk. The model is read
once beforehand, because a virtual disk may have a cache of its own. The report
states the medians of whole runs, and how much of airpack's time was spent
compiling. The rates refer to the file that each program wrote.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMES = re.compile(r"compiled in ([\d.]+) s \(([\d.]+) s of it while writing\), "
                   r"wrote \d+ MB in ([\d.]+) s \((\d+) MB/s\)")


def fail(message):
    sys.exit(f"measure_pack.py: {message}")


def run(command, what):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fail(f"{what} ended with exit code {done.returncode}: "
             f"{(done.stderr.strip().splitlines() or ['it printed no message'])[-1]}")
    return done.stderr


def settle(model):
    """Completes all pending writes and drops the model from the page cache."""
    os.sync()
    descriptor = os.open(model, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def read_through(model):
    with open(model, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def pack(args, output):
    start = time.monotonic()
    said = run([args.bin / "airpack", args.model, "--target", "host", "--times", "--json", "-o", output], "airpack")
    seconds = time.monotonic() - start
    compiling, overlap, writing, rate = (float(number) for number in TIMES.search(said).groups())
    return {"s": seconds, "compile_s": compiling, "overlap_s": overlap, "write_s": writing, "write_mb_s": rate}


def copy(args, output):
    start = time.monotonic()
    run(["cp", "--reflink=never", args.model, output], "cp")
    descriptor = os.open(output, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return {"s": time.monotonic() - start}


def main():
    parser = argparse.ArgumentParser(prog="measure_pack.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="a GGUF file that is not split")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 101), metavar="N",
                        help="number of rounds, of which the medians are reported (1 to 100; default 3)")
    parser.add_argument("--bin", type=Path, default=ROOT / "build" / "release" / "bin", metavar="FOLDER",
                        help="folder of airpack (default build/release/bin)")
    parser.add_argument("--dir", type=Path, metavar="FOLDER",
                        help="folder that airpack and cp write to (default: MODEL's, so that all files are on one disk)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")
    args = parser.parse_args()
    if not args.model.is_file():
        fail(f"there is no file {args.model}")

    read_through(args.model)
    samples = {pack: [], copy: []}
    sizes = {}
    with tempfile.TemporaryDirectory(prefix="air-pack-", dir=args.dir or args.model.resolve().parent) as folder:
        for turn in range(args.rounds):
            for job in (pack, copy) if turn % 2 == 0 else (copy, pack):
                output = Path(folder) / "output"
                settle(args.model)
                samples[job].append(job(args, output))
                sizes[job] = output.stat().st_size
                output.unlink()

    def median(job, key):
        return statistics.median(sample[key] for sample in samples[job])

    rates = {job: sizes[job] / median(job, "s") for job in samples}
    result = {
        "rounds": args.rounds,
        "airpack": {"s": median(pack, "s"), "compile_s": median(pack, "compile_s"),
                    "overlap_s": median(pack, "overlap_s"), "write_s": median(pack, "write_s"),
                    "write_mb_s": median(pack, "write_mb_s"), "bytes": sizes[pack], "mb_s": rates[pack] * 1e-6, "all_s": [s["s"] for s in samples[pack]]},
        "copy": {"s": median(copy, "s"), "bytes": sizes[copy], "mb_s": rates[copy] * 1e-6,
                 "all_s": [s["s"] for s in samples[copy]]},
        "share": rates[pack] / rates[copy],
    }
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        packed, copied = result["airpack"], result["copy"]
        print(f"airpack {packed['s']:.2f} s ({packed['mb_s']:.0f} MB/s): writing {packed['write_s']:.2f} s "
              f"({packed['write_mb_s']:.0f} MB/s), compiling {packed['compile_s']:.2f} s, of which "
              f"{packed['overlap_s']:.2f} s while writing\n"
              f"cp      {copied['s']:.2f} s ({copied['mb_s']:.0f} MB/s); airpack at {100 * result['share']:.0f} % of it; "
              f"{args.rounds} round{'' if args.rounds == 1 else 's'}")


if __name__ == "__main__":
    # SIGTERM ends the program with an exception, as an interrupt does, so that
    # the temporary folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
