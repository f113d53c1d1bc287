//===- BlockProgressTest.cpp - reads that return less than asked ----------===//
#include "runtime/io/BlockProgress.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vector>

using namespace air;
using namespace air::rt;
using ::testing::HasSubstr;

namespace {

constexpr uint64_t kPage = 4096;

class BlockProgressTest : public testing::Test {
protected:
  BlockProgressTest() : memory(32 * kPage) {}

  BlockProgress ask(uint64_t offset, uint64_t bytes) {
    return BlockProgress({offset, bytes, memory.data(), 9});
  }

  /// The outcome of `progress` if the file has `size` bytes.
  BlockDone outcome(const BlockProgress &progress, int64_t size) {
    const std::string path =
        testing::TempDir() + "progress-" + std::to_string(getpid());
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(ftruncate(descriptor, size), 0);
    Result<BlockFile> file =
        BlockFile::reopen(descriptor, "m.air", IoMethod::Buffered);
    EXPECT_TRUE(file) << file.status().message();
    close(descriptor);
    std::remove(path.c_str());
    return progress.outcome(*file);
  }

  std::vector<uint8_t> memory;
};

TEST_F(BlockProgressTest, OneReadIsEnough) {
  BlockProgress progress = ask(3 * kPage, 4 * kPage);
  EXPECT_EQ(progress.offset(), 3 * kPage);
  EXPECT_EQ(progress.bytes(), 4 * kPage);
  EXPECT_EQ(progress.to(), memory.data());
  EXPECT_TRUE(progress.take(4 * kPage));
  const BlockDone done = outcome(progress, 7 * kPage);
  EXPECT_EQ(done.id, 9u);
  EXPECT_TRUE(done.status.isOk()) << done.status.message();
}

TEST_F(BlockProgressTest, AShortReadIsContinuedAtAnAlignedPlace) {
  BlockProgress progress = ask(8 * kPage, 4 * kPage);
  EXPECT_FALSE(progress.take(kPage + 512));
  EXPECT_EQ(progress.offset(), 9 * kPage);
  EXPECT_EQ(progress.bytes(), 3 * kPage);
  EXPECT_EQ(progress.to(), memory.data() + kPage);
  EXPECT_FALSE(progress.take(2 * kPage));
  EXPECT_EQ(progress.offset(), 11 * kPage);
  EXPECT_TRUE(progress.take(kPage));
  EXPECT_TRUE(outcome(progress, 12 * kPage).status.isOk());
}

TEST_F(BlockProgressTest, TheEndOfTheFileNeedNotBeAligned) {
  BlockProgress progress = ask(kPage, kPage + 100);
  EXPECT_EQ(progress.bytes(), 2 * kPage);
  EXPECT_TRUE(progress.take(kPage + 100));
  EXPECT_TRUE(outcome(progress, 2 * kPage + 100).status.isOk());
  // If the file grows, a read may return more bytes than the block has.
  progress = ask(kPage, kPage + 100);
  EXPECT_TRUE(progress.take(2 * kPage));
  EXPECT_TRUE(outcome(progress, 5 * kPage).status.isOk());
}

TEST_F(BlockProgressTest, InterruptedReadsAreRepeatedButNotForEver) {
  BlockProgress progress = ask(0, kPage);
  for (int i = 0; i < 500; ++i) {
    EXPECT_FALSE(progress.take(i % 2 == 0 ? -EINTR : -EAGAIN));
    EXPECT_EQ(progress.offset(), 0u);
  }
  EXPECT_TRUE(progress.take(kPage));
  EXPECT_TRUE(outcome(progress, kPage).status.isOk());

  progress = ask(0, kPage);
  int reads = 1;
  while (!progress.take(-EINTR)) {
    ASSERT_LT(++reads, 100'000);
  }
  const BlockDone done = outcome(progress, kPage);
  EXPECT_EQ(done.status.code(), ErrorCode::Io);
  EXPECT_THAT(done.status.message(), HasSubstr("Interrupted system call"));
}

TEST_F(BlockProgressTest, ErrorsNameTheFileAndTheOffset) {
  BlockProgress progress = ask(2 * kPage, 2 * kPage);
  EXPECT_FALSE(progress.take(kPage));
  EXPECT_TRUE(progress.take(-EIO));
  const BlockDone done = outcome(progress, 4 * kPage);
  EXPECT_EQ(done.status.code(), ErrorCode::Io);
  EXPECT_EQ(done.status.message(),
            "cannot read 8192 bytes at offset 8192 of 'm.air': Input/output "
            "error");
}

TEST_F(BlockProgressTest, ATruncatedFileIsAnError) {
  // The file ends in the middle of the block, at an offset that is not aligned.
  BlockProgress progress = ask(kPage, 4 * kPage);
  EXPECT_FALSE(progress.take(kPage + 7));
  EXPECT_TRUE(progress.take(7));
  EXPECT_EQ(outcome(progress, 2 * kPage + 7).status.message(),
            "'m.air' is truncated: only 4103 of 16384 bytes could be read at "
            "offset 4096; restore the file");
  // Here the file ends before the block begins.
  progress = ask(8 * kPage, 100);
  EXPECT_TRUE(progress.take(0));
  const BlockDone done = outcome(progress, kPage);
  EXPECT_EQ(done.status.code(), ErrorCode::Io);
  EXPECT_THAT(done.status.message(),
              HasSubstr("only 0 of 100 bytes could be read at offset 32768"));
}

TEST_F(BlockProgressTest, AFileSystemThatStopsReadingIsAnError) {
  BlockProgress progress = ask(0, 2 * kPage);
  EXPECT_TRUE(progress.take(0));
  const BlockDone done = outcome(progress, 2 * kPage);
  EXPECT_EQ(done.status.code(), ErrorCode::Io);
  EXPECT_THAT(done.status.message(), HasSubstr("early: only 0 of"));
}

TEST_F(BlockProgressTest, LargeBlocksAreReadInParts) {
  BlockProgress progress = ask(0, (uint64_t{3} << 30) + kPage);
  for (uint64_t part = 0; part < 3; ++part) {
    EXPECT_EQ(progress.offset(), part << 30);
    EXPECT_EQ(progress.bytes(), 1U << 30);
    EXPECT_FALSE(progress.take(1 << 30));
  }
  EXPECT_EQ(progress.bytes(), kPage);
  EXPECT_TRUE(progress.take(kPage));
}

} // namespace
