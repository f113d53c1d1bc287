//===- LargeStack.h - a stack that does not depend on ulimit ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_LARGESTACK_H
#define AIRPACK_TOOLS_CLI_LARGESTACK_H

#include "formats/support/Status.h"

#include <functional>

namespace air::cli {

/// Runs `body` where it has a stack of Thread::kStackBytes: on the calling
/// thread, which must be the main one, when `ulimit -s` gives it that much,
/// else on a thread of its own. When the system gives no such thread, the main
/// thread's stack does if it has a megabyte; with less the result is Io.
Status runOnLargeStack(const std::function<Status()> &body);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_LARGESTACK_H
