//===- Common.h - what airrun's commands share ------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_COMMON_H
#define AIRPACK_TOOLS_AIRRUN_COMMON_H

#include "runtime/exec/Session.h"
#include "runtime/text/Tokenizer.h"
#include "tools/cli/CommandLine.h"
#include "tools/cli/Output.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace air {

cli::Positional planPositional();
cli::Option threadsOption();
cli::Option jsonOption();
cli::Option tokensOption();

/// "1,2,3" (spaces allowed) as ids. Usage names the part that is no id.
Result<std::vector<int32_t>> parseTokens(std::string_view text);

/// The plan that the command line names, with its --threads.
Result<rt::Session> openSession(const cli::Invocation &invocation);

/// The plan's vocabulary; none when it has none.
Result<std::optional<rt::Tokenizer>> planTokenizer(const rt::Session &session);

/// A whole file as text; a pipe will do.
Result<std::string> readTextFile(const std::string &path);
Result<std::string> readStandardInput();

using cli::format;
using cli::writeOut;

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_COMMON_H
