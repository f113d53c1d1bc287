#!/usr/bin/env bash
# How well the shipped model predicts a text: its perplexity, as one number.
#   bash examples/score-a-text.sh FILE [FOLDER]
# airpack and airrun come from PATH. The plan in FOLDER (default: here) is made
# when there is none. The text needs at least 64 tokens, some 50 words.
set -euo pipefail
text="${1:?usage: bash examples/score-a-text.sh FILE [FOLDER]}"
folder="${2:-.}"
plan="$folder/storyteller.air"

mkdir -p "$folder"
if [ ! -f "$plan" ]; then
  airpack "$(dirname "$0")/models/storyteller.gguf" --target host -o "$plan" >/dev/null
fi
airrun perplexity "$plan" -f "$text" --window 64 --json |
  sed 's/.*"perplexity": \([0-9.e+]*\).*/\1/'
