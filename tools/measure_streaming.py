#!/usr/bin/env python3
"""Measures models that are larger than the memory that they may use.

  python3 tools/measure_streaming.py [--shape 8b --type Q4_K_M] [--ratios 1.05,1.5,2,4]
  python3 tools/measure_streaming.py --peer PATH/llama-bench --limits 3,2,1
  python3 tools/measure_streaming.py --sweep curve.svg
  python3 tools/measure_streaming.py --shape 1b --type Q8_0 --ratios 2 --pins

airrun probe measures this machine first. For each ratio, airpack packs the model
with that profile for a memory of (size of the model file / ratio), and airrun
bench runs the plan in a memory cgroup with exactly that limit. A plan that keeps
everything in memory runs in the same rounds, without a limit. Before each run
the files are dropped from the page cache. Two lines per ratio report medians over
the rounds, which are interleaved:

  tok/s     tokens per second, without the first token
  bound     the highest possible tokens per second: a pass takes at least as long
            as its bytes take at the rate of the disk, and at least as long as a
            pass of the plan that keeps everything in memory. The rate of the
            disk is the best of many short samples, which the same run measures
            with code that is not the engine's
  eta       tok/s / bound
  plain     tok/s / a second bound, and this bound. It replaces the time of the disk
            by that of a program which reads the bytes of a pass and does nothing
            else, before and after each run. This shows what the disk sustains
  dram      tok/s / a third bound, and this bound. It replaces the pass of the plan
            that keeps everything in memory by the time in which memory, at the
            best rate that the same run measures, delivers the bytes of a pass
  together  tok/s / the tokens per second that disk and memory reach together, and
            the latter. While both are read, each reaches only a share of its
            median rate. The same run measures rates and shares
  beta      the bytes that a pass needs from the disk / the bytes that were read
  predicted the tokens per second that the plan predicts at the median rates of
            disk, memory and arithmetic, which the same run measures; and by what
            percentage of tok/s the prediction is too high (+) or too low (-)
  plan      the tokens per second that the plan predicts at the rates of the
            profile. The same line has both rates of each link, in GB/s
  peak      the most memory that the cgroup used, as a share of its limit
  first     seconds from the start of the process to the first token, from a
            file that is not in the page cache, and the least that is possible:
            the time in which threads that do nothing else read the whole plan,
            into new memory of the size that the engine fills
  same      whether the tokens are those of the plan that keeps all weights

With --peer, llama-bench decodes as many tokens of the same file in the same
cgroup in each round, with --repack 0, because it would otherwise copy the weights
and be killed. The first line then also has the rate of llama-bench, and how many
times faster airrun is.

With --sweep, the ratios go from 100 % of the file to 25 % in steps of 5 %, and
the result is also drawn as an SVG file next to the bound.

With --pins, the first ratio gives one limit, for which the model is also packed
with airpack --pin 0, 5, ... 100. Shares that do not fit are skipped. The last line
compares the share that airpack chose by itself with the best of the others.

Needs root, for the cgroup (version 1 or 2), and room for the model and one plan
per ratio or share in --dir.
"""
import argparse
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The size of the buffer into which plain passes read; most rings have this size.
RING_BYTES = 24 << 20


def fail(message):
    sys.exit(f"measure_streaming.py: {message}")


def progress(text):
    """Replaces the last line of a terminal; says nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


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
    parser.add_argument("--limits", metavar="GIB,...", help="limits of memory in GiB instead of ratios")
    parser.add_argument("--pins", action="store_true", help="measure all shares that may stay in memory")
    parser.add_argument("--peer", type=Path, metavar="LLAMA_BENCH", help="llama-bench to run in the same rounds")
    parser.add_argument("--sweep", type=Path, metavar="SVG", help="measure 16 ratios and draw them")
    parser.add_argument("--ctx", type=int, default=512, help="context in tokens (default 512)")
    parser.add_argument("--decode", type=int, default=4, metavar="N",
                        help="tokens between two measurements of the rates (default 4)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds (default 5)")
    parser.add_argument("--io", default="uring", help="as of airrun bench (default uring)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", metavar="DIR",
                        help="build folder (default build/release)")
    parser.add_argument("--dir", type=Path, help="folder for the model and the plans (default: a temporary one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per ratio")
    args = parser.parse_args()
    if args.pins and (args.sweep or args.peer):
        parser.error("--pins compares plans of one limit with each other; leave out --sweep and --peer")
    return args


def tokens_of(tools, plan, limit):
    done, _ = run([tools / "airrun", plan, "--tokens", "1,42,7", "-n", "6", "--temp", "0", "--ignore-eos",
                   "--output-tokens"], limit)
    return done.stdout.strip()


def plain_load(path, kept, ring):
    """Returns the seconds in which eight threads read a whole file past the page cache.

    The first `kept` bytes go to new memory of that size. All others go to a ring of
    `ring` bytes, which is used again and again. Both sizes are in whole MiB.
    """
    block = 1 << 20
    size = path.stat().st_size
    kept = min(kept, size) // block * block
    memory = mmap.mmap(-1, kept + max(ring // block, 1) * block, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    view = memoryview(memory)
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)

    def read(at):
        to = at if at < kept else kept + (at - kept) % (len(view) - kept)
        os.preadv(file, [view[to:to + block]], at)

    start = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(read, range(0, size, block)))
    seconds = time.monotonic() - start
    os.close(file)
    view.release()
    memory.close()
    return seconds


def ranges_per_pass(tools, plan):
    """Returns the ranges (offset, bytes) of the plan's file that each pass reads, in order.

    If the plan has coded weights, the list is empty: the reads in the plan then count decoded bytes, which are not in
    the file.
    """
    contents = json.loads(run([tools / "airpack", "inspect", plan, "--json"])[0].stdout)
    ranges = []
    if any(segment["codec"] != "None" for segment in contents["segments"]):
        return ranges
    for read in contents["placements"][0].get("reads") or []:
        begin = contents["segments"][read["segment"]]["offset"] + read["offset"]
        if ranges and sum(ranges[-1]) == begin:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + read["bytes"])
        else:
            ranges.append((begin, read["bytes"]))
    return ranges


def plain_pass(path, ranges, ring):
    """Seconds in which threads read what a pass reads, through `ring` bytes of memory.

    The best of two ways: eight threads that read 2 MiB at a time, and two that read 8 MiB.
    """
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    best = None
    for threads, block in ((8, 2 << 20), (2, 8 << 20)):
        places = max(ring // block, 1)
        memory = mmap.mmap(-1, places * block, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
        memory.write(bytes(len(memory)))
        view = memoryview(memory)
        blocks = [(at, min(block, begin + size - at))
                  for begin, size in ranges for at in range(begin, begin + size, block)]

        def read(index):
            at, size = blocks[index % len(blocks)]
            to = index % places * block
            if os.preadv(file, [view[to:to + size]], at) != size:
                fail(f"{path} has fewer bytes than the plan reads")

        # A pass may be short, and is then repeated until half a second is over.
        passes = 0
        start = time.monotonic()
        with ThreadPoolExecutor(threads) as pool:
            while passes == 0 or time.monotonic() - start < 0.5:
                list(pool.map(read, range(passes * len(blocks), (passes + 1) * len(blocks))))
                passes += 1
        seconds = (time.monotonic() - start) / passes
        best = seconds if best is None else min(best, seconds)
        view.release()
        memory.close()
    os.close(file)
    return best


def bench(args, tools, plan, limit, ranges=()):
    drop(plan)
    before = plain_pass(plan, ranges, RING_BYTES) if ranges else 0
    # The rates of some machines change within seconds, so airrun bench measures
    # them several times, and decodes only a few tokens in between.
    done, peak = run([tools / "airrun", "bench", plan, "-p", "0", "-n", args.decode, "--rounds", "3",
                      "--io", args.io, "--json"], limit)
    report = json.loads(done.stdout)
    report["peak"] = peak
    streaming = report.get("streaming", {"resident_bytes": plan.stat().st_size, "ring_bytes": 0})
    report["plain_pass_s"] = (before + plain_pass(plan, ranges, RING_BYTES)) / 2 if ranges else 0
    report["plain_load_s"] = plain_load(plan, streaming["resident_bytes"], streaming["ring_bytes"])
    return report


def bench_peer(args, model, limit, threads):
    """Tokens per second of llama-bench, or None if it was killed."""
    drop(model)
    done, _ = run([args.peer, "-m", model, "-t", threads, "-p", 0, "-n", args.decode, "-r", 1, "--repack", 0,
                   "-o", "json"], limit, allow_failure=True)
    if done.returncode < 0:
        return None
    if done.returncode:
        fail(f"{args.peer} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)[0]["avg_ts"]


def measure(args, tools, model, resident, cases):
    """Returns the reports of the resident plan, of each case, and the rates of the peer for each case."""
    alone = []
    reports = [[] for _ in cases]
    peers = [[] for _ in cases]
    for number in range(args.rounds):
        progress(f"round {number + 1} of {args.rounds}, everything in memory")
        alone.append(bench(args, tools, resident, None))
        for index, case in enumerate(cases):
            progress(f"round {number + 1} of {args.rounds}, file/memory {case['ratio']}")
            reports[index].append(bench(args, tools, case["plan"], case["limit"], case["ranges"]))
            if args.peer:
                peers[index].append(bench_peer(args, model, case["limit"], alone[0]["threads"]))
    progress("")
    return alone, reports, peers


def summary(case, reports, alone, peers):
    """The medians of a case. `alone` is as measure() returns it; `reports` and `peers` are its lists for the case."""
    middle = lambda key: statistics.median(key(report) for report in reports)
    links = [{link["name"]: link for link in report["links"]} for report in reports]
    disk_rates = [link["disk"]["limit_gb_s"] * 1e9 for link in links if "disk" in link]
    disk_rate = statistics.median(disk_rates) if disk_rates else 0
    read = reports[0].get("streaming", {}).get("bytes_per_pass", 0)
    tok_s = middle(lambda r: r["decode"]["tok_s"])
    resident_tok_s = statistics.median(report["decode"]["tok_s"] for report in alone)
    disk_s = read / disk_rate if disk_rate else 0
    bound_tok_s = 1 / max(disk_s, 1 / resident_tok_s)
    # Coded plans have no such figure.
    plain_s = middle(lambda r: r["plain_pass_s"])
    plain_tok_s = 1 / max(plain_s, 1 / resident_tok_s) if plain_s or not read else None
    predicted = middle(lambda r: r["decode"]["predicted_tok_s"])
    # Plans that read nothing from the disk in each pass have no such rate.
    joint = lambda key: middle(lambda r: r["decode"][key]) if all(key in r["decode"] for r in reports) else None
    row = {
        "ratio": case["ratio"], "limit_bytes": case["limit"], "pin": case.get("pin"),
        "tok_s": tok_s, "bound_tok_s": bound_tok_s, "eta": tok_s / bound_tok_s,
        "limited_by": "disk" if disk_s > 1 / resident_tok_s else "resident pass",
        "resident_tok_s": resident_tok_s,
        "plain_tok_s": plain_tok_s, "plain_eta": tok_s / plain_tok_s if plain_tok_s else None,
        "dram_tok_s": middle(lambda r: r["decode"]["bound_tok_s"]),
        "dram_eta": middle(lambda r: r["decode"]["eta"]),
        "joint_tok_s": joint("joint_tok_s"), "joint_eta": joint("joint_eta"),
        "beta": middle(lambda r: r["decode"]["beta"]),
        "predicted_tok_s": predicted, "prediction_error": predicted / tok_s - 1,
        "plan_tok_s": reports[0]["decode"]["plan_predicted_tok_s"],
        "rates": [{"name": link["name"], "plan_gb_s": link["plan_gb_s"],
                   "measured_gb_s": middle(lambda r: r["prediction"][place]["measured_gb_s"])}
                  for place, link in enumerate(reports[0]["prediction"])],
        "disk_gb_s": disk_rate / 1e9, "bytes_per_pass": read,
        "kept_share": kept_share(reports[0]),
        "ring_bytes": reports[0].get("streaming", {}).get("ring_bytes", 0),
        "peak_share": max(r["peak"] for r in reports) / case["limit"],
        "first_token_s": middle(lambda r: r["first_token_s"]),
        "first_token_bound_s": middle(lambda r: r["plain_load_s"]),
        "same_tokens": case["same"],
    }
    if peers:
        lived = [rate for rate in peers if rate is not None]
        row["peer_tok_s"] = statistics.median(lived) if len(lived) == len(peers) else None
        row["times_peer"] = tok_s / row["peer_tok_s"] if row["peer_tok_s"] else None
    return row


def kept_share(report):
    streaming = report.get("streaming")
    if not streaming:
        return 1
    return streaming["resident_bytes"] / (streaming["resident_bytes"] + streaming["bytes_per_pass"])


def best_pin(rows):
    """Returns the row of airpack's own choice, the fastest of the other rows, and own speed / best speed."""
    (own,) = [row for row in rows if row["pin"] is None]
    best = max((row for row in rows if row["pin"] is not None), key=lambda row: row["tok_s"])
    return own, best, own["tok_s"] / best["tok_s"]


def print_row(row, as_json):
    if as_json:
        print(json.dumps(row), flush=True)
        return
    name = f"file/memory {row['ratio']:<5}" + ("" if row["pin"] is None else f" pin {row['pin']:<3}")
    peer = ""
    if "peer_tok_s" in row:
        peer = (f"; peer {row['peer_tok_s']:.3f} tok/s, ours x {row['times_peer']:.2f}" if row["peer_tok_s"] else
                "; peer was killed")
    together = "" if row["joint_eta"] is None else f"together {row['joint_eta']:.3f} of {row['joint_tok_s']:.3f}; "
    plain = "" if row["plain_eta"] is None else f"plain {row['plain_eta']:.3f} of {row['plain_tok_s']:.3f}, "
    print(f"{name} {row['tok_s']:8.3f} tok/s of {row['bound_tok_s']:.3f} ({row['limited_by']}): "
          f"eta {row['eta']:.3f} ({plain}dram {row['dram_eta']:.3f} of {row['dram_tok_s']:.3f}), beta {row['beta']:.3f}; "
          f"{together}{row['bytes_per_pass'] / 1e6:.0f} MB per pass at {row['disk_gb_s']:.2f} GB/s, "
          f"ring {row['ring_bytes'] / 1e6:.0f} MB; peak {row['peak_share']:.3f}; "
          f"first {row['first_token_s']:.2f} s of {row['first_token_bound_s']:.2f}; "
          f"same {'yes' if row['same_tokens'] else 'NO'}{peer}")
    rates = ", ".join(f"{rate['name']} {rate['measured_gb_s']:.2f} ({rate['plan_gb_s']:.2f})" for rate in row["rates"])
    print(f"{'':{len(name)}} predicted {row['predicted_tok_s']:.3f} ({100 * row['prediction_error']:+.1f} %), plan "
          f"{row['plan_tok_s']:.3f}; measured rates (those of the plan): {rates}", flush=True)


def draw(path, rows, title):
    """Draws a chart with one line for the measured tokens per second and one for their bound, by memory limit."""
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
    for index, colour, name in ((2, "#999", "bound of the disk and of a pass in memory"), (1, "#06c", "measured")):
        line = " ".join(f"{x(p[0]):.1f},{y(p[index]):.1f}" for p in sorted(points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(p[0]):.1f}" cy="{y(p[index]):.1f}" r="3" fill="{colour}"/>' for p in points]
        row = top + 14 + (0 if index == 2 else 18)
        out.append(f'<text x="{left + 14}" y="{row}" fill="{colour}">{name}</text>')
    out.append("</svg>")
    path.write_text("\n".join(out) + "\n")


def pack_cases(args, tools, model, profile, folder, expected):
    """Packs a plan for each ratio or, with --pins, for each share of the weights that may stay in memory.

    Plans that airpack refuses to make, such as those that do not fit, are left out.
    """
    size = model.stat().st_size
    if args.sweep:
        ratios = [1 / (share / 100) for share in range(100, 20, -5)]
    elif args.limits:
        ratios = [size / (float(limit) * 2**30) for limit in args.limits.split(",")]
    else:
        ratios = [float(ratio) for ratio in args.ratios.split(",")]
    wanted = [(ratios[0], pin) for pin in (None, *range(0, 101, 5))] if args.pins else \
             [(ratio, None) for ratio in ratios]
    cases = []
    for ratio, pin in wanted:
        limit = int(size / ratio) // 4096 * 4096
        plan = folder / f"ratio-{ratio:.3f}{'' if pin is None else f'-{pin}'}.air"
        progress(f"packing for file/memory {ratio:.3g}")
        done, _ = run([tools / "airpack", model, "--target", profile, "--ctx", args.ctx, "--ram", limit,
                       *([] if pin is None else ["--pin", pin]), "-o", plan], allow_failure=True)
        if done.returncode:
            if pin is None or done.returncode != 5:
                print(f"file/memory {ratio:.3f}: {done.stderr.strip()}", file=sys.stderr)
            continue
        drop(plan)
        cases.append({"ratio": round(ratio, 3), "limit": limit, "plan": plan, "pin": pin,
                      "ranges": ranges_per_pass(tools, plan),
                      "same": tokens_of(tools, plan, limit) == expected})
    return cases


def main():
    args = options()
    tools = args.build / "bin"
    with tempfile.TemporaryDirectory(dir=args.dir) as temporary:
        folder = Path(temporary)
        model = args.model or (args.dir or folder) / f"{args.shape}-{args.type}.gguf"
        if not model.exists():
            run([tools / "air-gen", "--shape", args.shape, "--type", args.type, "-o", model])
        profile = folder / "machine.json"
        progress("measuring this machine")
        run([tools / "airrun", "probe", "--disk-file", model, "-o", profile])
        resident = folder / "resident.air"
        run([tools / "airpack", model, "--target", profile, "--ctx", args.ctx, "-o", resident])
        expected = tokens_of(tools, resident, None)
        cases = pack_cases(args, tools, model, profile, folder, expected)
        alone, reports, peers = measure(args, tools, model, resident, cases)
        resident_case = {"ratio": 0, "limit": max(report["peak_rss_bytes"] for report in alone), "plan": resident,
                         "same": True}
        print_row(summary(resident_case, alone, alone, []), args.json)
        rows = [summary(case, reports[index], alone, peers[index]) for index, case in enumerate(cases)]
        for row in rows:
            print_row(row, args.json)
        if args.pins:
            own, best, share = best_pin(rows)
            print(f"airpack keeps {100 * own['kept_share']:.0f} %: {own['tok_s']:.3f} tok/s, which is {share:.3f} of the "
                  f"best of the sweep, {best['tok_s']:.3f} tok/s with --pin {best['pin']}")
        if args.sweep:
            size = model.stat().st_size
            draw(args.sweep, rows, f"{model.name} ({size / 2**30:.2f} GiB), --ctx {args.ctx}")


if __name__ == "__main__":
    main()
