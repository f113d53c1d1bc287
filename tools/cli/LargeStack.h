//===- LargeStack.h - a stack that does not depend on ulimit ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_LARGESTACK_H
#define AIRPACK_TOOLS_CLI_LARGESTACK_H

#include "formats/support/Status.h"

#include <functional>

namespace air::cli {

/// Runs `body` with a stack of Thread::kStackBytes. The caller must be the main
/// thread. If `ulimit -s` allows a stack of that size, `body` runs on the main
/// thread; otherwise it runs on a new thread. If the system refuses the new
/// thread, `body` runs on the main thread after all, provided that the stack
/// has at least 1 MiB. If the stack is smaller, the result is an Io error.
Status runOnLargeStack(const std::function<Status()> &body);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_LARGESTACK_H
