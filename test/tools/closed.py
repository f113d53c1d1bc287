#!/usr/bin/env python3
"""closed.py STREAM CODE TEXT COMMAND...: runs the command with one of its
standard streams (0, 1 or 2) closed. It must end with CODE and, if standard error is
open, print TEXT there."""
import os
import subprocess
import sys

stream, code, text, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
done = subprocess.run(command, capture_output=True, text=True,
                      preexec_fn=lambda: os.close(stream))
if done.returncode != code or text not in done.stderr:
    sys.exit(f"{command}: exit {done.returncode}, wanted {code} and {text!r};\n{done.stderr}")
