//===- LogitsCommand.h - airrun logits --------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_LOGITSCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_LOGITSCOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command logitsCommand();

/// Writes the logits that follow each input token to a file, as little-endian
/// float32 [tokens, vocabulary]. The file appears only when it is complete.
Status runLogits(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_LOGITSCOMMAND_H
