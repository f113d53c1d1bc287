//===- ThreadTest.cpp - a thread that cannot start is an error ------------===//
#include "formats/support/Thread.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace air;

namespace {

TEST(ThreadTest, RunsItsBodyAndJoins) {
  std::atomic<int> ran{0};
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 3; ++i) {
      Result<Thread> thread = Thread::start([&] { ++ran; });
      ASSERT_TRUE(thread.isOk()) << thread.status().message();
      threads.push_back(*std::move(thread));
    }
    threads[0].join();
    threads[0].join(); // joining again has no effect
  }
  EXPECT_EQ(ran, 3);
}

TEST(ThreadTest, HasTheStackThatWasAskedFor) {
  size_t got = 0;
  for (size_t wanted : {size_t{1} << 20, Thread::kStackBytes}) {
    Result<Thread> thread = Thread::start(
        [&] {
          pthread_attr_t attributes;
          pthread_getattr_np(pthread_self(), &attributes);
          pthread_attr_getstacksize(&attributes, &got);
          pthread_attr_destroy(&attributes);
        },
        wanted);
    ASSERT_TRUE(thread.isOk()) << thread.status().message();
    thread->join();
    EXPECT_EQ(got, wanted);
  }
}

TEST(ThreadTest, AStackThatNoThreadCanHaveIsAnError) {
  for (size_t bytes : {size_t{1}, size_t{1} << 60}) {
    Result<Thread> thread = Thread::start([] {}, bytes);
    ASSERT_FALSE(thread.isOk());
    EXPECT_EQ(thread.status().code(), ErrorCode::Io);
    EXPECT_NE(thread.status().message().find(
                  "the system cannot start another thread: "),
              std::string::npos);
  }
}

TEST(ThreadTest, AllThreadsThatAreWantedAreToBeHad) {
  ThreadSupply supply = probeThreads(20);
  EXPECT_EQ(supply.threads, 20U);
  EXPECT_TRUE(supply.refusal.isOk()) << supply.refusal.message();
  EXPECT_EQ(probeThreads(0).threads, 0U);
}

TEST(ThreadTest, ARefusalIsAnErrorWithTheSystemsReason) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "the limit counts all processes of a user; only root can "
                    "act as one who has none";
  }
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // The child process becomes a user that runs nothing else, and limits that
    // user to one process or thread. The child itself already counts as one, so
    // no thread can start.
    constexpr uid_t kUserWithoutProcesses = 65531;
    rlimit limit = {1, 1};
    if (setgroups(0, nullptr) != 0 || setgid(kUserWithoutProcesses) != 0 ||
        setrlimit(RLIMIT_NPROC, &limit) != 0 ||
        setuid(kUserWithoutProcesses) != 0) {
      _exit(99);
    }
    Result<Thread> thread = Thread::start([] {});
    ThreadSupply supply = probeThreads(3);
    bool isRight = thread.status().code() == ErrorCode::Io &&
                   supply.threads == 0 &&
                   supply.refusal.message() == thread.status().message();
    _exit(isRight ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == 99) {
    GTEST_SKIP() << "this container gives no other user";
  }
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

} // namespace
