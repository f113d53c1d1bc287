//===- AtomicFileTest.cpp - outputs appear whole or not at all ------------===//
#include "TempFolder.h"

#include "formats/support/AtomicFile.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <grp.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace air;

namespace {

std::span<const uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

class AtomicFileTest : public test::TempFolder {
protected:
  /// Whether this process runs as root, which is exempt from permission checks.
  static bool isRoot() { return geteuid() == 0; }

  mode_t modeOf(const std::string &name) const {
    struct stat facts = {};
    return stat(path(name).c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
  }
};

// The functions that create temporary files. The first one creates a file
// without a name if the file system of TMPDIR supports that, and the second one
// creates a file with a name.
constexpr Result<AtomicFile> (*kCreates[])(const std::string &) = {
    AtomicFile::create, AtomicFile::createNamed};

TEST_F(AtomicFileTest, AppearsOnCommitOnly) {
  std::string target = path("out");
  for (auto create : kCreates) {
    std::filesystem::remove(target);
    Result<AtomicFile> file = create(target);
    ASSERT_TRUE(file.isOk()) << file.status().message();
    ASSERT_TRUE(file->reserve(1000).isOk());
    ASSERT_TRUE(file->writeAt(6, bytesOf("world")).isOk());
    ASSERT_TRUE(file->writeAt(0, bytesOf("hello ")).isOk());
    EXPECT_FALSE(std::filesystem::exists(target));
    Status status = file->commit(11);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ(readText(target), "hello world");
    EXPECT_EQ(filesInFolder(), 1U);
  }
}

TEST_F(AtomicFileTest, CopiesFromFilesAndFromMemory) {
  std::string text(20'000, 'a');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>('a' + i * i % 23);
  }
  std::ofstream(path("source")) << text;
  const int source = open(path("source").c_str(), O_RDONLY);
  ASSERT_GE(source, 0);
  // copy_file_range() cannot read from a pipe, so copyAt() must write the bytes
  // of its last argument instead.
  int pipe[2] = {-1, -1};
  ASSERT_EQ(::pipe(pipe), 0);
  struct Case {
    int source;
    uint64_t from;
    uint64_t to;
    size_t bytes;
  };
  // Two files can share blocks only where offsets and sizes are multiples of
  // the block size.
  for (const Case &one : {Case{source, 4096, 8192, 8192},
                          Case{source, 1, 7, 12'345}, Case{source, 9, 3, 0},
                          Case{-1, 0, 0, 4096}, Case{pipe[0], 0, 4096, 4096}}) {
    Result<AtomicFile> file = AtomicFile::create(path("copy"));
    ASSERT_TRUE(file.isOk()) << file.status().message();
    const std::string part = text.substr(one.from, one.bytes);
    Status status = file->copyAt(one.to, one.source, one.from, bytesOf(part));
    ASSERT_TRUE(status.isOk()) << status.message();
    status = file->commit(one.to + one.bytes);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ(readText(path("copy")), std::string(one.to, '\0') + part);
  }
  close(source);
  close(pipe[0]);
  close(pipe[1]);
}

TEST_F(AtomicFileTest, LeavesNothingWithoutCommit) {
  for (auto create : kCreates) {
    {
      Result<AtomicFile> file = create(path("out"));
      ASSERT_TRUE(file.isOk());
      ASSERT_TRUE(file->writeAt(0, bytesOf("half")).isOk());
    }
    EXPECT_EQ(filesInFolder(), 0U);
  }
}

TEST_F(AtomicFileTest, ReplacesTheOldFileOnlyOnCommit) {
  for (auto create : kCreates) {
    std::string target = path("out");
    writeText(target, "the old one, which is longer");
    std::ifstream reader(target); // keeps the old file open
    {
      Result<AtomicFile> file = create(target);
      ASSERT_TRUE(file.isOk());
      ASSERT_TRUE(file->writeAt(0, bytesOf("new")).isOk());
    }
    EXPECT_EQ(readText(target), "the old one, which is longer");
    Result<AtomicFile> file = create(target);
    ASSERT_TRUE(file.isOk());
    ASSERT_TRUE(file->writeAt(0, bytesOf("new")).isOk());
    Status status = file->commit(3);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ(readText(target), "new");
    EXPECT_EQ(filesInFolder(), 1U);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}),
              "the old one, which is longer");
  }
}

TEST_F(AtomicFileTest, KeepsTheLinkAndReplacesItsTarget) {
  for (auto create : kCreates) {
    std::filesystem::create_directories(path("deep"));
    writeText(path("deep/real"), "old");
    // The target of a relative link is relative to the folder of the link.
    std::filesystem::create_symlink("deep/middle", path("link"));
    std::filesystem::create_symlink("real", path("deep/middle"));
    Result<AtomicFile> file = create(path("link"));
    ASSERT_TRUE(file.isOk()) << file.status().message();
    EXPECT_EQ(file->path(), path("deep/real"));
    ASSERT_TRUE(file->writeAt(0, bytesOf("new")).isOk());
    ASSERT_TRUE(file->commit(3).isOk());
    EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
    EXPECT_TRUE(std::filesystem::is_symlink(path("deep/middle")));
    EXPECT_EQ(readText(path("deep/real")), "new");

    // If the target of the link does not exist yet, it is created.
    std::filesystem::remove(path("deep/real"));
    Result<AtomicFile> made = create(path("link"));
    ASSERT_TRUE(made.isOk()) << made.status().message();
    ASSERT_TRUE(made->commit(0).isOk());
    EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
    EXPECT_TRUE(std::filesystem::is_regular_file(path("deep/real")));
    std::filesystem::remove_all(path("deep"));
    std::filesystem::remove(path("link"));
  }
  std::filesystem::create_symlink("b", path("a"));
  std::filesystem::create_symlink("a", path("b"));
  EXPECT_EQ(AtomicFile::create(path("a")).status().code(), ErrorCode::Io);
}

TEST_F(AtomicFileTest, KeepsThePermissionsOfWhatItReplaces) {
  for (auto create : kCreates) {
    for (mode_t mode : {0600U, 0640U, 0444U}) {
      writeText(path("out"), "old");
      ASSERT_EQ(chmod(path("out").c_str(), mode), 0);
      Result<AtomicFile> file = create(path("out"));
      ASSERT_TRUE(file.isOk()) << file.status().message();
      ASSERT_TRUE(file->commit(0).isOk());
      EXPECT_EQ(modeOf("out"), mode);
      std::filesystem::remove(path("out"));
    }
    const mode_t before = umask(027);
    Result<AtomicFile> fresh = create(path("fresh"));
    umask(before);
    ASSERT_TRUE(fresh.isOk() && fresh->commit(0).isOk());
    EXPECT_EQ(modeOf("fresh"), 0640U) << "0644 without what umask takes away";
    std::filesystem::remove(path("fresh"));
  }
}

TEST_F(AtomicFileTest, TakesNamesAsLongAsTheFileSystemAllows) {
  for (auto create : kCreates) {
    for (size_t length : {246U, 255U}) {
      std::string target = path(std::string(length, 'n'));
      // The first round creates the file, and the second one replaces it.
      for (int round = 0; round < 2; ++round) {
        Result<AtomicFile> file = create(target);
        ASSERT_TRUE(file.isOk()) << file.status().message();
        ASSERT_TRUE(file->commit(0).isOk());
      }
      EXPECT_TRUE(std::filesystem::remove(target));
    }
  }
  Result<AtomicFile> tooLong = AtomicFile::create(path(std::string(256, 'n')));
  ASSERT_FALSE(tooLong.isOk());
  EXPECT_EQ(tooLong.status().code(), ErrorCode::Io);
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
  EXPECT_EQ(onFolder.status().code(), ErrorCode::Usage);
  EXPECT_NE(onFolder.status().message().find("it is a folder"),
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

/// Runs `body` in a child process, whose exit code is the result of `body`.
/// Returns the wait status of the child process.
int statusOfChild(const std::function<int()> &body) {
  pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(AtomicFileTest, ASignalRemovesTheTemporary) {
  int status = statusOfChild([&] {
    removeTemporariesOnSignal();
    // One file is committed and the other is not. Only the committed one must
    // remain.
    Result<AtomicFile> done = AtomicFile::createNamed(path("done"));
    Result<AtomicFile> open = AtomicFile::createNamed(path("open"));
    bool ready =
        done.isOk() && open.isOk() && done->writeAt(0, bytesOf("x")).isOk() &&
        done->commit(1).isOk() && open->writeAt(0, bytesOf("y")).isOk();
    if (!ready || filesInFolder() != 2) {
      return 9;
    }
    raise(SIGTERM);
    return 8;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  EXPECT_EQ(filesInFolder(), 1U);
  EXPECT_EQ(readText(path("done")), "x");
}

TEST_F(AtomicFileTest, AKilledProcessLeavesNothingWhereFilesNeedNoName) {
  int status = statusOfChild([&] {
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    if (!file.isOk() || filesInFolder() != 0) {
      return 1;
    }
    raise(SIGKILL);
    return 8;
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == 1) {
    GTEST_SKIP() << "the file system of " << folder << " has no O_TMPFILE";
  }
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_EQ(filesInFolder(), 0U);
}

TEST_F(AtomicFileTest, TheNextOneRemovesWhatAKilledProcessLeft) {
  int status = statusOfChild([&] {
    Result<AtomicFile> file = AtomicFile::createNamed(path("out"));
    if (!file.isOk() || !file->writeAt(0, bytesOf("half")).isOk()) {
      return 9;
    }
    raise(SIGKILL);
    return 8;
  });
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_EQ(filesInFolder(), 1U);
  // These files must stay, because this program never writes files with such
  // names.
  for (const char *name : {"air-1-0.tmp.bak", "air-1.tmp", "my-air-1-0.tmp",
                           "air-x-0.tmp", "air-1-0.air"}) {
    writeText(path(name), "someone's");
  }
  // This file must stay too, because the process that writes it is still alive.
  Result<AtomicFile> open = AtomicFile::createNamed(path("open"));
  ASSERT_TRUE(open.isOk());
  EXPECT_EQ(open->notes().size(), 1U);
  EXPECT_NE(open->notes().at(0).find("4 bytes"), std::string::npos)
      << open->notes().at(0);

  Result<AtomicFile> next = AtomicFile::create(path("out"));
  ASSERT_TRUE(next.isOk()) << next.status().message();
  EXPECT_TRUE(next->notes().empty()) << next->notes().at(0);
  EXPECT_EQ(filesInFolder(), 6U);
  ASSERT_TRUE(open->commit(0).isOk());
  ASSERT_TRUE(next->commit(0).isOk());
  EXPECT_EQ(filesInFolder(), 7U);
}

/// Runs `body` in a child process of a user other than root, and sets `status`
/// to the wait status of that process. Skips the test if this process does not
/// run as root and therefore cannot act as another user.
#define AIR_AS_OTHER_USER(status, body)                                        \
  do {                                                                         \
    if (!isRoot()) {                                                           \
      GTEST_SKIP() << "only root can act as another user";                     \
    }                                                                          \
    status = statusOfChild([&]() -> int {                                      \
      if (setgroups(0, nullptr) != 0 || setgid(kOtherUser) != 0 ||             \
          setuid(kOtherUser) != 0) {                                           \
        return 99;                                                             \
      }                                                                        \
      return body();                                                           \
    });                                                                        \
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {                      \
      GTEST_SKIP() << "this container gives no other user";                    \
    }                                                                          \
  } while (false)
constexpr uid_t kOtherUser = 65533;

TEST_F(AtomicFileTest, KeepsTheOwnerWhereTheSystemAllowsIt) {
  if (!isRoot()) {
    GTEST_SKIP() << "only root can give a file to another user";
  }
  for (auto create : kCreates) {
    writeText(path("out"), "old");
    if (chown(path("out").c_str(), kOtherUser, kOtherUser) != 0) {
      GTEST_SKIP() << "this container gives no other user";
    }
    ASSERT_EQ(chmod(path("out").c_str(), 0640), 0);
    Result<AtomicFile> file = create(path("out"));
    ASSERT_TRUE(file.isOk() && file->commit(0).isOk());
    struct stat facts = {};
    ASSERT_EQ(stat(path("out").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_uid, kOtherUser);
    EXPECT_EQ(facts.st_gid, kOtherUser);
    EXPECT_EQ(modeOf("out"), 0640U);
  }
}

TEST_F(AtomicFileTest, AGroupThatIsLostTakesItsPermissionsAlong) {
  // The file belongs to root, but its folder lets another user replace it.
  writeText(path("out"), "old");
  ASSERT_EQ(chmod(path("out").c_str(), 0664), 0);
  ASSERT_EQ(chmod(folder.c_str(), 0777), 0);
  int status = 0;
  AIR_AS_OTHER_USER(status, [&] {
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    return file.isOk() && file->commit(0).isOk() ? 7 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  EXPECT_EQ(modeOf("out"), 0644U);
}

TEST_F(AtomicFileTest, FindsOutFirstThatAFileMayNotBeReplaced) {
  // In a sticky folder such as /tmp, only the owner may replace a file.
  writeText(path("out"), "old");
  ASSERT_EQ(chmod(path("out").c_str(), 0666), 0);
  ASSERT_EQ(chmod(folder.c_str(), 01777), 0);
  int status = 0;
  AIR_AS_OTHER_USER(status, [&] {
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    const bool isRight =
        file.status().code() == ErrorCode::Io &&
        file.status().message().find("cannot replace '") != std::string::npos &&
        AtomicFile::create(path("mine")).isOk();
    return isRight ? 7 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  EXPECT_EQ(readText(path("out")), "old");
}

TEST_F(AtomicFileTest, FindsOutFirstThatAFolderIsNotToBeWrittenIn) {
  ASSERT_EQ(chmod(folder.c_str(), 0555), 0);
  int status = 0;
  AIR_AS_OTHER_USER(status, [&] {
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    return file.status().code() == ErrorCode::Io &&
                   file.status().message().find("Permission denied") !=
                       std::string::npos
               ? 7
               : 1;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

/// Sets or clears the immutable attribute of a file, as `chattr +i` and `chattr
/// -i` do. Returns false if that is impossible.
bool setImmutable(const std::string &path, bool isImmutable) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int flags = 0;
  bool isDone = ioctl(descriptor, FS_IOC_GETFLAGS, &flags) == 0;
  flags = isImmutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
  isDone = isDone && ioctl(descriptor, FS_IOC_SETFLAGS, &flags) == 0;
  close(descriptor);
  return isDone;
}

TEST_F(AtomicFileTest, FindsOutFirstThatAFileIsImmutable) {
  writeText(path("out"), "old");
  if (!setImmutable(path("out"), true)) {
    GTEST_SKIP() << "no immutable files here: that takes root and a file "
                    "system that has them";
  }
  Result<AtomicFile> file = AtomicFile::create(path("out"));
  setImmutable(path("out"), false);
  ASSERT_FALSE(file.isOk());
  EXPECT_EQ(file.status().code(), ErrorCode::Io);
  EXPECT_NE(file.status().message().find("Operation not permitted"),
            std::string::npos)
      << file.status().message();
  EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(AtomicFileTest, ASignalRemovesWhatIsNamed) {
  writeText(path("kept"), "x");
  writeText(path("gone"), "y");
  int status = statusOfChild([&] {
    // A shell may start background jobs with SIGINT ignored.
    std::signal(SIGINT, SIG_DFL);
    removeTemporariesOnSignal();
    {
      RemovedOnSignal before(path("kept"));
    }
    RemovedOnSignal now(path("gone"));
    raise(SIGINT);
    return 8;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
  EXPECT_EQ(filesInFolder(), 1U);
  EXPECT_EQ(readText(path("kept")), "x");
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
    // writeAt() calls pwrite() twice: the first call stops at the limit on file
    // sizes, and the second call, for the remaining bytes, is refused.
    Status written = file->writeAt(0, bytesOf(large));
    bool isRight =
        reserved.code() == ErrorCode::DoesNotFit &&
        reserved.message().find(
            "needs 5000 bytes, but the limit on file sizes is 4096 bytes") !=
            std::string::npos &&
        written.code() == ErrorCode::DoesNotFit && file->reserve(4096).isOk() &&
        file->commit(4096).isOk();
    return isRight ? 7 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  EXPECT_EQ(filesInFolder(), 1U);
}

TEST_F(AtomicFileTest, SeveralForOneTargetAreNotInEachOthersWay) {
  for (auto create : kCreates) {
    Result<AtomicFile> first = create(path("out"));
    Result<AtomicFile> second = create(path("out"));
    ASSERT_TRUE(first.isOk()) << first.status().message();
    ASSERT_TRUE(second.isOk()) << second.status().message();
    ASSERT_TRUE(first->writeAt(0, bytesOf("a")).isOk());
    ASSERT_TRUE(second->writeAt(0, bytesOf("b")).isOk());
    ASSERT_TRUE(second->commit(1).isOk());
    EXPECT_EQ(readText(path("out")), "b");
    ASSERT_TRUE(first->commit(1).isOk());
    EXPECT_EQ(readText(path("out")), "a");
    EXPECT_EQ(filesInFolder(), 1U);
    std::filesystem::remove(path("out"));
  }
}

} // namespace
