//===- BenchCommand.h - airrun bench ----------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_BENCHCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_BENCHCOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

cli::Command benchCommand();

/// Reports the speed of prefill and decode, and decode's share of the memory
/// bandwidth. The bandwidth is measured in the same run, before every round and
/// after the last one. Returns an Internal error if a rate exceeds its limit,
/// since one of the two must then be wrong.
Status runBench(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_BENCHCOMMAND_H
