#!/usr/bin/env python3
"""check_fake.py logits|bench|decode|prefill|curve|probe|gpu FILE: checks outputs of airrun on the fake plan.
check_fake.py saved FILE PROFILE: checks a saved probe against the profile that airrun printed.

The model's formula is in test/runtime/fake/FakePlan.h.
"""
import array
import json
import sys

VOCABULARY = 260


def logits(path):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    tokens = range(1, 12)
    assert len(values) == len(tokens) * VOCABULARY, len(values)
    history = 0
    for row, token in enumerate(tokens):
        history += token * (row % 7 + 1)
        for v in range(VOCABULARY):
            wanted = v % 5 + history - 64 * abs(token + 1 - v)
            assert values[row * VOCABULARY + v] == wanted, (row, v)


def bench(path):
    with open(path) as file:
        got = json.load(file)
    assert got["prefill"]["tokens"] == 40 and got["prefill"]["tok_s"] > 0, got
    decode = got["decode"]
    assert decode["tokens"] == 20 and decode["tok_s"] > 0, got
    assert 0 < decode["eta"] <= 1.05 and decode["beta"] == 1, got
    assert decode["p50_ms"] <= decode["p99_ms"], got
    (link,) = got["links"]
    # A pass reads a row of the embedding table (64 bytes) and the bias (1040
    # bytes). The KV cache has 8 bytes per position. At position p, a pass reads
    # p + 1 positions and writes one.
    kv = sum(8 * (position + 2) for position in range(40, 60)) / 20
    assert link["bytes_per_token"] == 64 + 1040 + kv, (got, kv)
    assert 0 < link["share"] <= 1.05, got
    assert abs(link["share"] - link["gb_s"] / link["limit_gb_s"]) < 1e-3, got
    assert {s["kind"] for s in got["steps"]} == {"Embed", "Attn", "Head"}, got
    assert got["peak_rss_bytes"] > 1 << 20 and got["first_token_s"] > 0, got


def decode(path):
    """Checks a report of decode without a prompt, which starts with an empty cache."""
    with open(path) as file:
        got = json.load(file)
    assert "prefill" not in got and got["decode"]["tokens"] == 20, got
    kv = sum(8 * (position + 2) for position in range(20)) / 20
    assert got["links"][0]["bytes_per_token"] == 64 + 1040 + kv, (got, kv)
    assert all(step["prefill_s"] == 0 for step in got["steps"]), got
    assert got["first_token_s"] > 0, got


def prefill(path):
    with open(path) as file:
        got = json.load(file)
    assert "decode" not in got and "links" not in got, got
    assert got["prefill"]["tokens"] == 40 and got["prefill"]["tok_s"] > 0, got
    assert all(step["decode_s"] == 0 for step in got["steps"]), got
    assert got["first_token_s"] > 0, got


def curve(path):
    with open(path) as file:
        got = json.load(file)
    assert [point["tokens"] for point in got["verify_curve"]] == [1, 2, 8], got
    for point in got["verify_curve"]:
        # The KV cache has 6 pages, and each sequence takes at least one, so
        # there is no room for 8 sequences.
        assert (point["sequences"] is None) == (point["tokens"] == 8), point
        for kind in ("one_sequence", "sequences")[:1 if point["tokens"] == 8 else 2]:
            # All weights of this model stay in memory.
            assert point[kind]["disk_bytes"] == 0 and point[kind]["seconds"] > 0, point
            first = got["verify_curve"][0][kind]["seconds"]
            assert abs(point[kind]["relative"] / (point[kind]["seconds"] / first) - 1) < 1e-3, point


def probe(path):
    with open(path) as file:
        got = json.load(file)
    assert got["measured"] is True, got
    # The bounds are the bandwidth of a memory bus of the 1990s, and one that no
    # machine of today reaches.
    assert 1e8 < got["memory_bandwidth"] < 1e14, got
    cpu = got["cpu"]
    for rate in ("fma_f32", "byte_dot", "byte_dot_mixed", "read_bandwidth", "planes_decode", "zstd_decode"):
        assert 1e7 < cpu[rate] < 1e13, cpu
    # A rate of tile registers is in the file only if the CPU has them.
    for rate, feature in (("bf16_tile", "amx-bf16"), ("byte_tile", "amx-int8")):
        assert (rate in cpu) == (feature in got["features"]), cpu
        assert 1e7 < cpu.get(rate, 1e12) < 1e14, cpu
    # Loads in three orders are measured, each order without prefetches and with
    # each of five prefetch hints.
    ways = {(way["loads"], way["hint"]) for way in cpu["streams"]}
    assert len(ways) == 3 * 6, ways
    threads = [rate["threads"] for rate in got["memory_curve"]]
    assert threads[0] == 1 and threads[-1] == got["cores"], got
    assert got["memory_curve"][-1]["bandwidth"] == got["memory_bandwidth"], got
    assert got.get("memory_limit", got["memory_bytes"]) >= got["memory_bytes"], got
    assert got["memlock_limit"] > 0, got
    # Each rate must lie between the speeds of a floppy disk and of RAM.
    disk = got["disk"]
    assert disk["cached"] == "unknown" and len(disk["curve"]) >= 3, disk
    rates = [rate["bandwidth"] for rate in disk["curve"]]
    assert all(1e4 < rate < 1e12 for rate in rates), rates
    # `disk_bandwidth` is the rate with a ring of the usual size, 24 MiB.
    rings = {ring["bytes"]: ring["bandwidth"] for ring in disk["rings"]}
    assert all(1e4 < rate < 1e12 for rate in rings.values()), rings
    assert got["disk_bandwidth"] == rings[24 << 20], got
    # While both are read, disk and memory each reach a share of the rate that
    # they have alone. It must be neither almost 0 nor far above 1.
    for share in (disk["bandwidth_beside"] / got["disk_bandwidth"], disk["memory_beside"] / got["memory_bandwidth"]):
        assert 0.001 < share < 100, disk


def gpu(path):
    """Checks the GPU of the fake driver, which copies 10,000 bytes per microsecond."""
    with open(path) as file:
        (got,) = json.load(file)["gpus"]
    # A copy of 4 MiB takes 420 whole microseconds.
    assert abs(got.pop("transfer_bandwidth") / ((4 << 20) / 420e-6) - 1) < 1e-5, got
    # A copy within the GPU reads and writes each byte, so each counts twice.
    assert abs(got.pop("memory_bandwidth") / 20e9 - 1) < 1e-2, got
    assert got == {"name": "emulated GPU", "backend": "cuda", "memory_bytes": 64 << 20, "f16_ops": 0,
                   "arch": "sm_90a", "multiprocessors": 2}, got


def saved(path):
    with open(path) as file, open(sys.argv[3]) as printed:
        got = json.load(file)
        assert got["profile"] == json.load(printed), got
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    assert not names or names[0] in got["cpu_model"], (names, got)


{"logits": logits, "bench": bench, "decode": decode, "prefill": prefill, "curve": curve, "probe": probe, "gpu": gpu,
 "saved": saved}[sys.argv[1]](sys.argv[2])
