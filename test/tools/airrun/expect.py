#!/usr/bin/env python3
"""expect.py CODE TEXT COMMAND...: the command must fail with exactly one line.

Its exit code must be CODE, standard error must be one line that contains TEXT,
and standard output must be empty.
"""
import subprocess
import sys

code, text, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
lines = done.stderr.decode().splitlines()
if done.returncode != code or len(lines) != 1 or text not in lines[0] or done.stdout:
    sys.exit(f"{command}: exit {done.returncode}, wanted {code} and {text!r};\n"
             f"stderr: {lines}\nstdout: {done.stdout[:200]}")
