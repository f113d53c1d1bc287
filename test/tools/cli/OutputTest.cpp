//===- OutputTest.cpp - text to standard output ---------------------------===//
#include "tools/cli/Output.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace air;

namespace {

TEST(Output, FormatHasNoLongestText) {
  std::string name(5000, 'n');
  EXPECT_EQ(cli::format("%s:%d", name.c_str(), 7), name + ":7");
  EXPECT_EQ(cli::format("plain"), "plain");
}

TEST(Output, OneLineShowsControlCharacters) {
  EXPECT_EQ(cli::oneLine("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  // U+009B begins a terminal control sequence and must be escaped. U+00E9 and
  // U+4E00 are letters and must not be.
  EXPECT_EQ(cli::oneLine("\xc2\x9b"
                         "1m"),
            "\\xc2\\x9b1m");
  EXPECT_EQ(cli::oneLine("\xc3\xa9 \xe4\xb8\x80 \xc2\xa9"),
            "\xc3\xa9 \xe4\xb8\x80 \xc2\xa9");
  EXPECT_EQ(cli::oneLine("\xc2"), "\\xc2");
  // A message is truncated only if it is so long that it would fill the screen.
  EXPECT_EQ(cli::oneLine(std::string(10000, 'x')), std::string(10000, 'x'));
  EXPECT_LT(cli::oneLine(std::string(3000000, 'x')).size(), 20000U);
}

TEST(Output, AClosedStreamStaysUnusable) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    cli::occupyStandardStreams();
    int next = open("/dev/null", O_WRONLY);
    char byte = 0;
    bool isRight = next > STDERR_FILENO && read(STDIN_FILENO, &byte, 1) == -1 &&
                   errno == EBADF && cli::writeOut("x").code() == ErrorCode::Io;
    _exit(isRight ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

} // namespace
