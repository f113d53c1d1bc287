#!/usr/bin/env bash
# Regenerates docs/cli.md from the programs' own option tables.
#   bash tools/make-docs.sh BIN_FOLDER [OUT]
set -euo pipefail
bin="$1"
out="${2:-$(dirname "$0")/../docs/cli.md}"
{
  echo "# Command lines"
  echo
  echo "Generated from the option tables by \`bash tools/make-docs.sh build/dev/bin\`; do not edit. The man pages"
  echo "(\`airrun --man | man -l -\`) come from the same tables."
  for tool in airpack airrun air-gen; do
    echo
    echo "## $tool"
    echo
    echo '```'
    "$bin/$tool" --help
    echo '```'
    for command in $("$bin/$tool" --help | awk '/^commands:/{on=1; next} on && /^$/{exit} on{print $1}'); do
      echo
      echo "### $tool $command"
      echo
      echo '```'
      "$bin/$tool" "$command" --help
      echo '```'
    done
  done
} >"$out"
