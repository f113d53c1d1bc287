#!/usr/bin/env bash
# Checks and times the CUDA kernels on a GPU.
#   bash test/gpu/check.sh --prepare [ARCHITECTURE MULTIPROCESSORS [GPU]]
#     makes build/gpu-check from build/dev; this needs no GPU. The folder holds
#     the programs, the machine code of kernels, and plans without weights. The
#     kernels are for a GPU of this architecture (default: sm_90a) with this
#     number of multiprocessors (default: 132). The plans are for the target GPU
#     of airpack --target (default: h200). The machine with the GPU needs only
#     the folder and this script (no compiler, no toolkit, no network).
#   bash test/gpu/check.sh
#     checks the kernels' results, runs compute-sanitizer if it is installed,
#     and measures times: of single kernels, and of decode steps and prefills of
#     whole models with random weights. This takes at most 6 minutes. If $OUT is
#     set, tables and JSON go to that folder instead of build/gpu-check.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=build/gpu-check

if [ "${1:-}" = "--prepare" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  strip -o "$folder/air-gpu-bench" build/dev/bin/air-gpu-bench
  "$folder/air-gpu-bench" prepare "$folder" --target "${2:-sm_90a}" --multiprocessors "${3:-132}"
  strip -o "$folder/airrun" build/dev/bin/airrun
  models=$(mktemp -d)
  trap 'rm -rf "$models"' EXIT
  # plan NAME SHAPE TYPE [AIRPACK OPTIONS]: a plan for a model of that shape.
  plan() {
    build/dev/bin/air-gen --shape "$2" --type "$3" --headers-only -o "$models/model.gguf" >/dev/null
    build/dev/bin/airpack "$models/model.gguf" --target "$gpu" --weightless --ctx 2048 \
      -o "$folder/$1.air" "${@:4}" >/dev/null
  }
  gpu="${4:-h200}"
  plan 1b-bf16 1b BF16
  plan 8b-q4_k_m 8b Q4_K_M
  # Not all weights fit in 4 GiB of VRAM, so each pass copies the rest from RAM.
  plan 8b-q4_k_m-4gib 8b Q4_K_M --vram 4GiB
  du -sh "$folder"
  exit 0
fi

out="${OUT:-$folder}"
bench="$folder/air-gpu-bench"
chmod +x "$bench" "$folder/airrun"
failed=0
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem --format=csv,noheader || true
timeout 170 "$bench" "$folder" --time-limit 130 --json "$out/gpu.json" | tee "$out/gpu.md" || failed=1
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    timeout 30 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      "$bench" "$folder" --checks-only --filter _n53_ >"$out/$tool.txt" 2>&1 || failed=1
    echo "$tool: $(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out/$tool.txt" || tail -n 1 "$out/$tool.txt")"
  done
else
  echo "compute-sanitizer is not installed; its checks are skipped"
fi
for plan in "$folder"/*.air; do
  name=$(basename "$plan" .air)
  echo "$name: passes of the whole model"
  timeout 40 "$folder/airrun" bench "$plan" --random-weights -p 512 -n 128 --rounds 3 \
    --json >"$out/$name.json" || failed=1
  grep -E '"(tok_s|eta|bound_tok_s|limit_gb_s|upload_gb_s)"' "$out/$name.json" || true
done
exit "$failed"
