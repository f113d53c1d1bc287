//===- Completion.h - the table as a shell's completions --------*- C++ -*-===//
//
// The scripts complete the names of commands and options, the values of options
// with fixed choices, and file names where an option or an argument takes a
// file.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_COMPLETION_H
#define AIRPACK_TOOLS_CLI_COMPLETION_H

#include "tools/cli/CommandLine.h"

namespace air::cli {

/// The shells that completionScript() knows: bash, zsh and fish.
const std::vector<std::string> &completionShells();

/// The script for `shell`. A Usage error names the shells that are known.
Result<std::string> completionScript(const Tool &tool,
                                     const std::string &shell);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_COMPLETION_H
