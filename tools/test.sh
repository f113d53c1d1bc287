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
# formats, runtime and airrun must build without LLVM (docs/architecture.md). In
# a new build folder, they are therefore built first, before CMake looks for
# LLVM. The second build, of everything else, uses the same object files. Once a
# folder has been configured for the second build, the first one is not repeated
# in it, because it would remove what only the second one has built.
cache="build/$preset/CMakeCache.txt"
if [ ! -e "$cache" ] || grep -q '^AIR_BUILD_COMPILER:BOOL=OFF' "$cache"; then
  echo "== build $preset without LLVM"
  cmake --preset "$preset" -DAIR_BUILD_COMPILER=OFF -DAIR_BUILD_TESTS=OFF >/dev/null
  cmake --build --preset "$preset"
fi
if [ -n "${AIR_TEST_ALL:-}" ]; then
  echo "== build runtime-only (release, no LLVM)"
  cmake --preset runtime-only -DAIR_BUILD_TESTS=OFF >/dev/null
  cmake --build --preset runtime-only
fi
echo "== build $preset"
cmake --preset "$preset" -DAIR_BUILD_COMPILER=ON -DAIR_BUILD_TESTS=ON >/dev/null
cmake --build --preset "$preset"
echo "== test"
exec python3 tools/run_tests.py "build/$preset"
