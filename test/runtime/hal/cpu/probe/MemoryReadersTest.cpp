//===- MemoryReadersTest.cpp - reading goes on until it is stopped --------===//
#include "runtime/hal/cpu/probe/MemoryReaders.h"

#include <ctime>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace air;
using namespace air::rt;

namespace {

double seconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

} // namespace

TEST(MemoryReaders, ReadUntilTheyAreStopped) {
  // A machine may have fewer than three cores. The threads then share cores,
  // but each of them must still get to read.
  constexpr uint32_t kThreads = 3;
  Result<std::unique_ptr<MemoryReaders>> made =
      MemoryReaders::create(kThreads, 0);
  ASSERT_TRUE(made) << made.status().message();
  MemoryReaders &readers = **made;
  EXPECT_EQ(readers.bytes(), 0u);
  readers.stop();
  for (int turn = 0; turn < 2; ++turn) {
    const uint64_t before = readers.bytes();
    const double start = seconds();
    ASSERT_EQ(readers.start().message(), "");
    // Every thread has read at least one chunk, and goes on.
    const uint64_t begun = readers.bytes();
    EXPECT_GE(begun, before + kThreads * MemoryReaders::kChunkBytes);
    while (readers.bytes() < begun + 100 * MemoryReaders::kChunkBytes) {
      usleep(100);
    }
    readers.stop();
    const uint64_t after = readers.bytes();
    EXPECT_EQ(after % MemoryReaders::kChunkBytes, 0u);
    // No memory delivers 10 TB/s. A higher rate would mean that nothing was
    // read.
    EXPECT_LT(static_cast<double>(after - before), 1e13 * (seconds() - start));
    usleep(5000);
    EXPECT_EQ(readers.bytes(), after) << "a thread still reads";
  }
}

// The second range has less than a page for each thread.
TEST(MemoryReaders, ReadMemoryThatExists) {
  constexpr uint64_t kPage = 4096;
  std::vector<uint8_t> large(70 * kPage, 1);
  std::vector<uint8_t> small(2 * kPage - 1, 1);
  const std::span<const uint8_t> ranges[] = {large, small};
  Result<std::unique_ptr<MemoryReaders>> made = MemoryReaders::over(2, ranges);
  ASSERT_TRUE(made) << made.status().message();
  MemoryReaders &readers = **made;
  ASSERT_EQ(readers.start().message(), "");
  while (readers.bytes() < 1000 * kPage) {
    usleep(100);
  }
  readers.stop();
  // Each thread reads 35 pages of the large range: two chunks of 16 pages each,
  // and three more pages.
  EXPECT_EQ(readers.bytes() % kPage, 0u);
  EXPECT_EQ(MemoryReaders::over(2, std::span(ranges).last(1)).status().code(),
            ErrorCode::DoesNotFit);
  EXPECT_EQ(MemoryReaders::over(2, {}).status().code(), ErrorCode::DoesNotFit);
}

TEST(MemoryReaders, RefuseAMachineThatIsTooSmall) {
  EXPECT_EQ(MemoryReaders::create(1, 1 << 20).status().code(),
            ErrorCode::DoesNotFit);
}
