#!/usr/bin/env python3
"""check_measure.py REPORT TYPES [LOG]: checks measure.py's JSON. LOG lists the calls of the fake peer."""
import json
import math
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)
assert (report["shape"], report["prompt"], report["decode"]) == ("1b", 24, 4), report
assert [model["type"] for model in report["models"]] == sys.argv[2].split(","), report
for model in report["models"]:
    decode, prefill = model["decode"], model["prefill"]
    assert model["rounds"] == 2 and model["threads"] >= 1 and model["pack_s"] > 0, model
    # The models are Llamas of one layer. K and V are 128 x 256, Q and O are 256
    # x 256, and each of the three FFN matrices is 512 x 256.
    layer = 2 * 128 * 256 + 2 * 256 * 256 + 3 * 512 * 256
    assert model["plan_bytes"] > layer * (2 if model["type"] == "F16" else 0.5), model
    assert decode["tok_s"] > 0 and 0 < decode["share"] <= 1.05 and decode["limit_gb_s"] > 0, model
    assert prefill["tok_s"] > 0 and 0 < prefill["share"] <= 1.05, model
    assert math.isclose(prefill["share"], prefill["gflop_s"] / prefill["peak_gflop_s"], rel_tol=1e-6), model
    assert prefill["peak"] == "fma_f32" or model["type"] != "F16", model
    # Each token of the prompt goes through at least the matmuls of the layer.
    assert prefill["gflop_s"] * 1e9 > 0.9 * 2 * layer * prefill["tok_s"], model
    names = [peer["name"] for peer in model["peers"]]
    if len(sys.argv) == 3:
        assert names == [], names
        continue
    assert names == ["fake-llama-bench", "fake-llama-bench --repack 0"], names
    for peer in model["peers"]:
        assert peer["decode"]["tok_s"] == 1 and peer["prefill"]["tok_s"] == 2, peer
        assert math.isclose(peer["decode"]["ours"], decode["tok_s"]), peer
        assert math.isclose(peer["prefill"]["ours"], prefill["tok_s"] / 2), peer
        assert math.isclose(peer["prefill"]["share"], prefill["share"] / peer["prefill"]["ours"]), peer
if len(sys.argv) > 3:
    with open(sys.argv[3]) as file:
        asked = file.read().splitlines()
    once = [line for repack in "10" for line in (f"decode 0 4 24 {repack}", f"prefill 24 0 0 {repack}")]
    assert asked == 2 * once, asked
