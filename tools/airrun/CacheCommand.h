//===- CacheCommand.h - airrun cache ----------------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_CACHECOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_CACHECOMMAND_H

#include "tools/cli/CommandLine.h"

namespace air {

/// The entry of `airrun cache` in the option table.
cli::Command cacheCommand();

Status runCache(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CACHECOMMAND_H
