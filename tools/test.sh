#!/usr/bin/env bash
# Installs the missing packages, builds everything, runs every test, and ends
# with one line: "N passed, N failed, N skipped". The exit code is 0 if nothing
# failed.
#   bash tools/test.sh [PRESET]     PRESET: dev (default), release, asan, tsan
set -euo pipefail
cd "$(dirname "$0")/.."
preset="${1:-dev}"

echo "== dependencies"
bash tools/install-deps.sh
# formats, runtime and airrun must build without LLVM (docs/architecture.md).
# The test of airrun's size measures this build.
echo "== build runtime-only (release, no LLVM)"
cmake --preset runtime-only -DAIR_BUILD_TESTS=OFF >/dev/null
cmake --build --preset runtime-only
echo "== build $preset"
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
echo "== test"
exec python3 tools/run_tests.py "build/$preset"
