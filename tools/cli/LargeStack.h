//===- LargeStack.h - a stack that does not depend on ulimit ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_LARGESTACK_H
#define AIRPACK_TOOLS_CLI_LARGESTACK_H

#include "formats/support/Status.h"

#include <functional>

namespace air::cli {

/// Runs `body` with a stack of Thread::kStackBytes. If `ulimit -s` allows that
/// much, `body` runs on the calling thread, which must be the main one,
/// otherwise on a new thread. If the system refuses the new thread, `body` runs
/// on the main thread after all, provided that its stack has at least 1 MiB;
/// otherwise the result is an Io error.
Status runOnLargeStack(const std::function<Status()> &body);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_LARGESTACK_H
