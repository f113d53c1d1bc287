#!/usr/bin/env python3
"""check_streaming_parts.py WHOLE.air PART.air TOKENS: compares the logits of two plans.

Both plans are of the same model. The first one keeps all weights in RAM, and the
second one reads some of them in every pass. The logits of the tokens that the file
TOKENS lists must be equal, bit for bit, for passes of every size.
"""
import sys
from pathlib import Path

import airtest as t

whole, part, tokens = sys.argv[1:]
ids = Path(tokens).read_text()
for batch, count in ((1, 3), (5, 10), (100, 100)):
    files = []
    for plan in (whole, part):
        files.append(Path(f"{plan}.{batch}.f32"))
        t.run(t.AIRRUN, "logits", plan, "--tokens",
              ",".join(ids.split(",")[:count]), "--batch", str(batch), "-o",
              str(files[-1]))
    first, second = (file.read_bytes() for file in files)
    assert len(first) > 0 and first == second, f"batch {batch}"
print("the logits are equal")
