#!/usr/bin/env python3
"""check_variants.py FILE: the JSON of air-bench --variants for one thread."""
import json
import sys

(table,) = json.load(open(sys.argv[1]))
assert table["threads"] == 1 and table["rounds"] >= 7, table
assert 0.2 < table["clock_ghz"] < 20, table["clock_ghz"]
rows = {row["variant"]: row for row in table["variants"]}
assert {"model", "none", "t0 4608", "t1 4608", "t2 4608", "tiles of 32"} <= rows.keys(), rows.keys()
assert {row["activation"] for row in rows.values()} == {"f32", "i8x2", "i8grid"}, rows.keys()
for row in rows.values():
    assert row["memory"]["gb_s"] <= 1.05 * table["best_read_gb_s"], row
    for place in ("cache", "memory"):
        assert row[place]["cycles_per_block"] > 0 and row[place]["predicted_cycles"] > 0, row
    assert (row["prefetch_hint"] == "none") == (row["prefetch_bytes"] == 0), row
print(f"{len(rows)} variants")
