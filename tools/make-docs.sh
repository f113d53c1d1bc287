#!/usr/bin/env bash
# Regenerates docs/cli.md from the programs' own option tables.
#   bash tools/make-docs.sh BIN_FOLDER [OUT]
set -euo pipefail
bin="${1:?usage: bash tools/make-docs.sh BIN_FOLDER [OUT]}"
out="${2:-$(dirname "$0")/../docs/cli.md}"

# Prints the first word of each row between "Commands" and the next empty line.
commandsOf() {
  "$bin/$1" --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'
}

# section HEADING COMMAND [ARGUMENT...]: prints HEADING and the output of the
# command.
section() {
  echo
  echo "$1"
  echo
  echo '```'
  "${@:2}"
  echo '```'
}

page() {
  echo "# Command lines"
  echo
  echo "Generated from the programs' option tables by \`bash tools/make-docs.sh build/dev/bin\`; do not edit. The man"
  echo "pages (\`airrun --man | man -l -\`) come from the same tables."
  for tool in airpack airrun air-gen air-bench air-gpu-bench; do
    section "## $tool" "$bin/$tool" --help
    for command in $(commandsOf "$tool"); do
      section "### $tool $command" "$bin/$tool" "$command" --help
    done
  done
}

# The page is written only when it is complete, so if a program fails, the old
# page remains.
text="$(page)"
printf '%s\n' "$text" >"$out"
