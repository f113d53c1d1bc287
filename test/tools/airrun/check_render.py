#!/usr/bin/env python3
"""check_render.py MODEL CASES TEMPLATES: airrun render must print what jinja2 has rendered.

CASES was made by test/Inputs/templates/compare.py from the templates in the folder TEMPLATES.
The vocabulary of MODEL has the BOS and EOS tokens of the cases, <s> and </s>.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

model, cases, templates = sys.argv[1:]
file = json.load(open(cases))
printed = refused = 0
for case in file["cases"]:
    context = dict(file["contexts"][case["talk"]])
    name = f"{case['template']}: {case['talk']}"
    command = ["airrun", "render", model, "--chat-template", f"{templates}/{case['template']}", "--date", "2024-07-26"]
    for token in ("bos_token", "eos_token"):
        del context[token]
    if not context.pop("add_generation_prompt"):
        command.append("--no-generation-prompt")
    with tempfile.TemporaryDirectory() as folder:
        for part in ("messages", "tools"):
            if part in context:
                path = Path(folder, part)
                path.write_text(json.dumps(context.pop(part)))
                command += ["--" + part, path]
        if context:
            command += ["--kwargs", json.dumps(context)]
        done = subprocess.run(command, capture_output=True)
    if "output" in case:
        if done.stdout != case["output"].encode() or done.returncode != 0 or done.stderr:
            sys.exit(f"{name}: exit {done.returncode}, {done.stderr}\n{done.stdout}\nexpected {case['output']!r}")
        printed += 1
    else:
        if done.returncode != 3 or done.stdout or b"template line " not in done.stderr:
            sys.exit(f"{name}: exit {done.returncode}, {done.stderr}\n{done.stdout}")
        refused += 1
print(f"{printed} texts as from jinja2, {refused} refused")
