#!/usr/bin/env python3
"""check_plan_json.py INSPECT REPORT TOKENS CONTEXT: checks air-bench's report of a pass.

INSPECT is the output of `airpack inspect` for the plan. The steps, bytes and
operations are counted again from its records; the sums and bounds are computed
again from the parts of the report.
"""
import json
import math
import sys

with open(sys.argv[1]) as file:
    plan = json.load(file)
with open(sys.argv[2]) as file:
    report = json.load(file)
tokens, context = int(sys.argv[3]), int(sys.argv[4])
outputs = tokens if tokens <= 8 else 1


def near(a, b, what, tolerance=1e-4):
    assert math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12), (what, a, b)


assert (report["tokens"], report["context"], report["outputs"]) == (tokens, context, outputs), report
assert report["rounds"] >= 1 and report["passes"] >= report["rounds"] and report["timed_passes"] >= 1
assert report["unsteady_passes"] >= 0
limits = report["limits"]
assert limits["link"] in ("dram", "cache") and 0 < limits["median_gb_s"] <= limits["gb_s"], limits

program = next(p for p in plan["programs"] if p["min_tokens"] <= tokens <= p["max_tokens"])
assert [s["name"] for s in report["steps"]] == [s["name"] for s in program["steps"]]
model, (group,) = plan["model"], plan["cache_groups"]
position = group["page_bytes"] // len(plan["caches"]) // group["page_tokens"]
rates = {"fma_f32": limits["fma_gflop_s"] * 1e9, "byte_dot": limits["byte_dot_gop_s"] * 1e9,
         "bf16_dot": limits["bf16_dot_gflop_s"] * 1e9}
keys = sum(context + i + 1 for i in range(tokens))
barriers = 0
attention = 0
for step, record in zip(report["steps"], program["steps"]):
    assert step["kind"] == record["kind"] and len(step["dispatches"]) == len(record["dispatches"])
    for dispatch, source in zip(step["dispatches"], record["dispatches"]):
        name = plan["executables"][source["executable"]]["entries"][source["entry"]]
        assert dispatch["kernel"] == name, (dispatch, name)
        grid = source["grid"]
        rows = outputs if grid["rows_from"] == "Outputs" else tokens
        weights = source["weight_bytes"] * (tokens if record["kind"] == "Embed" else 1)
        operations = source["flops_per_row"] * rows
        cache = 0
        for binding in source["bindings"]:
            if binding["kind"] == "Kv" and binding["access"] == "Read":
                cache += position * (context + tokens)
                operations = 4 * model["heads"] * model["head_dim"] * keys
                attention += 1
            elif binding["kind"] == "Kv":
                cache += position * tokens
        assert dispatch["weight_bytes"] == weights and dispatch["kv_bytes"] == cache, (dispatch, weights, cache)
        assert dispatch["operations"] == operations, (dispatch, operations)
        rate = rates[dispatch["arithmetic"]]
        if "matmul_" in name and "_i8x2_" in name:
            assert dispatch["arithmetic"] == "byte_dot", name
            rate /= 2  # each weight is multiplied by two bytes
        near(dispatch["byte_bound_s"], (weights + cache) / (limits["gb_s"] * 1e9), name)
        near(dispatch["operation_bound_s"], operations / rate, name)
        near(dispatch["bound_s"], max(dispatch["byte_bound_s"], dispatch["operation_bound_s"]), name)
        assert dispatch["bound_s"] > 0 and dispatch["seconds"] > 0, dispatch
        assert 0 < dispatch["share"] <= 1.05, dispatch
        near(dispatch["share"], dispatch["bound_s"] / dispatch["seconds"], name)
        barriers += source["barrier"]
assert attention == model["layers"], attention


def is_further_part(place):
    """Whether the step at this place of the program continues a divided step: layer.3.ffn_in, layer.3.ffn_in.1, ..."""
    name, _, number = program["steps"][place]["name"].rpartition(".")
    return (number.isdigit() and place >= int(number) > 0 and program["steps"][place - int(number)]["name"] == name)


parts = ("seconds", "weight_bytes", "kv_bytes", "operations", "byte_bound_s", "operation_bound_s", "bound_s")
for key in parts:
    for step in report["steps"]:
        near(step[key], sum(d[key] for d in step["dispatches"]), (step["name"], key))
    for kind in report["kinds"]:
        mine = [s for s in report["steps"] if s["kind"] == kind["kind"]]
        assert kind["steps"] == sum(not is_further_part(i) for i, s in enumerate(program["steps"])
                                    if s["kind"] == kind["kind"]) > 0, kind
        near(kind[key], sum(s[key] for s in mine), (kind["kind"], key))
assert len({k["kind"] for k in report["kinds"]}) == len(report["kinds"])

whole = report["pass"]
for key in parts[1:]:
    near(whole[key], sum(s[key] for s in report["steps"]), key)
dispatches = sum(s["seconds"] for s in report["steps"])
near(whole["dispatches_s"], dispatches, "dispatches_s")
assert whole["seconds"] > 0 and 0 < whole["share"] <= 1.05, whole
near(whole["share"], whole["bound_s"] / whole["seconds"], "share")
near(whole["tok_s"], tokens / whole["seconds"], "tok_s")
assert whole["timing_s"] > 0 and whole["empty_pass_s"] > 0 and whole["barriers"] == barriers, whole
# If other programs slow down the measurement of the limits before and after a pass,
# the pass may be faster than these limits, and then does not count. There are
# adjacent shares only if more than half of the passes count.
assert (whole["adjacent_share"] is None) == (2 * whole["adjacent_passes"] <= report["passes"]), whole
low, middle, high = whole["adjacent_share"] or (1, 1, 1)
assert 0 < low <= middle <= high <= 1.05, whole
# outside_s is a difference of rounded numbers, so a tolerance is needed.
assert abs(whole["outside_s"] - (whole["seconds"] - dispatches + whole["timing_s"])) < 1e-4 * dispatches, whole
print(f"{tokens} tokens after {context}: {whole['share']:.3f} of the bounds")
