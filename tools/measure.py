#!/usr/bin/env python3
"""Measures decode and prefill of generated models and compares them with the
limits of this machine.

  python3 tools/measure.py [--types Q4_0,Q8_0] [--shape 1b] [--peer PATH/llama-bench] [--json]

For each type, air-gen writes a model with random weights, airpack packs it for
this machine, and airrun bench runs it in several rounds. One line per type
reports

  decode   tokens per second after a prompt, and the share of this machine's
           read bandwidth, which the same run measures
  prefill  tokens per second, and the share of the peak rate of the cores, which
           air-bench measures in every round: byte or bfloat16 dot products if
           the plan's matmuls for many tokens use them, otherwise float32 FMA.
           Each product of a weight and an activation counts as two operations,
           however many the kernel needs.

With --adjacent, air-bench --plan also runs decode and prefill passes, each
between two measurements of the limits. A second line then gives the shares of
these adjacent limits ("beside" in the JSON output), which stay comparable on a
machine that other programs use at the same time.

With --peer, every round also runs llama-bench on the same file, with the same
prompt and the same number of tokens, once with its defaults and once with
--repack 0. All figures are medians over the rounds. Models and plans are in a
temporary folder that is removed afterwards; together they take 5 GB for the
largest type of the 1B shape. With --keep, the models stay in --dir as
SHAPE-TYPE.gguf and are used again.
"""
import argparse
import json
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPES = "Q4_0,Q4_K_M,Q6_K,Q8_0,F16,BF16"
# air-bench measures the limits whenever it runs a benchmark, so any short one
# will do.
LIMITS_ROW = "^rope_angles/f32/m1/d64$"
# A larger share means that the limit or the rate was measured wrongly.
# kMostShare in air-bench has the same value.
MOST_SHARE = 1.05
ATTEMPTS = 3


def fail(message):
    sys.exit(f"measure.py: {message}")


def positive(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)


def options():
    parser = argparse.ArgumentParser(prog="measure.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", default=TYPES,
                        help=f"types to measure, separated by commas; air-gen --type accepts them (default {TYPES})")
    parser.add_argument("--shape", default="1b", help="shape of the models: 1b, 3b or 8b (default 1b)")
    parser.add_argument("--gen", default="", metavar="OPTIONS",
                        help="further options for air-gen, for example '--layers 4'")
    parser.add_argument("--prompt", type=positive, default=512, metavar="N", help="prompt length in tokens (default 512)")
    parser.add_argument("--decode", type=positive, default=64, metavar="N",
                        help="number of tokens to decode after the prompt (default 64)")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N",
                        help="number of rounds, of which the medians are reported (default 3)")
    parser.add_argument("--threads", type=positive, metavar="N",
                        help="number of compute threads (default: the plan's, one per core)")
    parser.add_argument("--adjacent", action="store_true",
                        help="also report each pass's share of the limits measured right before and after it")
    parser.add_argument("--peer", metavar="LLAMA_BENCH", help="path of a llama-bench to run alternately with airrun")
    parser.add_argument("--bin", type=Path, default=ROOT / "build" / "release" / "bin", metavar="FOLDER",
                        help="folder of air-gen, airpack, airrun and air-bench (default build/release/bin)")
    parser.add_argument("--dir", metavar="FOLDER",
                        help="folder for models and plans (default: the system's temporary folder)")
    parser.add_argument("--keep", action="store_true",
                        help="keep the models in --dir, and reuse those that are already there")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = parser.parse_args()
    if args.keep and (args.gen or not args.dir):
        parser.error("--keep needs --dir and excludes --gen: the name of a kept model states only its shape and type")
    if args.dir and not Path(args.dir).is_dir():
        parser.error(f"there is no folder {args.dir}; create it, or give another one with --dir")
    return args


def run(command, again_on=None):
    """Runs the command and returns its standard output.

    While the exit code is `again_on`, the command is run again, at most
    ATTEMPTS times in all.
    """
    command = [str(part) for part in command]
    for _ in range(ATTEMPTS):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != again_on:
            break
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it printed no message"]
        fail(f"{shlex.join(command)} ended with exit code {done.returncode}: {lines[-1]}")
    return done.stdout


class Bench:
    def __init__(self, args):
        self.args = args
        for tool in ("air-gen", "airpack", "airrun", "air-bench"):
            if not (args.bin / tool).is_file():
                fail(f"there is no {tool} in {args.bin}; build it, or give its folder with --bin")

    def tool(self, name, *arguments, **how):
        return run([self.args.bin / name, *arguments], **how)

    def pack(self, kind, model, plan):
        """Packs `model` as `plan` and returns the seconds that airpack takes.

        If there is no model yet, air-gen writes it first.
        """
        if not model.is_file():
            self.tool("air-gen", "--shape", self.args.shape, "--type", kind, *shlex.split(self.args.gen), "-o", model)
        start = time.monotonic()
        self.tool("airpack", model, "--target", "host", "--ctx", self.args.prompt + self.args.decode, "-o", plan)
        return time.monotonic() - start

    def inspect(self, plan):
        return json.loads(self.tool("airpack", "inspect", plan, "--json"))

    def beside(self, plan, threads):
        """Returns the adjacent shares of decode passes and of prefill passes.

        Each is a list of the lower quartile, the median and the upper quartile,
        or None if the limits changed too fast.
        """
        most = max(program["max_tokens"] for program in self.inspect(plan)["programs"])
        def share(tokens, context):
            report = json.loads(self.tool("air-bench", "--plan", plan, "--tokens", tokens, "--context", context,
                                          "--threads", threads, "--rounds", self.args.rounds, "--json"))
            return report["pass"]["adjacent_share"]
        return share(1, self.args.prompt), share(min(self.args.prompt, most), 0)

    def peak_name(self, plan):
        entries = self.inspect(plan)["executables"]
        # Of the matmuls for many tokens, those of outputs compute only a few rows in a prefill.
        names = [name for executable in entries for name in executable["entries"]
                 if "_m9_" in name and not name.endswith("_outputs")]
        for form, limit in ((r"i8(x2|grid)?", "byte_dot"), ("bf16x32", "bf16_dot")):
            if any(re.search(f"matmul_.*_{form}_", name) for name in names):
                return limit
        return "fma_f32"

    def ours(self, plan):
        threads = ["--threads", self.args.threads] if self.args.threads else []
        # Exit code 1 means that a rate was above its limit, because another
        # program slowed this machine down while the limit was measured.
        return json.loads(self.tool("airrun", "bench", plan, "-p", self.args.prompt, "-n", self.args.decode,
                                    "--rounds", 1, "--json", *threads, again_on=1))

    def raise_limits(self, best, threads):
        """Measures the peak rates and raises those in `best` that are lower.

        `best` maps the name of a limit to operations per second.
        """
        rows = json.loads(self.tool("air-bench", "--filter", LIMITS_ROW, "--min-time", "0.01", "--threads", threads,
                                    "--json"))["benchmarks"]
        for row in rows:
            if row["name"].startswith("limit/") and "GFLOP/s" in row:
                name = row["name"].split("/")[1]
                best[name] = max(best.get(name, 0), row["GFLOP/s"] * 1e9)

    def theirs(self, model, threads, repack):
        """Returns llama-bench's tokens per second in decode and in prefill."""
        def rate(*arguments):
            (test,) = json.loads(run([self.args.peer, "-m", model, "-t", threads, "-r", 1, "-o", "json",
                                      *([] if repack else ["--repack", 0]), *arguments]))
            return test["avg_ts"]
        return (rate("-p", 0, "-n", self.args.decode, "-d", self.args.prompt),
                rate("-p", self.args.prompt, "-n", 0))

    def measure(self, kind, folder):
        model = (Path(self.args.dir) if self.args.keep else folder) / f"{self.args.shape}-{kind}.gguf"
        plan = folder / "model.air"
        seconds = self.pack(kind, model, plan)
        peers = {"": True, " --repack 0": False} if self.args.peer else {}
        peer_rates = {name: [] for name in peers}
        reports = []
        best = {}
        for _ in range(self.args.rounds):
            reports.append(self.ours(plan))
            threads = reports[0]["threads"]
            self.raise_limits(best, threads)
            for name, repack in peers.items():
                peer_rates[name].append(self.theirs(model, threads, repack))
        median = statistics.median
        links = [report["links"][0] for report in reports]
        decode = median(report["decode"]["tok_s"] for report in reports)
        prefill = median(report["prefill"]["tok_s"] for report in reports)
        flops = median(report["prefill"]["gflop_s"] for report in reports) * 1e9
        # The rate of the fastest prefill, by airrun or by llama-bench, in
        # operations per second.
        fastest = max([flops, *(median(column[1] for column in rates) / prefill * flops
                                for rates in peer_rates.values())])
        peak_name = self.peak_name(plan)
        for _ in range(ATTEMPTS):
            if fastest <= MOST_SHARE * best[peak_name]:
                break
            self.raise_limits(best, threads)
        peak = best[peak_name]
        if flops > MOST_SHARE * peak:
            fail(f"{kind}: prefill at {flops * 1e-9:.1f} GOP/s, faster than the measured peak of "
                 f"{peak * 1e-9:.1f} GOP/s ({peak_name}); run it again on an idle machine")
        result = {
            "type": kind, "threads": threads, "rounds": self.args.rounds,
            "model_bytes": model.stat().st_size, "plan_bytes": plan.stat().st_size, "pack_s": seconds,
            "decode": {"tok_s": decode, "share": median(link["share"] for link in links), "link": links[0]["name"],
                       "limit_gb_s": median(link["limit_gb_s"] for link in links)},
            "prefill": {"tok_s": prefill, "gflop_s": flops * 1e-9, "share": flops / peak,
                        "peak": peak_name, "peak_gflop_s": peak * 1e-9},
            "peers": [],
        }
        if self.args.adjacent:
            result["decode"]["beside"], result["prefill"]["beside"] = self.beside(plan, threads)
        for name, rates in peer_rates.items():
            their_decode, their_prefill = (median(column) for column in zip(*rates))
            result["peers"].append({
                "name": Path(self.args.peer).name + name,
                "decode": {"tok_s": their_decode, "ours": decode / their_decode},
                "prefill": {"tok_s": their_prefill, "ours": prefill / their_prefill,
                            "share": their_prefill * flops / prefill / peak}})
        return result


def shares(quartiles, name=""):
    if quartiles is None:
        return "unknown (they changed too fast)"
    low, middle, high = (f"{100 * share:.0f}" for share in quartiles)
    return f"{middle} % ({name}{low} and {high})"


def line(result):
    decode, prefill = result["decode"], result["prefill"]
    beside = ""
    if "beside" in decode:
        beside = (f"{'':8} of the adjacent limits: decode {shares(decode['beside'], 'quartiles ')}, "
                  f"prefill {shares(prefill['beside'])}\n")
    text = (f"{result['type']:8} decode {decode['tok_s']:8.2f} tok/s, {100 * decode['share']:3.0f} % of "
            f"{decode['link']} {decode['limit_gb_s']:.1f} GB/s   prefill {prefill['tok_s']:8.2f} tok/s, "
            f"{100 * prefill['share']:3.0f} % of {prefill['peak']} {prefill['peak_gflop_s']:.0f} GOP/s   "
            f"packed in {result['pack_s']:.1f} s\n")
    text += beside
    for peer in result["peers"]:
        text += (f"{'':8} {peer['name']}: decode {peer['decode']['tok_s']:.2f} tok/s (ours x "
                 f"{peer['decode']['ours']:.2f}), prefill {peer['prefill']['tok_s']:.2f} tok/s (ours x "
                 f"{peer['prefill']['ours']:.2f}, {100 * peer['prefill']['share']:.0f} % of the peak)\n")
    return text


def main():
    args = options()
    bench = Bench(args)
    results = []
    for kind in args.types.split(","):
        with tempfile.TemporaryDirectory(prefix="air-measure-", dir=args.dir) as folder:
            results.append(bench.measure(kind, Path(folder)))
        if not args.json:
            print(line(results[-1]), end="", flush=True)
    if args.json:
        print(json.dumps({"shape": args.shape, "prompt": args.prompt, "decode": args.decode, "models": results},
                         indent=1))


if __name__ == "__main__":
    # SIGTERM ends the program with an exception, as an interrupt does, so that
    # the temporary folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
