//===- Common.h - what airrun's commands share ------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_COMMON_H
#define AIRPACK_TOOLS_AIRRUN_COMMON_H

#include "runtime/exec/Session.h"
#include "runtime/text/Tokenizer.h"
#include "tools/cli/CommandLine.h"
#include "tools/cli/Output.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air {

cli::Positional planPositional();
cli::Option threadsOption();
cli::Option jsonOption();
cli::Option tokensOption();

/// Parses "1,2,3"; spaces around ids are allowed. Usage names the entry that is
/// not an id.
Result<std::vector<int32_t>> parseTokens(std::string_view text);

/// Opens the plan that the command line names, with its --threads.
Result<rt::Session> openSession(const cli::Invocation &invocation);

/// The plan's tokenizer, or nothing if the plan has no vocabulary.
Result<std::optional<rt::Tokenizer>> planTokenizer(const rt::Session &session);

/// How much text is read, and what to say when there is more.
struct TextLimit {
  uint64_t bytes;
  /// Follows "'FILE' has N bytes, ": why that is too much, and what to do.
  std::string why;
};

/// Of a prompt: what can't fit in the context whatever the tokens are.
TextLimit promptLimit(const rt::Session &session,
                      const rt::Tokenizer &tokenizer);
/// Of a text that is worked on in parts.
TextLimit textLimit();

/// A whole file as text; a pipe will do. DoesNotFit beyond the limit, and no
/// more than that is read.
Result<std::string> readTextFile(const std::string &path,
                                 const TextLimit &limit);
Result<std::string> readStandardInput(const TextLimit &limit);

/// A note when a prompt begins with BOS and the vocabulary added another.
void noteDoubledBos(const rt::Tokenizer &tokenizer,
                    std::span<const int32_t> ids);

using cli::format;
using cli::writeOut;

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_COMMON_H
