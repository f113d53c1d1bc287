//===- OrderedWorkTest.cpp - threads make pieces, used in order -----------===//
#include "compiler/emit/OrderedWork.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace air::compiler {
namespace {

void makeNumbers(uint64_t index, std::vector<uint8_t> &piece) {
  piece.assign(index % 5, static_cast<uint8_t>(index));
}

TEST(OrderedWork, SameBytesForAnyNumberOfThreads) {
  std::vector<std::vector<uint8_t>> results;
  for (unsigned threads : {1U, 2U, 7U}) {
    std::vector<uint8_t> all;
    uint64_t next = 0;
    Status status =
        runOrdered(1000, threads, makeNumbers,
                   [&](uint64_t index, std::span<const uint8_t> piece) {
                     EXPECT_EQ(index, next++);
                     all.insert(all.end(), piece.begin(), piece.end());
                     return Status::ok();
                   });
    EXPECT_TRUE(status.isOk());
    EXPECT_EQ(next, 1000U);
    EXPECT_EQ(all.size(), 200U * (0 + 1 + 2 + 3 + 4));
    results.push_back(all);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(OrderedWork, DoesWithoutThreadsThatTheSystemRefuses) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer needs more memory than this test leaves";
#endif
#endif
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // The limit leaves no memory for the stack of another thread.
    rlimit limit = {0, 0};
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
      _exit(99);
    }
    std::array<uint8_t, 10> seen{};
    Status status = runOrdered(
        seen.size(), 4,
        [](uint64_t index, std::vector<uint8_t> &piece) {
          piece.assign(1, static_cast<uint8_t>(index));
        },
        [&](uint64_t index, std::span<const uint8_t> piece) {
          seen[index] = piece[0];
          return Status::ok();
        });
    bool isRight = status.isOk();
    for (size_t i = 0; i < seen.size(); ++i) {
      isRight = isRight && seen[i] == i;
    }
    _exit(isRight ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

TEST(OrderedWork, StopsAtTheFirstFailure) {
  for (unsigned threads : {1U, 4U}) {
    uint64_t used = 0;
    std::atomic<uint64_t> made = 0;
    Status status = runOrdered(
        1000, threads, [&](uint64_t, std::vector<uint8_t> &) { ++made; },
        [&](uint64_t index, std::span<const uint8_t>) {
          ++used;
          return index == 3 ? ioError("disk full") : Status::ok();
        });
    EXPECT_EQ(status.code(), ErrorCode::Io);
    EXPECT_EQ(used, 4U);
    // The consumer has received 4 pieces. At most 2 * threads more may have
    // been produced in advance.
    EXPECT_LE(made.load(), 4U + 2 * threads);
  }
}

TEST(OrderedWork, NothingToDo) {
  EXPECT_TRUE(
      runOrdered(0, 4, makeNumbers, [](uint64_t, std::span<const uint8_t>) {
        return internalError("called");
      }).isOk());
}

} // namespace
} // namespace air::compiler
