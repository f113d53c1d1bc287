#!/usr/bin/env bash
# Packs the shipped model for this machine and lets it continue a prompt.
#   bash examples/pack-and-generate.sh [FOLDER] [PROMPT]
# airpack and airrun must be on the PATH. The plan is written to FOLDER
# (default: the current folder) and stays there.
set -euo pipefail
model="$(dirname "$0")/models/storyteller.gguf"
folder="${1:-.}"
prompt="${2:-Once upon a time}"
plan="$folder/storyteller.air"

mkdir -p "$folder"
airpack "$model" --target host -o "$plan"

echo "== greedy: always the most likely token"
airrun "$plan" -p "$prompt" -n 48 --temp 0
echo "== sampled: seed 7 always draws this story"
airrun "$plan" -p "$prompt" -n 48 --seed 7
