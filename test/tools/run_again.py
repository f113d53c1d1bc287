#!/usr/bin/env python3
"""Runs a benchmark again for as long as it refuses its results, at most 12 times.

  run_again.py OUTPUT COMMAND...

airrun bench and air-bench refuse their results if other programs disturb the
measurement so much that a rate exceeds its limit, and say that they should be
run again on an idle machine. The file OUTPUT gets what the last run has
printed. If all runs are refused, or if a run fails for another reason, its
message is printed, and the exit code is that of this run.
"""
import subprocess
import sys

REFUSAL = "on an idle machine"


def run_again(command, **options):
    """Returns what subprocess.run() returns for the last run. `options` are its further arguments."""
    for _ in range(12):
        done = subprocess.run(command, capture_output=True, text=True, **options)
        if done.returncode == 0 or REFUSAL not in done.stderr:
            break
    return done


def main():
    done = run_again(sys.argv[2:])
    with open(sys.argv[1], "w") as output:
        output.write(done.stdout)
    sys.stderr.write(done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
