//===- AtomicFileTest.cpp - outputs appear whole or not at all ------------===//
#include "TempFolder.h"

#include "formats/support/AtomicFile.h"

#include <csignal>
#include <functional>
#include <sys/resource.h>
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
    // One file is committed and one is not: the first must stay.
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

/// The exit status of a child process that runs `body` and exits with its
/// result.
int statusOfChild(const std::function<int()> &body) {
  pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(AtomicFileTest, AnIgnoredSignalStaysIgnored) {
  int status = statusOfChild([] {
    std::signal(SIGHUP, SIG_IGN);
    removeTemporariesOnSignal();
    raise(SIGHUP);
    return 7;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

TEST_F(AtomicFileTest, TheLimitOnFileSizesIsAnErrorAndNoSignal) {
  int status = statusOfChild([&] {
    removeTemporariesOnSignal();
    rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    Status reserved = file->reserve(5000);
    std::string large(5000, 'x');
    // The first write stops at the limit; the rest is refused.
    Status written = file->writeAt(0, bytesOf(large));
    bool isRight =
        reserved.code() == ErrorCode::DoesNotFit &&
        reserved.message().find("needs 5000 bytes and a file may have 4096") !=
            std::string::npos &&
        written.code() == ErrorCode::DoesNotFit && file->reserve(4096).isOk() &&
        file->commit(4096).isOk();
    return isRight ? 7 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(AtomicFileTest, WhatAKilledProcessLeftIsNotInTheWay) {
  writeText(path("out.tmp-" + std::to_string(getpid())), "left behind");
  Result<AtomicFile> first = AtomicFile::create(path("out"));
  Result<AtomicFile> second = AtomicFile::create(path("out"));
  ASSERT_TRUE(first.isOk()) << first.status().message();
  ASSERT_TRUE(second.isOk()) << second.status().message();
  ASSERT_TRUE(first->writeAt(0, bytesOf("a")).isOk());
  ASSERT_TRUE(second->writeAt(0, bytesOf("b")).isOk());
  ASSERT_TRUE(second->commit(1).isOk());
  EXPECT_EQ(readText(path("out")), "b");
  ASSERT_TRUE(first->commit(1).isOk());
  EXPECT_EQ(readText(path("out")), "a");
}

} // namespace
