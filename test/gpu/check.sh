#!/usr/bin/env bash
# Checks and times the CUDA kernels on a GPU.
#   bash test/gpu/check.sh --prepare [ARCHITECTURE MULTIPROCESSORS]
#     makes build/gpu-check from build/dev, without a GPU. That folder holds the
#     program and every kernel's machine code. The GPU machine needs only it and
#     this script (no compiler, no toolkit, no network).
#   bash test/gpu/check.sh
#     checks the kernels' results, runs compute-sanitizer if it is installed,
#     and measures times. This takes at most 5 minutes. If $OUT is set, tables
#     and JSON go to that folder instead of build/gpu-check.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=build/gpu-check

if [ "${1:-}" = "--prepare" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  strip -o "$folder/air-gpu-bench" build/dev/bin/air-gpu-bench
  "$folder/air-gpu-bench" prepare "$folder" --target "${2:-sm_90a}" --multiprocessors "${3:-132}"
  du -sh "$folder"
  exit 0
fi

out="${OUT:-$folder}"
bench="$folder/air-gpu-bench"
chmod +x "$bench"
failed=0
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem --format=csv,noheader || true
timeout 200 "$bench" "$folder" --time-limit 150 --json "$out/gpu.json" | tee "$out/gpu.md" || failed=1
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    timeout 30 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      "$bench" "$folder" --checks-only --filter _n53_ >"$out/$tool.txt" 2>&1 || failed=1
    echo "$tool: $(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out/$tool.txt" || tail -n 1 "$out/$tool.txt")"
  done
else
  echo "compute-sanitizer is not installed; its checks are skipped"
fi
exit "$failed"
