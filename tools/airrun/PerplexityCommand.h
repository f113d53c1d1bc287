//===- PerplexityCommand.h - airrun perplexity ------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PERPLEXITYCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_PERPLEXITYCOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command perplexityCommand();

/// Computes the perplexity of a text. The text is tokenized once, without BOS,
/// and divided into windows. Every window is evaluated after a BOS in an empty
/// sequence, and all of its tokens are scored. An incomplete last window is
/// dropped. Errors: Usage (the text is shorter than a window), Unsupported (the
/// plan has no vocabulary or no BOS), DoesNotFit (a window is longer than the
/// context), Internal (the perplexity is not finite), and those of
/// readTextFile() and Session.
Status runPerplexity(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PERPLEXITYCOMMAND_H
