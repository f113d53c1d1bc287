#!/usr/bin/env python3
"""interrupt.py PLAN: SIGINT during an answer that would take minutes.

The answer's line is ended, standard error says what happened, the exit code is
0 and the process is gone at once.
"""
import signal
import subprocess
import sys

child = subprocess.Popen(
    ["airrun", sys.argv[1], "--tokens", "1", "-n", "4000000", "--temp", "0", "--ignore-eos"],
    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
first = child.stdout.read(1)
assert first == b"a", first
child.send_signal(signal.SIGINT)
rest, errors = child.communicate(timeout=60)
assert child.returncode == 0, (child.returncode, errors)
assert rest.endswith(b"\n"), rest[-20:]
assert b"; interrupted\n" in errors, errors
