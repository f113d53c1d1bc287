//===- RunToolTest.cpp - the body of main() ---------------------*- C++ -*-===//
#include "SampleTool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using namespace air::cli;
using testing::HasSubstr;

namespace {

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome runWith(std::vector<std::string> args,
                Status (*run)(const Invocation &)) {
  args.insert(args.begin(), "/usr/bin/sample");
  std::vector<char *> argv;
  for (std::string &arg : args) {
    argv.push_back(arg.data());
  }
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  int code =
      runTool(sampleTool(), static_cast<int>(argv.size()), argv.data(), run);
  return {code, testing::internal::GetCapturedStdout(),
          testing::internal::GetCapturedStderr()};
}

Status mustNotRun(const Invocation &) {
  ADD_FAILURE() << "the command ran";
  return Status::ok();
}

TEST(RunToolTest, VersionHelpAndManPage) {
  Outcome version = runWith({"--version"}, mustNotRun);
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out, "sample 0.1.0\n");
  Tool tool = sampleTool();
  EXPECT_EQ(runWith({"--help"}, mustNotRun).out, helpText(tool, nullptr));
  EXPECT_EQ(runWith({"a", "-h"}, mustNotRun).out, helpText(tool, nullptr));
  EXPECT_EQ(runWith({"tokenize", "--help"}, mustNotRun).out,
            helpText(tool, &tool.commands[1]));
  EXPECT_EQ(runWith({"--man"}, mustNotRun).out, manPage(tool));
}

TEST(RunToolTest, HelpIsACommandToo) {
  Tool tool = sampleTool();
  EXPECT_EQ(runWith({"help"}, mustNotRun).out, helpText(tool, nullptr));
  EXPECT_EQ(runWith({"help", "tokenize"}, mustNotRun).out,
            helpText(tool, &tool.commands[1]));
  EXPECT_EQ(runWith({"help", "--help"}, mustNotRun).out,
            helpText(tool, nullptr));
  Outcome near = runWith({"help", "tokenise"}, mustNotRun);
  EXPECT_EQ(near.code, 2);
  EXPECT_EQ(near.err, "sample: help: there is no command 'tokenise'; did you "
                      "mean 'tokenize'?\n");
  Outcome far = runWith({"help", "zzz"}, mustNotRun);
  EXPECT_EQ(far.code, 2);
  EXPECT_THAT(far.err, HasSubstr("sample help lists the commands"));
  Outcome file = runWith({"help", "-n", "5"}, mustNotRun);
  EXPECT_EQ(file.code, 2);
  EXPECT_THAT(file.err, HasSubstr("write ./help"));
  Outcome path = runWith({"./help"}, [](const Invocation &invocation) {
    EXPECT_EQ(invocation.positionals.front(), "./help");
    return Status::ok();
  });
  EXPECT_EQ(path.code, 0);
}

TEST(RunToolTest, AFileThatIsMissingMayBeAMistypedCommand) {
  auto missing = [](const Invocation &) { return ioError("no such file"); };
  EXPECT_EQ(runWith({"tokenise"}, missing).err,
            "sample: no such file; did you mean the command 'tokenize'?\n");
  EXPECT_EQ(runWith({"tokenise"}, missing).code, 8);
  EXPECT_EQ(runWith({"story.air"}, missing).err, "sample: no such file\n");
  EXPECT_EQ(runWith({"tokenize", "tokenise"}, missing).err,
            "sample: no such file\n");
}

TEST(RunToolTest, AfterDoubleDashHelpIsAFile) {
  Outcome outcome = runWith({"--", "--help"}, [](const Invocation &invocation) {
    EXPECT_EQ(invocation.positionals.front(), "--help");
    return Status::ok();
  });
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "");
}

TEST(RunToolTest, UsageErrorsExitWithTwo) {
  Outcome outcome = runWith({"a", "--nope"}, mustNotRun);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("sample: unknown option '--nope'"));
}

TEST(RunToolTest, TheCodeOfAStatusIsTheExitCode) {
  Outcome outcome = runWith({"a"}, [](const Invocation &) {
    return mismatchError("bad name 'x\ny\x1b[1m'");
  });
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.err, "sample: bad name 'x\\x0ay\\x1b[1m'\n");
}

} // namespace
