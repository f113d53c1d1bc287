#!/usr/bin/env bash
# Prints how well the shipped model predicts the text in FILE. The result is one
# number, the perplexity.
#   bash examples/score-a-text.sh FILE [FOLDER]
# airpack and airrun must be on the PATH. The script uses the plan in FOLDER
# (default: the current folder), or makes it if there is none. The text must
# have at least 64 tokens, which is about 50 words.
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
