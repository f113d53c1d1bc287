//===- ProbeCommand.h - airrun probe ----------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PROBECOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_PROBECOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command probeCommand();

/// Measures this machine and prints its profile as JSON, which `airpack
/// --target` accepts.
Status runProbe(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PROBECOMMAND_H
