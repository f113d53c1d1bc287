#!/usr/bin/env python3
"""Runs a command again until it succeeds, at most 12 times.

  run_again.py OUTPUT COMMAND...

For measurements that refuse their results if other programs disturb them. The
file OUTPUT gets what the last run has printed. If all runs fail, their last
message is printed, and the exit code is 1.
"""
import subprocess
import sys


def main():
    for _ in range(12):
        done = subprocess.run(sys.argv[2:], capture_output=True, text=True)
        if done.returncode == 0:
            break
    with open(sys.argv[1], "w") as output:
        output.write(done.stdout)
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    main()
