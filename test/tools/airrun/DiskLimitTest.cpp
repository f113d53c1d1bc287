//===- DiskLimitTest.cpp - reads fill the memory of the caller ------------===//
#include "tools/airrun/DiskLimit.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace air;

namespace {

constexpr uint64_t kPage = 4096;

/// A file in which each page begins with its own index plus one.
class NumberedFile {
public:
  explicit NumberedFile(uint64_t pages) {
    const int file = mkstemp(path.data());
    EXPECT_GE(file, 0);
    std::vector<uint64_t> page(kPage / sizeof(uint64_t));
    for (uint64_t i = 0; i < pages; ++i) {
      page[0] = i + 1;
      EXPECT_EQ(write(file, page.data(), kPage), ssize_t{kPage});
    }
    close(file);
  }
  ~NumberedFile() { unlink(path.c_str()); }

  std::string path = testing::TempDir() + "air-limit-XXXXXX";
};

struct Memory {
  explicit Memory(uint64_t bytes)
      : bytes(
            static_cast<uint8_t *>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
            bytes) {
    EXPECT_NE(this->bytes.data(), MAP_FAILED);
  }
  ~Memory() { munmap(bytes.data(), bytes.size()); }
  /// The number at the beginning of a page.
  uint64_t operator[](uint64_t page) const {
    uint64_t number = 0;
    std::memcpy(&number, bytes.data() + page * kPage, sizeof number);
    return number;
  }
  std::span<uint8_t> bytes;
};

} // namespace

TEST(DiskLimit, FillsAllOfTheMemoryWithBytesOfTheRange) {
  constexpr uint64_t kFilePages = 3000;
  const NumberedFile file(kFilePages);
  // The range that is read begins after the first 1000 pages of the file.
  Result<DiskLimit> limit =
      DiskLimit::create(file.path, 1000 * kPage, kFilePages * kPage);
  ASSERT_TRUE(limit) << limit.status().message();
  constexpr uint64_t kPages = 600;
  Memory memory(kPages * kPage);
  for (int i = 0; i < 2; ++i) {
    const Result<double> rate = limit->sample(memory.bytes);
    ASSERT_TRUE(rate) << rate.status().message();
    EXPECT_GT(*rate, 0);
  }
  // Only the end of the memory, which has no room for another block, may be
  // left out. The smallest blocks have 256 pages.
  for (uint64_t page = 0; page < kPages / 256 * 256; ++page) {
    EXPECT_GT(memory[page], 1000u) << page;
    EXPECT_LE(memory[page], kFilePages) << page;
  }
}

// sample() tries several block sizes. This memory is smaller than all of them,
// so each block is made as small as the memory.
TEST(DiskLimit, ReadsIntoLittleMemoryAndIntoItsOwn) {
  const NumberedFile file(300);
  Result<DiskLimit> limit = DiskLimit::create(file.path, 0, 300 * kPage);
  ASSERT_TRUE(limit) << limit.status().message();
  Memory memory(3 * kPage);
  const Result<double> rate = limit->sample(memory.bytes);
  ASSERT_TRUE(rate) << rate.status().message();
  for (uint64_t page = 0; page < 3; ++page) {
    EXPECT_GT(memory[page], 0u) << page;
  }
  ASSERT_TRUE(limit->sample({}));
}

// Only whole pages are read, so a range without any cannot be measured.
TEST(DiskLimit, ARangeWithoutAPageIsAnError) {
  const NumberedFile file(3);
  for (const uint64_t begin : {kPage, 2 * kPage, 2 * kPage + 1}) {
    Result<DiskLimit> limit =
        DiskLimit::create(file.path, begin, 2 * kPage + 5);
    ASSERT_TRUE(limit) << limit.status().message();
    const Result<double> rate = limit->sample({});
    if (begin == kPage) {
      EXPECT_TRUE(rate) << rate.status().message();
      continue;
    }
    EXPECT_EQ(rate.status().code(), ErrorCode::Io);
    EXPECT_EQ(rate.status().message(),
              "cannot measure how fast '" + file.path +
                  "' is read: nothing could be read between byte 8192 and "
                  "byte 8192");
  }
}

TEST(DiskLimit, AMissingFileIsAnError) {
  EXPECT_EQ(DiskLimit::create("/no/such/file", 0, kPage).status().code(),
            ErrorCode::Io);
}
