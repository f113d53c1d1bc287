//===- ChatCommand.h - airrun chat ------------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_CHATCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_CHATCOMMAND_H

#include "formats/model/ModelSource.h"
#include "tools/cli/CommandLine.h"

namespace air {

cli::Command chatCommand();

/// Finds mistakes that can be seen without the plan (Usage, Io).
Status checkChat(const cli::Invocation &invocation);

/// Finds mistakes that depend on the model. Errors: those of
/// checkSamplingOfModel(), Unsupported if the model has no chat template, and
/// Corrupt if the template has a mistake.
Status checkChatModel(const cli::Invocation &invocation,
                      const ModelSource &source);

/// Runs a conversation on the terminal, or answers one message that comes from
/// --prompt or from a file or pipe on standard input. Errors: Usage,
/// Unsupported (no vocabulary, or no chat template), those of Session and Chat.
Status runChat(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CHATCOMMAND_H
