//===- BenchCommand.h - airrun bench ----------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_BENCHCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_BENCHCOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command benchCommand();

/// Prefill and decode speed, and what share of the memory's speed that is. The
/// limit is measured in the same run, between the rounds. Internal when a rate
/// comes out above its bound: then one of the two is wrong.
Status runBench(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_BENCHCOMMAND_H
