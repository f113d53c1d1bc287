//===- BlockMemoryTest.cpp - memory has the pages that are wanted ---------===//
#include "runtime/io/probe/BlockMemory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vector>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kBytes = 2 * BlockMemory::kHugePageBytes;

/// The fraction of the 4 KiB pages that are in memory. Bit 63 of a page's entry
/// in /proc/self/pagemap says whether the page is in memory.
double presentShare(const uint8_t *data) {
  std::vector<uint64_t> entries(kBytes / 4096);
  const int file = open("/proc/self/pagemap", O_RDONLY);
  const ssize_t bytes =
      pread(file, entries.data(), entries.size() * sizeof(uint64_t),
            static_cast<off_t>(reinterpret_cast<uintptr_t>(data) / 4096 *
                               sizeof(uint64_t)));
  close(file);
  EXPECT_EQ(static_cast<size_t>(bytes), entries.size() * sizeof(uint64_t));
  uint64_t present = 0;
  for (uint64_t entry : entries) {
    present += entry >> 63;
  }
  return static_cast<double>(present) / static_cast<double>(entries.size());
}

TEST(BlockMemory, EveryPageIsThereBeforeItIsUsed) {
  for (bool hugePages : {false, true}) {
    Result<BlockMemory> memory = BlockMemory::create(kBytes, hugePages);
    if (!memory && hugePages) {
      EXPECT_EQ(memory.status().code(), ErrorCode::Unsupported);
      GTEST_SKIP() << memory.status().message();
    }
    ASSERT_TRUE(memory) << memory.status().message();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) %
                  BlockMemory::kHugePageBytes,
              0u);
    EXPECT_EQ(presentShare(memory->data()), 1.0);
    BlockMemory moved = *std::move(memory);
    moved.data()[kBytes - 1] = 5;
  }
}

TEST(BlockMemory, TooMuchIsAnError) {
  const Status status = BlockMemory::create(uint64_t{1} << 60, false).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
}

} // namespace
