#!/usr/bin/env bash
# Packs the shipped model for this machine and continues a prompt.
#   bash examples/pack-and-generate.sh [FOLDER] [PROMPT]
# airpack and airrun come from PATH. The plan stays in FOLDER (default: here).
set -euo pipefail
model="$(dirname "$0")/models/storyteller.gguf"
folder="${1:-.}"
prompt="${2:-Once upon a time}"
plan="$folder/storyteller.air"

mkdir -p "$folder"
airpack "$model" --target host -o "$plan"

echo "== greedy: always the likeliest token"
airrun "$plan" -p "$prompt" -n 48 --temp 0
echo "== by chance: seed 7 always draws this story"
airrun "$plan" -p "$prompt" -n 48 --seed 7
