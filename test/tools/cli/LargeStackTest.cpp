//===- LargeStackTest.cpp - a stack that does not depend on ulimit --------===//
#include "tools/cli/LargeStack.h"

#include <gtest/gtest.h>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace air;

namespace {

/// Passes a function to runOnLargeStack() in a process with a stack limit of
/// `bytes`. Returns the exit code of the process: 1 if the function ran on the
/// calling thread, 2 if it ran on another.
int whereWith(rlim_t bytes) {
  pid_t child = fork();
  if (child == 0) {
    rlimit limit = {bytes, bytes};
    if (setrlimit(RLIMIT_STACK, &limit) != 0) {
      _exit(99);
    }
    const pthread_t caller = pthread_self();
    int where = 0;
    Status status = cli::runOnLargeStack([&] {
      where = pthread_equal(caller, pthread_self()) != 0 ? 1 : 2;
      return unsupportedError("as the body says");
    });
    _exit(status.code() == ErrorCode::Unsupported ? where : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(LargeStackTest, ASmallStackIsNotUsed) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
  if (limit.rlim_max < (rlim_t{8} << 20)) {
    GTEST_SKIP() << "stacks may have at most " << limit.rlim_max
                 << " bytes here";
  }
  EXPECT_EQ(whereWith(rlim_t{8} << 20), 1);
  EXPECT_EQ(whereWith((rlim_t{8} << 20) - 4096), 2);
  EXPECT_EQ(whereWith(rlim_t{256} << 10), 2);
}

} // namespace
