//===- TokenizeCommand.h - airrun tokenize ----------------------*- C++ -*-===//
//
// Text -> ids by a plan's or a GGUF file's vocabulary; no weights are touched.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_TOKENIZECOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_TOKENIZECOMMAND_H

#include "runtime/text/Tokenizer.h"
#include "tools/cli/CommandLine.h"

namespace air {

/// The row of airrun's table.
cli::Command tokenizeCommand();

/// Runs it; ids go to standard output.
/// Errors: Usage, Corrupt (neither a plan nor a GGUF file; not a JSON list of
/// strings), Io, and those of the readers.
Status runTokenize(const cli::Invocation &invocation);

/// The tokenizer of a plan or a GGUF file, told apart by their first bytes.
Result<rt::Tokenizer> openTokenizer(const std::string &path);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_TOKENIZECOMMAND_H
