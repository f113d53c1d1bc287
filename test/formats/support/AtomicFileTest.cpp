//===- AtomicFileTest.cpp - outputs appear whole or not at all ------------===//
#include "TempFolder.h"

#include "formats/support/AtomicFile.h"

#include <csignal>
#include <sys/wait.h>

using namespace air;

namespace {

std::span<const uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

class AtomicFileTest : public test::TempFolder {};

TEST_F(AtomicFileTest, AppearsOnCommitOnly) {
  std::string target = path("out");
  Result<AtomicFile> file = AtomicFile::create(target);
  ASSERT_TRUE(file.isOk()) << file.status().message();
  ASSERT_TRUE(file->reserve(1000).isOk());
  ASSERT_TRUE(file->writeAt(6, bytesOf("world")).isOk());
  ASSERT_TRUE(file->writeAt(0, bytesOf("hello ")).isOk());
  EXPECT_FALSE(std::filesystem::exists(target));
  ASSERT_TRUE(file->commit(11).isOk());
  EXPECT_EQ(readText(target), "hello world");
  EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(AtomicFileTest, LeavesNothingWithoutCommit) {
  {
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    ASSERT_TRUE(file.isOk());
    ASSERT_TRUE(file->writeAt(0, bytesOf("half")).isOk());
    EXPECT_EQ(filesInFolder(), 1U);
  }
  EXPECT_EQ(filesInFolder(), 0U);
}

TEST_F(AtomicFileTest, ReplacesTheOldFileOnlyOnCommit) {
  std::string target = path("out");
  writeText(target, "the old one, which is longer");
  {
    Result<AtomicFile> file = AtomicFile::create(target);
    ASSERT_TRUE(file.isOk());
    ASSERT_TRUE(file->writeAt(0, bytesOf("new")).isOk());
  }
  EXPECT_EQ(readText(target), "the old one, which is longer");
  Result<AtomicFile> file = AtomicFile::create(target);
  ASSERT_TRUE(file.isOk());
  ASSERT_TRUE(file->writeAt(0, bytesOf("new")).isOk());
  ASSERT_TRUE(file->commit(3).isOk());
  EXPECT_EQ(readText(target), "new");
  EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(AtomicFileTest, MovesKeepOneOwner) {
  Result<AtomicFile> made = AtomicFile::create(path("out"));
  ASSERT_TRUE(made.isOk());
  AtomicFile first = *std::move(made);
  AtomicFile second;
  second = std::move(first);
  ASSERT_TRUE(second.writeAt(0, bytesOf("x")).isOk());
  ASSERT_TRUE(second.commit(1).isOk());
  EXPECT_EQ(readText(path("out")), "x");
}

TEST_F(AtomicFileTest, RefusesFoldersAndMissingFolders) {
  Result<AtomicFile> onFolder = AtomicFile::create(folder);
  ASSERT_FALSE(onFolder.isOk());
  EXPECT_EQ(onFolder.status().code(), ErrorCode::Io);
  EXPECT_NE(onFolder.status().message().find("not a regular file"),
            std::string::npos);
  Result<AtomicFile> nowhere = AtomicFile::create(path("missing/out"));
  ASSERT_FALSE(nowhere.isOk());
  EXPECT_EQ(nowhere.status().code(), ErrorCode::Io);
  EXPECT_NE(nowhere.status().message().find("missing/out"), std::string::npos);
}

TEST_F(AtomicFileTest, FindsAFullDiskBeforeWriting) {
  Result<AtomicFile> file = AtomicFile::create(path("out"));
  ASSERT_TRUE(file.isOk());
  Status status = file->reserve(uint64_t{1} << 60);
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_NE(status.message().find("needs 1152921504606846976 bytes"),
            std::string::npos)
      << status.message();
}

TEST_F(AtomicFileTest, ASignalRemovesTheTemporary) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    removeTemporariesOnSignal();
    // One that is done and one that is not: the first must stay.
    Result<AtomicFile> done = AtomicFile::create(path("done"));
    Result<AtomicFile> open = AtomicFile::create(path("open"));
    bool ready =
        done.isOk() && open.isOk() && done->writeAt(0, bytesOf("x")).isOk() &&
        done->commit(1).isOk() && open->writeAt(0, bytesOf("y")).isOk();
    if (!ready) {
      _exit(9);
    }
    raise(SIGTERM);
    _exit(8);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_EQ(filesInFolder(), 1U);
  EXPECT_EQ(readText(path("done")), "x");
}

} // namespace
