#!/usr/bin/env python3
"""check_explain.py MODE ...: checks what `airpack --explain --json` reports.

  options BASE CHANGED   two reports, the second of which has other options
  plan MODEL OPTIONS     the report agrees with the plan for the same options
  gpu-plan MODEL OPTIONS the same for a plan that runs on a GPU
  gpus MODEL             every GPU can be explained; larger ones are not slower
  large MODEL            a 405B model takes less than a second and is not read
  advice MODEL           what a refusal advises fits, and a little less does not
"""
import ctypes
import json
import mmap
import os
import re
import resource
import subprocess
import sys


def run(*arguments):
    return subprocess.run(["airpack", *arguments], capture_output=True, text=True)


def explain(*arguments):
    return json.loads(subprocess.run(["airpack", *arguments, "--explain", "--json"], check=True,
                                     capture_output=True, text=True).stdout)


def row(report, name):
    empty = {"vram_bytes": 0, "ram_bytes": 0, "disk_bytes": 0}
    return next((r for r in report["placement"] if r["name"] == name), empty)


def check_sums(report):
    for tier in ("vram_bytes", "ram_bytes", "disk_bytes"):
        assert sum(r[tier] for r in report["placement"]) == report["total"][tier], tier
    for tier in ("vram_bytes", "ram_bytes"):
        capacity = report["capacity"][tier]
        assert capacity is None or report["total"][tier] <= capacity, (tier, report["total"], capacity)
    # Each byte of the weights is in exactly one of VRAM, RAM and disk.
    weights = ("attention", "ffn", "head", "embedding table", "other")
    assert row(report, "padding")["vram_bytes"] + row(report, "padding")["ram_bytes"] < 1 << 20
    placed = sum(sum(row(report, name)[t] for t in ("vram_bytes", "ram_bytes", "disk_bytes")) for name in weights)
    assert placed == report["model"]["weight_bytes"], (placed, report["model"])
    # The speed is at most what the bandwidth of each link allows.
    for link in report["links"]:
        if report["decode_tok_s"] is not None:
            limit = link["bandwidth"] / max(link["bytes_per_token"], 1)
            assert report["decode_tok_s"] <= limit * 1.001, (link, report["decode_tok_s"])


def options(base, changed):
    base, changed = (json.load(open(path)) for path in (base, changed))
    for report in (base, changed):
        check_sums(report)
    assert changed["capacity"] == {"vram_bytes": 2 << 30, "ram_bytes": 3 << 30}
    assert base["capacity"] == {"vram_bytes": 24 << 30, "ram_bytes": 32 << 30}
    assert row(base, "system")["ram_bytes"] == 2 << 30
    assert row(changed, "system")["ram_bytes"] == 0
    assert (changed["context"], changed["slots"], changed["kv_type"]) == (128, 3, "f32")
    assert base["slots"] == 1 and base["kv_type"] == "f16"
    # A sequence takes whole KV pages of 64 tokens, and float32 doubles their
    # size.
    pages = lambda report: -(-report["context"] // 64) * report["slots"]
    kv = lambda report: row(report, "kv")["vram_bytes"] + row(report, "kv")["ram_bytes"]
    for report in (base, changed):
        assert kv(report) == report["kv_page_bytes"] * pages(report), report["kv_page_bytes"]
        assert report["caches"] == report["model"]["layers"], report["caches"]
    assert kv(changed) * pages(base) == 2 * kv(base) * pages(changed), (kv(base), kv(changed))
    assert base["target"]["memory_bandwidth"] != changed["target"]["memory_bandwidth"]
    for key in ("placement", "links", "decode_tok_s", "first_token_s", "limited_by", "max_context"):
        assert key in base, key


def plan(*arguments):
    """Compares the report with the plan that airpack makes with the same arguments.

    Only the size of the kernels is an estimate, which must not be too small.
    """
    packed = json.loads(run(*arguments, "--emit", "json").stdout)
    report = explain(*arguments)
    check_sums(report)
    items = packed["placements"][0]["items"]
    ledger = {item["name"]: item["bytes"] for item in items}
    for name in ("kv", "activations", "scratch", "process"):
        assert row(report, name)["ram_bytes"] == ledger[name], (name, row(report, name), ledger)
    # A plan rounds the size of each segment up to whole pages.
    pages = 4096 * len(packed["segments"])
    assert 0 <= ledger["weights"] - report["model"]["weight_bytes"] < pages, (report["model"], ledger)
    assert ledger["kernels"] <= row(report, "kernels")["ram_bytes"] <= ledger["kernels"] + (2 << 20)
    prediction = packed["placements"][0]["predictions"][0]
    (expected,) = [l for l in prediction["links"] if l["link"] == "dram"]
    (link,) = report["links"]
    # A plan counts the bytes that dispatches bind. The report also counts the
    # gaps between tensors.
    assert link["link"] == "dram" and link["bandwidth"] == expected["bandwidth"]
    ratio = link["bytes_per_token"] / expected["bytes_per_pass"]
    assert 0.999 < ratio < 1.01, ratio
    assert abs(report["decode_tok_s"] * prediction["nanoseconds"] / 1e9 - 1) < 0.01
    assert report["limited_by"] == prediction["limit"] == "dram"
    check_verify(report, packed["placements"][0], 0.01)


def check_verify(report, placement, tolerance):
    """A verify pass of 4 tokens moves the bytes of a decode pass, and computes more."""
    decode, verify = placement["predictions"]
    assert (decode["phase"], verify["phase"]) == ("decode", "verify"), placement["predictions"]
    assert report["verify_tokens"] == 4
    assert verify["nanoseconds"] >= decode["nanoseconds"], (verify, decode)
    links, others = ({l["link"]: l["bytes_per_pass"] for l in p["links"]} for p in (decode, verify))
    ratio = report["verify_s"] / (verify["nanoseconds"] / 1e9)
    # If the rate of the arithmetic is not known, a plan for a CPU leaves the
    # arithmetic out, but the report assumes the rate of prompts.
    is_known = "cpu" in links or "vram" in links
    assert 1 - tolerance < ratio and (ratio < 1 + tolerance or not is_known), (report["verify_s"], verify)
    assert links.keys() == others.keys(), (links, others)
    for name, count in links.items():
        assert others[name] > count if name == "cpu" else others[name] == count, (name, links, others)


def gpu_plan(*arguments):
    """The rows and the prediction are those that `airpack inspect --json` prints of the plan."""
    done = run(*arguments, "--weightless", "-o", "explained.air")
    assert done.returncode == 0, done.stderr
    packed = json.loads(run("inspect", "--json", "explained.air").stdout)
    os.remove("explained.air")
    report = explain(*arguments)
    check_sums(report)
    assert report["devices"] == "gpu" and report["has_kernels"]
    placement = packed["placements"][0]
    weights = ("attention", "ffn", "head", "embedding table", "other", "padding")
    for tier, key in (("Vram", "vram_bytes"), ("Ram", "ram_bytes")):
        items = {i["name"]: i["bytes"] for i in placement["items"] if i["tier"] == tier and i["bytes"] != 0}
        rows = {r["name"]: r[key] for r in report["placement"] if r["name"] not in weights}
        rows.pop("driver", None)
        rows["weights"] = sum(row(report, name)[key] for name in weights)
        rows = {name: count for name, count in rows.items() if count != 0}
        assert rows == items, (tier, rows, items)
        (budget,) = [b["bytes"] for b in placement["budgets"] if b["tier"] == tier]
        assert report["capacity"][key] == budget + (1 << 30 if tier == "Vram" else 0)
    prediction = placement["predictions"][0]
    links = {l["link"]: (l["bytes_per_token"], l["bandwidth"]) for l in report["links"]}
    assert links == {l["link"]: (l["bytes_per_pass"], l["bandwidth"]) for l in prediction["links"]}, links
    assert report["limited_by"] == prediction["limit"]
    assert abs(report["decode_tok_s"] * prediction["nanoseconds"] / 1e9 - 1) < 1e-9
    check_verify(report, placement, 1e-9)


def gpus(model):
    names = re.search(r"; GPUs: (.*) \(GPUs of AMD", run(model, "--target", "none").stderr).group(1).split(", ")
    assert len(names) == 39 and "v100" not in names, names
    speed = {}
    for name in names:
        report = explain(model, "--target", name)
        check_sums(report)
        assert report["has_kernels"] is not name.startswith(("rx", "arc")), name
        speed[name] = report["decode_tok_s"]
        assert speed[name] > 0 and report["first_token_s"] >= report["first_token_warm_s"] > 0
        assert report["decode_tok_s_full_context"] <= speed[name]
        fluid = report["decode_tok_s_fluid"]
        assert fluid is None if report["has_kernels"] else speed[name] <= fluid * 1.01
    for slow, fast in (("rtx2060", "rtx3060"), ("rtx3060", "rtx3090"), ("rtx3090", "rtx4090"),
                       ("rtx4090", "rtx5090"), ("t4", "l4"), ("l4", "l40s"), ("a100", "h100"),
                       ("h100", "h200"), ("h200", "b200"), ("rx6600", "rx7900xtx")):
        assert speed[slow] <= speed[fast], (slow, fast, speed)


def resident_pages(path, start):
    """The pages of a file from byte `start` on that are in the page cache."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    page = mmap.PAGESIZE
    begin = -(-start // page) * page
    size = os.stat(path).st_size - begin
    file = os.open(path, os.O_RDONLY)
    address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, begin)
    assert address != ctypes.c_void_p(-1).value
    states = (ctypes.c_ubyte * -(-size // page))()
    assert libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), states) == 0
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    os.close(file)
    return len(states) - bytes(states).count(0)


def large(model):
    inspected = json.loads(run("inspect", "--json", model).stdout)
    header = min(tensor["offset"] for tensor in inspected["tensors"])
    for target in ("rx7900xtx", "b200", "zen4"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = explain(model, "--target", target)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert seconds < 1, seconds
        check_sums(report)
        # The weights take 243 GB. The machines have at most 24 GiB of VRAM and
        # 32 GiB of RAM, except for the B200, where 179 GiB and 256 GiB hold all
        # weights.
        assert report["limited_by"] == ("pcie" if target == "b200" else "disk"), report["limited_by"]
    # The last page of the headers may hold the first weights.
    assert resident_pages(model, header + mmap.PAGESIZE) == 0


def advice(model):
    for arguments in (["--target", "zen4", "--ram", "1GiB", "--disk", "0"],
                      ["--target", "zen4", "--ram", "1GiB", "--ctx", "100000"],
                      ["--target", "rx7900xtx", "--ram", "1GiB", "--vram", "1GiB", "--ctx", "100000"],
                      ["--target", "zen4", "--ram", "256MiB"]):
        refused = run(model, *arguments, "--explain")
        assert refused.returncode == 5 and refused.stdout == "", refused
        ram = int(re.search(r"--ram (\d+)MiB or more", refused.stderr).group(1))
        with_ram = lambda mebibytes: run(model, *arguments[:2], *arguments[4:], "--ram", f"{mebibytes}MiB", "--explain")
        assert with_ram(ram).returncode == 0, (arguments, refused.stderr, with_ram(ram).stderr)
        assert with_ram(ram - 2).returncode == 5, (arguments, refused.stderr)
        context = re.search(r"--ctx (\d+) or less", refused.stderr)
        if context:
            rest = [a for i, a in enumerate(arguments) if "--ctx" not in arguments[max(0, i - 1):i + 1]]
            with_context = lambda tokens: run(model, *rest, "--ctx", str(tokens), "--explain").returncode
            assert with_context(context.group(1)) == 0, refused.stderr
            assert with_context(int(context.group(1)) + 128) == 5, refused.stderr


{"options": options, "plan": plan, "gpu-plan": gpu_plan, "gpus": gpus, "large": large, "advice": advice}[sys.argv[1]](*sys.argv[2:])
print("the explanation holds")
