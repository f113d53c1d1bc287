//===- LogitsCommand.h - airrun logits --------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_LOGITSCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_LOGITSCOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command logitsCommand();

/// Writes little-endian float32 [tokens, vocabulary]. The file is written
/// atomically.
Status runLogits(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_LOGITSCOMMAND_H
