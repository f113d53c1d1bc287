#!/usr/bin/env bash
# Installs what is missing, builds everything, runs every test, and ends with one
# plain line: "N passed, N failed, N skipped". Exit code 0 when nothing failed.
#   bash tools/test.sh [PRESET]     PRESET: dev (default), release, asan, tsan
set -euo pipefail
cd "$(dirname "$0")/.."
preset="${1:-dev}"

echo "== dependencies"
bash tools/install-deps.sh
# The layers' promise: formats, runtime and airrun build with no LLVM. The size
# and start-up tests measure this airrun.
echo "== build runtime-only (release, no LLVM)"
cmake --preset runtime-only -DAIR_BUILD_TESTS=OFF >/dev/null
cmake --build --preset runtime-only
echo "== build $preset"
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
echo "== test"
exec python3 tools/run_tests.py "build/$preset"
