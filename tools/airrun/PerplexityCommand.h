//===- PerplexityCommand.h - airrun perplexity ------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PERPLEXITYCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_PERPLEXITYCOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command perplexityCommand();

/// The text is tokenised once without BOS and cut into windows; each window
/// follows one BOS on a fresh sequence and every token of it is scored. A last
/// partial window is dropped. Errors: Usage (text shorter than a window, no
/// BOS), DoesNotFit (a window longer than the context), those of Session.
Status runPerplexity(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PERPLEXITYCOMMAND_H
