//===- ChatCommand.h - airrun chat ------------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_CHATCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_CHATCOMMAND_H

#include "formats/model/ModelSource.h"
#include "tools/cli/CommandLine.h"

namespace air {

cli::Command chatCommand();

/// Finds mistakes that can be seen without the plan, also in the files that
/// options name, except those that can be read only once. Errors: Usage; for
/// the files also Io, DoesNotFit, Corrupt and Unsupported.
Status checkChat(const cli::Invocation &invocation);

/// Finds mistakes that depend on the model. Errors: those of
/// checkSamplingOfModel(), checkTemplateOfModel(), openTemplate() and
/// grammarOfAnswer().
Status checkChatModel(const cli::Invocation &invocation,
                      const ModelSource &source);

/// Runs a conversation on the terminal, or answers one message: the text of
/// --prompt, of the file that --file names, or of standard input if that is not
/// a terminal. Errors: Usage; Unsupported if the plan has no vocabulary or no
/// chat template; Io, Corrupt and DoesNotFit for files that options name; those
/// of Session and Chat.
Status runChat(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CHATCOMMAND_H
