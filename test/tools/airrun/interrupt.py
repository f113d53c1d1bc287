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
    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    # The test itself may run where SIGINT is ignored.
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
first = child.stdout.read(1)
assert first == b"a", first
child.send_signal(signal.SIGINT)
rest, errors = child.communicate(timeout=60)
assert child.returncode == 0, (child.returncode, errors)
assert rest.endswith(b"\n"), rest[-20:]
assert b"; interrupted\n" in errors, errors

# What a script puts into the background ignores SIGINT, and goes on doing so.
child = subprocess.Popen(
    ["airrun", sys.argv[1], "--tokens", "1", "-n", "2000", "--temp", "0", "--ignore-eos"],
    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
assert child.stdout.read(1) == b"a"
child.send_signal(signal.SIGINT)
_, errors = child.communicate(timeout=60)
assert b"; -n reached\n" in errors, errors
