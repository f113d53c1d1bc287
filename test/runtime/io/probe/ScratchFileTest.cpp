//===- ScratchFileTest.cpp - a file that leaves nothing behind ------------===//
#include "runtime/io/probe/ScratchFile.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace air;
using namespace air::rt;
using ::testing::HasSubstr;

namespace {

TEST(ScratchFile, HasRandomBytesAndNoName) {
  const std::string folder =
      testing::TempDir() + "scratch-" + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  {
    Result<ScratchFile> file =
        ScratchFile::create(folder, ScratchFile::kFewestBytes + 4096, 60);
    ASSERT_TRUE(file) << file.status().message();
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    struct stat info = {};
    ASSERT_EQ(fstat(file->descriptor(), &info), 0);
    EXPECT_EQ(static_cast<uint64_t>(info.st_size),
              ScratchFile::kFewestBytes + 4096);
    // The words of the first and the last page are all different.
    std::set<uint64_t> words;
    for (off_t offset : {off_t{0}, info.st_size - 4096}) {
      std::vector<uint64_t> page(512);
      ASSERT_EQ(pread(file->descriptor(), page.data(), 4096, offset), 4096);
      words.insert(page.begin(), page.end());
    }
    EXPECT_EQ(words.size(), 1024u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
}

TEST(ScratchFile, IsShorterIfThereIsNoTime) {
  Result<ScratchFile> file =
      ScratchFile::create(testing::TempDir(), uint64_t{128} << 20, 0);
  ASSERT_TRUE(file) << file.status().message();
  struct stat info = {};
  ASSERT_EQ(fstat(file->descriptor(), &info), 0);
  EXPECT_EQ(static_cast<uint64_t>(info.st_size), ScratchFile::kFewestBytes);
}

TEST(ScratchFile, ErrorsNameTheFolder) {
  Status status = ScratchFile::create("/no/such/folder", 1 << 26, 1).status();
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_THAT(status.message(), HasSubstr("in the folder '/no/such/folder': "));
  status = ScratchFile::create("/proc", 0, 1).status();
  EXPECT_EQ(status.code(), ErrorCode::Io);
  status =
      ScratchFile::create(testing::TempDir(), uint64_t{1} << 60, 1).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(),
              HasSubstr("takes a file of 1152921504606846976 "
                        "bytes and twice as much free space"));
}

} // namespace
