#!/usr/bin/env python3
"""check_tokenize.py same MODEL PLAN STRINGS | vectors PLAN VECTORS [OPTION...]

same: `airrun tokenize --strings` must print the same for a GGUF file and for its plan.
vectors: without BOS, the plan's ids must be those of VECTORS, a list of {text, ids}.
"""
import json
import subprocess
import sys
import tempfile


def tokenize(path, strings, *options):
    return subprocess.run(["airrun", "tokenize", path, "--strings", strings, *options], check=True,
                          capture_output=True).stdout


if sys.argv[1] == "same":
    model, plan, strings = sys.argv[2:]
    seen = set()
    for options in ([], ["--no-bos"], ["--no-special"], ["--no-bos", "--no-special"]):
        ours = tokenize(plan, strings, *options)
        if ours != tokenize(model, strings, *options):
            sys.exit(f"{plan} and {model} give other ids with {options}")
        if len(json.loads(ours)) != len(json.load(open(strings))):
            sys.exit(f"{plan}: a text is missing with {options}")
        seen.add(ours)
    if len(seen) < 2:
        sys.exit(f"{plan}: no option changes any id")
    print(f"{plan}: the ids of {model}")
else:
    plan, vectors, *options = sys.argv[2:]
    cases = json.load(open(vectors))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as strings:
        json.dump([case["text"] for case in cases], strings)
        strings.flush()
        ours = json.loads(tokenize(plan, strings.name, "--no-bos", *options))
    for case, ids in zip(cases, ours, strict=True):
        if ids != case["ids"]:
            sys.exit(f"{plan}: {case['text']!r}: {ids}, expected {case['ids']}")
    print(f"{plan}: {len(cases)} texts as in {vectors}")
