#!/usr/bin/env python3
"""run_tests.py BUILD: runs every GoogleTest binary and the lit suite of a build.

Counts single test cases, prints the output of each binary that failed, lists
the cases that were skipped and those that failed, each with the reason, and
ends with one line: "N passed, N failed, N skipped".
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

LIT = "/usr/lib/llvm-22/bin/lit"
# Test binaries that take minutes. They start first. For each of them, one
# process per core runs a share of its cases.
SHARDED = ("KernelTest",)
# For each failed case, the list at the end shows this many of its last lines.
LAST_LINES = 12


class Totals:
    def __init__(self):
        self.passed = self.failed = 0
        self.skipped = []
        self.failures = []

    def fail(self, name, output):
        """Counts one failure; its last lines are printed again at the end."""
        self.failed += 1
        lines = [line for line in output.splitlines() if line.strip()]
        self.failures.append((name, lines[-LAST_LINES:]))


def run_gtest(binary, totals, shard=0, shards=1):
    environment = dict(os.environ, GTEST_SHARD_INDEX=str(shard), GTEST_TOTAL_SHARDS=str(shards))
    # The report is XML, because GoogleTest's JSON omits the reason why a test
    # was skipped.
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        done = subprocess.run([str(binary), f"--gtest_output=xml:{report.name}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
        try:
            cases = list(ElementTree.parse(report.name).iter("testcase"))
        except ElementTree.ParseError:
            cases = []
    failed = 0
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        failure = case.find("failure")
        if failure is not None:
            failed += 1
            totals.fail(f"{binary.name} {name}", failure.get("message", ""))
        elif skipped is not None:
            # The first line of the message is the source location, which is
            # left out.
            reason = skipped.get("message", "").partition("\n")[2].strip() or "no reason given"
            totals.skipped.append(f"{binary.name} {name}: {reason}")
        else:
            totals.passed += 1
    output = done.stdout.decode(errors="replace")
    if failed == 0 and (done.returncode != 0 or not cases):
        # The process crashed, or a sanitizer reported an error at its end.
        failed = 1
        totals.fail(f"{binary.name}, exit code {done.returncode}", output)
    return failed, len(cases), output


def run_lit(build, totals):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = subprocess.run([sys.executable, LIT, "-v", "--time-tests", "-o", report.name,
                               str(build / "test")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = done.stdout.decode(errors="replace")
        try:
            tests = json.load(open(report.name))["tests"]
        except (ValueError, KeyError):
            tests = []
    failed = 0
    for test in tests:
        if test["code"] in ("PASS", "FLAKYPASS", "XFAIL"):
            totals.passed += 1
        elif test["code"] in ("UNSUPPORTED", "SKIPPED"):
            totals.skipped.append(f"lit {test['name']}: {test['output'] or 'a required feature is missing'}")
        else:
            failed += 1
            totals.fail(f"lit {test['name']}", test["output"])
    if failed == 0 and (done.returncode != 0 or not tests):
        failed = 1
        totals.fail(f"lit, exit code {done.returncode}", output)
    return failed, len(tests), output


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: run_tests.py BUILD, the build folder, such as build/dev")
    build = Path(sys.argv[1]).resolve()
    # When this project is built with ASan, LLVM's headers are instrumented as a
    # part of it and poison the memory of arenas. Debian's libLLVM is not
    # instrumented and never unpoisons it, so poisoning is disabled.
    os.environ.setdefault("ASAN_OPTIONS", "allow_user_poisoning=0")
    for variable, what in (("AIR_MODELS", "that read models from outside the tree"),
                           ("AIR_VECTORS", "of third-party vocabularies"),
                           ("AIR_VOCABULARIES", "of llama.cpp's vocabularies"),
                           ("AIR_TEMPLATES", "of llama.cpp's chat templates")):
        folder = os.environ.get(variable)
        print(f"{variable}={folder}" if folder else f"{variable} is not set: tests {what} will be skipped.")
    binaries = sorted((build / "test-bin").glob("*"))
    binaries = [b for b in binaries if b.is_file() and os.access(b, os.X_OK)]
    totals = Totals()
    start = time.monotonic()

    def show(name, result, seconds):
        failed, count, output = result
        print(f"  {'FAILED' if failed else 'ok':6} {name} ({count} cases, {seconds:.1f} s)", flush=True)
        if failed:
            print(output, flush=True)

    def timed(function, *arguments):
        begin = time.monotonic()
        return function(*arguments), time.monotonic() - begin

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        binaries.sort(key=lambda binary: binary.name not in SHARDED)
        futures = []
        for binary in binaries:
            shards = (os.cpu_count() or 1) if binary.name in SHARDED else 1
            for shard in range(shards):
                name = binary.name if shards == 1 else f"{binary.name}, part {shard + 1} of {shards}"
                futures.append((name, pool.submit(timed, run_gtest, binary, totals, shard, shards)))
        for name, future in futures:
            result, seconds = future.result()
            show(name, result, seconds)
    if (build / "test" / "lit.site.cfg.py").exists():
        result, seconds = timed(run_lit, build, totals)
        show("lit", result, seconds)
    if not binaries:
        totals.fail("build", f"there are no test binaries in {build}/test-bin; build the preset first")

    if totals.skipped:
        print("skipped:")
        for line in totals.skipped:
            print("  " + line)
    if totals.failures:
        print("failed:")
        for name, lines in totals.failures:
            print("  " + name)
            for line in lines:
                print("    " + line)
    print(f"finished in {time.monotonic() - start:.0f} s")
    print(f"{totals.passed} passed, {totals.failed} failed, {len(totals.skipped)} skipped")
    return 1 if totals.failed else 0


sys.exit(main())
