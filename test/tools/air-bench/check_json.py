#!/usr/bin/env python3
"""check_json.py FILE ROW: Google Benchmark's JSON must contain the limits and ROW."""
import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)
rows = {row["name"]: row for row in report["benchmarks"]}
memory = [row for name, row in rows.items() if name.startswith("limit/dram_read/threads:")]
fma = [row for name, row in rows.items() if name.startswith("limit/fma_f32/threads:")]
assert memory and all(row["GB/s"] > 0 for row in memory), rows.keys()
assert len(fma) == 1 and fma[0]["GFLOP/s"] > 0, rows.keys()
barriers = [row for name, row in rows.items() if name.startswith("limit/barrier/threads:")]
assert len(barriers) == len(memory) and all(0 <= row["us"] < 1e5 for row in barriers), rows.keys()
row = rows[sys.argv[2]]
assert set(rows) - {row["name"]} == {name for name in rows if name.startswith("limit/")}, rows.keys()
assert row["real_time"] > 0 and row["GB/s"] > 0 and row["GFLOP/s"] > 0, row
assert 0 < row["share"] <= 1.05, row
print(f"{row['name']}: {row['share']:.3f} of its limit")
