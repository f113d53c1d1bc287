//===- LostPagesTest.cpp - a mapped file that changes while in use --------===//
#include "tools/cli/LostPages.h"

#include "formats/support/AtomicFile.h"
#include "formats/support/MappedFile.h"

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace air;

namespace {

class LostPagesTest : public testing::Test {
protected:
  void SetUp() override {
    folder = std::filesystem::path(testing::TempDir()) /
             ("lost-pages-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// The wait status of a process that has ended, and what it printed.
  struct End {
    int status = 0;
    std::string said;
  };
  static End endOf(const std::function<void()> &body) {
    std::array<int, 2> pipe{};
    End end;
    if (::pipe(pipe.data()) != 0) {
      return end;
    }
    pid_t child = fork();
    if (child == 0) {
      dup2(pipe[1], STDERR_FILENO);
      close(pipe[0]);
      close(pipe[1]);
      body();
      _exit(99);
    }
    close(pipe[1]);
    char byte = 0;
    while (read(pipe[0], &byte, 1) == 1) {
      end.said += byte;
    }
    close(pipe[0]);
    waitpid(child, &end.status, 0);
    return end;
  }

  /// Truncates a mapped file of 64 KiB to nothing and reads the byte at
  /// `offset`.
  static void readLost(const std::string &path, uint64_t offset) {
    std::ofstream(path) << std::string(1 << 16, 'x');
    Result<MappedFile> file = MappedFile::open(path);
    if (file.isOk() && truncate(path.c_str(), 0) == 0) {
      volatile uint8_t byte = file->bytes()[offset];
      (void)byte;
    }
  }

  std::filesystem::path folder;
};

TEST_F(LostPagesTest, ATruncatedFileEndsWithOneLineAndItsCode) {
  const std::string path = folder / "a\tb.air";
  End end = endOf([&] {
    cli::endOnLostPages("tool");
    readLost(path, 50000);
  });
  ASSERT_TRUE(WIFEXITED(end.status)) << end.status;
  EXPECT_EQ(WEXITSTATUS(end.status), static_cast<int>(ErrorCode::Io));
  EXPECT_EQ(end.said,
            "tool: '" + (folder / "a\\x09b.air").string() +
                "': the bytes at offset 50000 are gone: the file was truncated "
                "or overwritten while it was in use, or its disk failed; "
                "replace such files by renaming (mv) and start again\n");
}

TEST_F(LostPagesTest, OpenTemporariesGo) {
  End end = endOf([&] {
    cli::endOnLostPages("tool");
    Result<AtomicFile> out = AtomicFile::createNamed(folder / "out");
    if (out.isOk()) {
      readLost(folder / "in", 0);
    }
  });
  ASSERT_TRUE(WIFEXITED(end.status)) << end.status;
  EXPECT_EQ(WEXITSTATUS(end.status), static_cast<int>(ErrorCode::Io));
  EXPECT_TRUE(std::filesystem::remove(folder / "in"));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

// A bus error that no mapped file causes goes to the previous handler, or ends
// the process if there is none.
TEST_F(LostPagesTest, AnyOtherBusErrorIsWhatItWas) {
  const std::string path = folder / "unknown";
  auto readOutsideOfMappedFiles = [&] {
    std::ofstream(path) << std::string(1 << 16, 'x');
    int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    void *data = mmap(nullptr, 1 << 16, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data != MAP_FAILED && truncate(path.c_str(), 0) == 0) {
      volatile char byte = *static_cast<const char *>(data);
      (void)byte;
    }
  };
  auto sendOne = [] { raise(SIGBUS); };
  for (const std::function<void()> &cause :
       {std::function<void()>(readOutsideOfMappedFiles),
        std::function<void()>(sendOne)}) {
    End byDefault = endOf([&] {
      std::signal(SIGBUS, SIG_DFL);
      cli::endOnLostPages("tool");
      cause();
    });
    EXPECT_TRUE(WIFSIGNALED(byDefault.status) &&
                WTERMSIG(byDefault.status) == SIGBUS)
        << byDefault.status;
    EXPECT_EQ(byDefault.said, "");
    End handled = endOf([&] {
      std::signal(SIGBUS, [](int) { _exit(42); });
      cli::endOnLostPages("tool");
      cause();
    });
    EXPECT_TRUE(WIFEXITED(handled.status) && WEXITSTATUS(handled.status) == 42)
        << handled.status;
  }
}

} // namespace
