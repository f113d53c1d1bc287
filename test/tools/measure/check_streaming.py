#!/usr/bin/env python3
"""check_streaming.py SCRIPT: checks the figures that measure_streaming.py derives from reports."""
import contextlib
import importlib.util
import io
import math
import os
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("measure_streaming", sys.argv[1])
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def report(tok_s, disk_gb_s=None, first=1.0, peak=900):
    """Returns a report as measure_streaming.py makes it of what airrun bench prints.

    If `disk_gb_s` is given, each pass reads 2 of the plan's 5 GB from the disk, and a plain reader takes 1.25 s for
    these 2 GB.
    """
    made = {"threads": 2, "peak": peak, "first_token_s": first, "plain_load_s": first / 2, "peak_rss_bytes": 1000,
            "plain_pass_s": 1.25 if disk_gb_s else 0,
            "decode": {"tok_s": tok_s, "bound_tok_s": 10, "predicted_tok_s": 1.1, "plan_predicted_tok_s": 1.5,
                       "beta": 1.0, "eta": tok_s / 10},
            "links": [{"name": "dram", "limit_gb_s": 50}],
            "prediction": [{"name": "dram", "plan_gb_s": 40, "measured_gb_s": 50}]}
    if disk_gb_s:
        made["links"].append({"name": "disk", "limit_gb_s": disk_gb_s})
        made["prediction"].append({"name": "disk", "plan_gb_s": 3, "measured_gb_s": disk_gb_s})
        made["decode"] |= {"joint_tok_s": 4 * tok_s, "joint_eta": 0.25}
        made["streaming"] = {"bytes_per_pass": 2_000_000_000, "ring_bytes": 24, "resident_bytes": 3_000_000_000}
    return made


CASE = {"ratio": 2.0, "limit": 1000, "plan": None, "pin": None, "same": True}
ALONE = [report(8.0), report(5.0), report(6.0)]


def near(found, expected):
    assert math.isclose(found, expected, rel_tol=1e-9), (found, expected)


# A pass reads 2 GB, and the median rate of the disk is 2 GB/s, so a pass takes
# at least 1 s. A pass of the resident plan takes only 1/6 s.
row = script.summary(CASE, [report(0.9, 2), report(0.8, 1.9), report(1.0, 2.5, 3.0, 950)], ALONE, [])
near(row["tok_s"], 0.9)
near(row["bound_tok_s"], 1.0)
near(row["eta"], 0.9)
near(row["resident_tok_s"], 6.0)
assert row["limited_by"] == "disk" and "peer_tok_s" not in row, row
near(row["dram_eta"], 0.09)
near(row["plain_tok_s"], 0.8)
near(row["plain_eta"], 0.9 / 0.8)
near(row["joint_tok_s"], 3.6)
near(row["joint_eta"], 0.25)
near(row["prediction_error"], 1.1 / 0.9 - 1)
near(row["peak_share"], 0.95)
near(row["kept_share"], 0.6)
near(row["first_token_s"], 1.0)
near(row["first_token_bound_s"], 0.5)
assert row["rates"][1] == {"name": "disk", "plan_gb_s": 3, "measured_gb_s": 2}, row

# With a disk of 100 GB/s, the speed of the resident plan is the limit.
row = script.summary(CASE, [report(5.0, 100)] * 3, ALONE, [1.0, 2.0, 4.0])
near(row["bound_tok_s"], 6.0)
near(row["eta"], 5 / 6)
assert row["limited_by"] == "resident pass", row
near(row["times_peer"], 2.5)
text = io.StringIO()
with contextlib.redirect_stdout(text):
    script.print_row(row, False)
for part in ("ours x 2.50", "(plain 6.250 of 0.800, dram", "disk 100.00 (3.00)", "together 0.250 of 20.000;"):
    assert part in text.getvalue(), text.getvalue()

# A peer that was killed in any round has no rate.
killed = script.summary(CASE, [report(5.0, 100)] * 3, ALONE, [1.0, None, 4.0])
assert killed["peer_tok_s"] is None and killed["times_peer"] is None, killed

# If a plan reads nothing in each pass, the rate of the disk is 0.
whole = script.summary(CASE, ALONE, ALONE, [])
near(whole["eta"], 1.0)
near(whole["plain_eta"], 1.0)
near(whole["kept_share"], 1.0)
assert whole["joint_tok_s"] is None and whole["joint_eta"] is None, whole
assert whole["bytes_per_pass"] == 0 and whole["disk_gb_s"] == 0, whole

rows = [{"pin": None, "tok_s": 1.9}, {"pin": 0, "tok_s": 1.0}, {"pin": 40, "tok_s": 2.0}]
own, best, share = script.best_pin(rows)
assert own["tok_s"] == 1.9 and best["pin"] == 40, (own, best)
near(share, 0.95)

# If a plan has coded weights, no plain pass is measured, so there is no figure.
coded = script.summary(CASE, [report(0.9, 2) | {"plain_pass_s": 0}] * 3, ALONE, [])
assert coded["plain_tok_s"] is None and coded["plain_eta"] is None, coded
with contextlib.redirect_stdout(io.StringIO()) as text:
    script.print_row(coded, False)
assert "plain" not in text.getvalue(), text.getvalue()

# plain_pass() reads ranges that end between blocks, and fails if the file is too short.
with tempfile.NamedTemporaryFile() as file:
    file.write(os.urandom(20 << 20))
    file.flush()
    assert 0 < script.plain_pass(Path(file.name), [(4096, 9 << 20), (12 << 20, 8192)], 24 << 20) < 60
    try:
        script.plain_pass(Path(file.name), [(0, 21 << 20)], 24 << 20)
        sys.exit("a range beyond the end of the file is read")
    except SystemExit as error:
        assert "fewer bytes" in str(error), error

# plain_load() keeps none, a part, or all of a file of 5 MiB in memory.
with tempfile.NamedTemporaryFile() as file:
    file.write(os.urandom(5 << 20))
    file.flush()
    for kept, ring in ((0, 2 << 20), (3 << 20, 1 << 20), (5 << 20, 0), (9 << 20, 0)):
        assert 0 < script.plain_load(Path(file.name), kept, ring) < 60
