#!/usr/bin/env python3
"""check_cli_docs.py ROOT OUT: docs/cli.md must agree with --help.

Generates the page again, into OUT, with the programs in the folder of AIRPACK, and compares the two.
"""
import difflib
import os
import subprocess
import sys
from pathlib import Path

root, out = Path(sys.argv[1]), Path(sys.argv[2])
page = root / "docs" / "cli.md"
folder = Path(os.environ["AIRPACK"]).parent
subprocess.run(["bash", root / "tools" / "make-docs.sh", folder, out], check=True)
fresh, committed = out.read_text(), page.read_text()
for heading in ("## airpack", "### airpack inspect", "### airpack verify", "## airrun", "### airrun tokenize",
                "### airrun logits", "### airrun perplexity", "### airrun bench", "### airrun probe", "## air-gen",
                "## air-bench", "## air-gpu-bench", "### air-gpu-bench prepare"):
    if f"\n{heading}\n" not in fresh:
        sys.exit(f"tools/make-docs.sh lost the section '{heading}': has the layout of --help changed?")
if fresh != committed:
    print("".join(difflib.unified_diff(committed.splitlines(True), fresh.splitlines(True),
                                       "docs/cli.md", "--help")))
    sys.exit(f"docs/cli.md differs from --help; run: bash tools/make-docs.sh {os.path.relpath(folder, root)}")
print(f"docs/cli.md agrees with --help: {len(fresh.splitlines())} lines")
