//===- LargeStack.cpp - a stack that does not depend on ulimit ------------===//
#include "tools/cli/LargeStack.h"

#include "formats/support/Thread.h"

#include <sys/resource.h>

namespace air::cli {

Status runOnLargeStack(const std::function<Status()> &body) {
  // The smallest stack, in bytes, with which `body` is run. It is more than
  // LLVM needs to compile a kernel.
  constexpr size_t kLeastBytes = size_t{1} << 20;
  struct rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) != 0 ||
      limit.rlim_cur >= Thread::kStackBytes) {
    return body();
  }
  Status status;
  Result<Thread> thread = Thread::start([&] { status = body(); });
  if (!thread) {
    return limit.rlim_cur >= kLeastBytes
               ? body()
               : ioError(thread.status().message() + ", and the stack of " +
                         std::to_string(limit.rlim_cur) +
                         " bytes is too small; raise its limit to at least " +
                         std::to_string(kLeastBytes) + " bytes (ulimit -s)");
  }
  thread->join();
  return status;
}

} // namespace air::cli
