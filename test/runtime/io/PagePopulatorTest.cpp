//===- PagePopulatorTest.cpp - memory has its pages before it is used -----===//
#include "runtime/io/PagePopulator.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace air::rt;

namespace {

/// New memory that nobody has touched.
class NewMemory {
public:
  explicit NewMemory(size_t bytes)
      : size(bytes),
        data(static_cast<uint8_t *>(mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    EXPECT_NE(data, MAP_FAILED);
  }
  ~NewMemory() { munmap(data, size); }
  NewMemory(const NewMemory &) = delete;
  NewMemory &operator=(const NewMemory &) = delete;

  std::span<uint8_t> range(size_t offset, size_t bytes) {
    return {data + offset, bytes};
  }

  /// The number of pages in a range that are in memory.
  size_t pages(size_t offset, size_t bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> present((bytes + page - 1) / page);
    EXPECT_EQ(mincore(data + offset, bytes, present.data()), 0);
    return static_cast<size_t>(
        std::count_if(present.begin(), present.end(),
                      [](unsigned char each) { return (each & 1) != 0; }));
  }

  size_t size;
  uint8_t *data;
};

constexpr size_t kMiB = size_t{1} << 20;

TEST(PagePopulator, GivesAllRangesTheirPages) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  NewMemory memory(32 * kMiB);
  PagePopulator populator(
      {memory.range(0, 9 * kMiB), memory.range(16 * kMiB, 5 * page)}, 2);
  populator.wait();
  EXPECT_EQ(memory.pages(0, 9 * kMiB), 9 * kMiB / page);
  EXPECT_EQ(memory.pages(16 * kMiB, 5 * page), 5U);
  EXPECT_EQ(memory.pages(24 * kMiB, 8 * kMiB), 0U);
}

TEST(PagePopulator, KeepsWhatIsInTheMemory) {
  NewMemory memory(8 * kMiB);
  memory.data[5 * kMiB] = 7;
  PagePopulator populator({memory.range(0, 8 * kMiB)}, 1);
  populator.wait();
  EXPECT_EQ(memory.data[5 * kMiB], 7);
  EXPECT_EQ(std::count(memory.data, memory.data + 8 * kMiB, 0),
            static_cast<ptrdiff_t>(8 * kMiB - 1));
}

TEST(PagePopulator, EndsWhenTheSystemRefuses) {
  NewMemory memory(64 * kMiB);
  ASSERT_EQ(mprotect(memory.data, 16 * kMiB, PROT_READ), 0);
  PagePopulator populator({memory.range(0, 64 * kMiB)}, 1);
  populator.wait();
  EXPECT_EQ(memory.pages(16 * kMiB, 48 * kMiB), 0U);
}

TEST(PagePopulator, NeedNotFinish) {
  NewMemory memory(64 * kMiB);
  for (int round = 0; round < 20; ++round) {
    const PagePopulator populator({memory.range(0, 64 * kMiB)}, 2);
  }
  const PagePopulator nothing({}, 2);
}

} // namespace
