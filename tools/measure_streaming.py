#!/usr/bin/env python3
"""Measures models that are larger than the memory that they may use.

  python3 tools/measure_streaming.py [--shape 8b --type Q4_K_M] [--ratios 1.05,1.5,2,4]
  python3 tools/measure_streaming.py --sweep curve.svg

For each ratio, airpack packs the model for a memory of (size of the model file
/ ratio), and airrun bench runs the plan in a memory cgroup with exactly that
limit. Before each run the files are dropped from the page cache. One line per
ratio reports medians over the rounds, which are interleaved:

  tok/s     tokens per second, without the first token
  bound     the most that the links allow: the slower of the disk and memory,
            whose rates the same run measures with code that is not the engine's
  eta       tok/s / bound
  beta      the bytes that a pass needs from the disk / the bytes that were read
  plan      tokens per second that the plan predicted at the rates of its own
            machine profile
  peak      the most memory that the cgroup used, as a share of its limit
  first     seconds from the start of the process to the first token, from a
            file that is not in the page cache, and the least that is possible:
            bytes of the plan / rate of the disk
  same      whether the tokens are those of the plan that keeps all weights

With --sweep, the ratios go from 100 % of the file to 25 % in steps of 5 %, and
the result is also drawn as an SVG file next to the hyperbola that the disk
allows.

Needs root, for the cgroup (version 1 or 2), and room for the model and one plan
per ratio in --dir.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fail(message):
    sys.exit(f"measure_streaming.py: {message}")


class MemoryGroup:
    """A memory cgroup for one process at a time."""

    def __init__(self, limit):
        v1 = Path("/sys/fs/cgroup/memory")
        v2 = Path("/sys/fs/cgroup")
        self.is_v1 = (v1 / "memory.limit_in_bytes").exists()
        base = v1 if self.is_v1 else v2
        self.folder = base / f"airrun-measure-{os.getpid()}"
        try:
            self.folder.mkdir()
            (self.folder / ("memory.limit_in_bytes" if self.is_v1 else "memory.max")).write_text(str(limit))
        except OSError as error:
            fail(f"cannot make a memory cgroup: {error}; run as root on a system with cgroups")

    def enter(self):
        (self.folder / ("tasks" if self.is_v1 else "cgroup.procs")).write_text(str(os.getpid()))

    def peak(self):
        return int((self.folder / ("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")).read_text())

    def close(self):
        self.folder.rmdir()


def drop(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(command, limit=None, allow_failure=False):
    group = MemoryGroup(limit) if limit else None
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          preexec_fn=group.enter if group else None)
    peak = 0
    if group:
        peak = group.peak()
        group.close()
    if done.returncode and not allow_failure:
        fail(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()}")
    return done, peak


def options():
    parser = argparse.ArgumentParser(prog="measure_streaming.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="8b", help="shape of the model, as air-gen names it (default 8b)")
    parser.add_argument("--type", default="Q4_K_M", help="dtype of the model (default Q4_K_M)")
    parser.add_argument("--model", type=Path, help="measure this GGUF file instead")
    parser.add_argument("--ratios", default="1.05,1.5,2,4", help="size of the file / memory (default 1.05,1.5,2,4)")
    parser.add_argument("--sweep", type=Path, metavar="SVG", help="measure 16 ratios and draw them")
    parser.add_argument("--ctx", type=int, default=512, help="context in tokens (default 512)")
    parser.add_argument("--decode", type=int, default=8, metavar="N", help="tokens per round (default 8)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds (default 5)")
    parser.add_argument("--io", default="uring", help="as of airrun bench (default uring)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", metavar="DIR",
                        help="build folder (default build/release)")
    parser.add_argument("--dir", type=Path, help="folder for the model and the plans (default: a temporary one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per ratio")
    return parser.parse_args()


def tokens_of(tools, plan, limit):
    done, _ = run([tools / "airrun", plan, "--tokens", "1,42,7", "-n", "6", "--temp", "0", "--ignore-eos",
                   "--output-tokens"], limit)
    return done.stdout.strip()


def measure(args, tools, cases, expected):
    results = {ratio: [] for ratio, _, _ in cases}
    for number in range(args.rounds):
        for ratio, limit, plan in cases:
            drop(plan)
            done, peak = run([tools / "airrun", "bench", plan, "-p", "0", "-n", args.decode, "--rounds", "1",
                              "--io", args.io, "--json"], limit)
            report = json.loads(done.stdout)
            report["peak"] = peak
            disk = [link for link in report["links"] if link["name"] == "disk"]
            report["disk"] = disk[0] if disk else None
            if number == 0:
                report["same"] = tokens_of(tools, plan, limit) == expected
            results[ratio].append(report)
    rows = []
    for ratio, limit, plan in cases:
        reports = results[ratio]
        middle = lambda key: statistics.median(key(report) for report in reports)
        disk_rate = middle(lambda r: r["disk"]["limit_gb_s"] if r["disk"] else 0)
        rows.append({
            "ratio": ratio, "limit_bytes": limit,
            "tok_s": middle(lambda r: r["decode"]["tok_s"]),
            "bound_tok_s": middle(lambda r: r["decode"]["predicted_tok_s"]),
            "eta": middle(lambda r: r["decode"]["eta"]),
            "beta": middle(lambda r: r["decode"]["beta"]),
            "limited_by": reports[0]["decode"]["limited_by"],
            "plan_tok_s": reports[0]["decode"]["plan_predicted_tok_s"],
            "disk_gb_s": disk_rate,
            "bytes_per_pass": reports[0].get("streaming", {}).get("bytes_per_pass", 0),
            "ring_bytes": reports[0].get("streaming", {}).get("ring_bytes", 0),
            "peak_share": max(r["peak"] for r in reports) / limit,
            "first_token_s": middle(lambda r: r["first_token_s"]),
            "first_token_bound_s": os.path.getsize(plan) / (disk_rate * 1e9) if disk_rate else 0,
            "same_tokens": reports[0]["same"],
        })
    return rows


def print_row(row, as_json):
    if as_json:
        print(json.dumps(row), flush=True)
        return
    print(f"file/memory {row['ratio']:<5} {row['tok_s']:8.3f} tok/s of {row['bound_tok_s']:.3f} ({row['limited_by']}): "
          f"eta {row['eta']:.3f}, beta {row['beta']:.3f}, plan {row['plan_tok_s']:.3f}; "
          f"{row['bytes_per_pass'] / 1e6:.0f} MB per pass at {row['disk_gb_s']:.2f} GB/s, "
          f"ring {row['ring_bytes'] / 1e6:.0f} MB; peak {row['peak_share']:.3f}; "
          f"first {row['first_token_s']:.2f} s of {row['first_token_bound_s']:.2f}; "
          f"same {'yes' if row['same_tokens'] else 'NO'}", flush=True)


def draw(path, rows, title):
    """One panel: tokens per second over the memory, measured and bound."""
    width, height, left, bottom, top, right = 720, 420, 64, 48, 34, 16
    points = [(row["limit_bytes"] / 2**30, row["tok_s"], row["bound_tok_s"]) for row in rows]
    most_x = max(p[0] for p in points) * 1.05
    most_y = max(max(p[1], p[2]) for p in points) * 1.1
    x = lambda value: left + value / most_x * (width - left - right)
    y = lambda value: height - bottom - value / most_y * (height - bottom - top)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="20" font-size="14">{title}</text>']
    for part in range(6):
        value = most_y * part / 5
        out.append(f'<line x1="{left}" y1="{y(value):.1f}" x2="{width - right}" y2="{y(value):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
        value = most_x * part / 5
        out.append(f'<text x="{x(value):.1f}" y="{height - bottom + 18}" text-anchor="middle">{value:.1f}</text>')
    out.append(f'<text x="{(left + width) / 2}" y="{height - 10}" text-anchor="middle">memory limit, GiB</text>')
    out.append(f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle">tokens/s</text>')
    for index, colour, name in ((2, "#999", "bound of disk and memory"), (1, "#06c", "measured")):
        line = " ".join(f"{x(p[0]):.1f},{y(p[index]):.1f}" for p in sorted(points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(p[0]):.1f}" cy="{y(p[index]):.1f}" r="3" fill="{colour}"/>' for p in points]
        row = top + 14 + (0 if index == 2 else 18)
        out.append(f'<text x="{left + 14}" y="{row}" fill="{colour}">{name}</text>')
    out.append("</svg>")
    path.write_text("\n".join(out) + "\n")


def main():
    args = options()
    tools = args.build / "bin"
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.dir or Path(temporary)
        model = args.model or folder / f"{args.shape}-{args.type}.gguf"
        if not model.exists():
            run([tools / "air-gen", "--shape", args.shape, "--type", args.type, "-o", model])
        size = model.stat().st_size
        ratios = [1 / (share / 100) for share in range(100, 20, -5)] if args.sweep else \
                 [float(ratio) for ratio in args.ratios.split(",")]
        resident = folder / "resident.air"
        run([tools / "airpack", model, "--target", "host", "--ctx", args.ctx, "-o", resident])
        expected = tokens_of(tools, resident, None)
        drop(resident)
        cases = []
        for ratio in ratios:
            limit = int(size / ratio) // 4096 * 4096
            plan = folder / f"ratio-{ratio:.3f}.air"
            done, _ = run([tools / "airpack", model, "--target", "host", "--ctx", args.ctx, "--ram", limit, "-o", plan],
                          allow_failure=True)
            if done.returncode:
                print(f"file/memory {ratio:.3f}: {done.stderr.strip()}", file=sys.stderr)
                continue
            cases.append((round(ratio, 3), limit, plan))
            drop(plan)
        rows = measure(args, tools, cases, expected)
        for row in rows:
            print_row(row, args.json)
        if args.sweep:
            draw(args.sweep, rows, f"{model.name} ({size / 2**30:.2f} GiB), --ctx {args.ctx}")


if __name__ == "__main__":
    main()
