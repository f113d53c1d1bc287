//===- TokenizeCommand.h - airrun tokenize ----------------------*- C++ -*-===//
//
// Converts text to token ids with the vocabulary of a plan, of a GGUF file, or
// of tokenizer files. Reads no weights.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_TOKENIZECOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_TOKENIZECOMMAND_H

#include "runtime/text/Tokenizer.h"
#include "tools/cli/CommandLine.h"

namespace air {

/// The command's entry in airrun's option table.
cli::Command tokenizeCommand();

/// Runs the command and prints ids to standard output.
/// Errors: Usage; Corrupt if the file of the vocabulary has an unknown format,
/// or if the file of --strings is not a JSON list of strings; Io; DoesNotFit if
/// the text is too long; and those of the functions that read the vocabulary.
Status runTokenize(const cli::Invocation &invocation);

/// Reads the vocabulary of a plan, of a GGUF file, or of the tokenizer files
/// that formats/tokenizer/TokenizerFiles.h describes. `pre` names the
/// pre-tokenizer if `path` is a folder with vocab.json and merges.txt; for any
/// other path it must be "". Prints a note for each defect of the vocabulary
/// that was corrected.
Result<TokenizerData> readVocabulary(const std::string &path,
                                     const std::string &pre = "");
/// Returns a tokenizer with the vocabulary that readVocabulary() reads.
Result<rt::Tokenizer> openTokenizer(const std::string &path,
                                    const std::string &pre = "");

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_TOKENIZECOMMAND_H
