//===- TokenizeCommandTest.cpp - airrun tokenize ----------------*- C++ -*-===//
#include "tools/airrun/TokenizeCommand.h"

#include <cstdio>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unistd.h>

using namespace air;
using nlohmann::json;
using testing::HasSubstr;

namespace {

const std::string kInputs = AIR_TEST_INPUTS;
const std::string kLlama3 = kInputs + "/models/tiny/llama3.gguf";
const std::string kStrings = kInputs + "/tokenizers/strings.json";

struct Outcome {
  Status status;
  std::string out;
};

Outcome tokenize(std::vector<std::string> args) {
  cli::Tool tool;
  tool.name = "airrun";
  tool.commands = {tokenizeCommand()};
  args.insert(args.begin(), "tokenize");
  Result<cli::Invocation> invocation = cli::parse(tool, args);
  if (!invocation.isOk()) {
    return {invocation.status(), ""};
  }
  testing::internal::CaptureStdout();
  Status status = runTokenize(*invocation);
  return {status, testing::internal::GetCapturedStdout()};
}

/// A file that is removed when the test ends.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::string &content)
      : path(testing::TempDir() + "air-tokenize-" + std::to_string(getpid())) {
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::remove(path.c_str()); }
  const std::string path;
};

TEST(TokenizeCommandTest, StringsGiveTheVectors) {
  Outcome outcome = tokenize({kLlama3, "--strings", kStrings, "--no-bos"});
  ASSERT_TRUE(outcome.status.isOk()) << outcome.status.message();
  json got = json::parse(outcome.out, nullptr, false);
  std::ifstream file(kInputs + "/tokenizers/tiny-llama3.json");
  json expected = json::parse(file, nullptr, false);
  ASSERT_TRUE(got.is_array());
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i], expected[i]["ids"]) << expected[i]["text"];
  }
}

TEST(TokenizeCommandTest, BosAndSpecialTokens) {
  auto ids = [](std::vector<std::string> options) {
    options.insert(options.begin(),
                   {kLlama3, "--json", "-p", "<|end_of_text|>"});
    return json::parse(tokenize(options).out, nullptr, false);
  };
  EXPECT_EQ(ids({}), json({0, 1}));
  EXPECT_EQ(ids({"--no-bos"}), json::array({1}));
  json plain = ids({"--no-bos", "--no-special"});
  EXPECT_GT(plain.size(), 1U);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), json(1)), 0);
}

TEST(TokenizeCommandTest, TheTableNamesEachPiece) {
  Outcome outcome = tokenize({kLlama3, "-p", "!\n\xf0\x9f\x98\x80\\"});
  EXPECT_TRUE(outcome.out.starts_with("0\t<|begin_of_text|>\n540\t!\\x0a\n"))
      << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("\\xf0"));
  EXPECT_THAT(outcome.out, HasSubstr("\t\\x5c\n"));
}

TEST(TokenizeCommandTest, AnEmptyListIsAnEmptyList) {
  TemporaryFile file("[]");
  EXPECT_EQ(tokenize({kLlama3, "--strings", file.path}).out, "[]\n");
}

TEST(TokenizeCommandTest, BadStringsFiles) {
  struct Case {
    const char *content;
    const char *message;
  };
  for (Case each :
       {Case{"{}", "it is an object, not an array of strings"},
        Case{"\"a\"", "it is one string"},
        Case{"[\"a\", 1]", "entry 1 is a number, not a string"},
        Case{"[\"a\", [\"b\"]]", "entry 1 is an array"},
        Case{"[null]", "entry 0 is null"},
        Case{"[\"a\"", "not valid JSON: the error is at byte"},
        Case{"[\"a\"] x", "not valid JSON: the error is at byte"},
        Case{"[\"\\ud800\"]", "not valid JSON: the error is at byte"},
        Case{"[\"\xff\"]", "not valid JSON: the error is at byte"}}) {
    TemporaryFile file(each.content);
    Outcome outcome = tokenize({kLlama3, "--strings", file.path});
    EXPECT_EQ(outcome.status.code(), ErrorCode::Corrupt) << each.content;
    EXPECT_THAT(outcome.status.message(), HasSubstr(each.message));
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(TokenizeCommandTest, BadFilesAndOptions) {
  TemporaryFile file("no model at all");
  Outcome neither = tokenize({file.path, "-p", "x"});
  EXPECT_EQ(neither.status.code(), ErrorCode::Corrupt);
  EXPECT_THAT(neither.status.message(), HasSubstr("neither a plan nor a GGUF"));
  EXPECT_EQ(tokenize({"/nonexistent", "-p", "x"}).status.code(), ErrorCode::Io);
  EXPECT_EQ(tokenize({kLlama3, "-p", "x", "--strings", kStrings}).status.code(),
            ErrorCode::Usage);
  EXPECT_EQ(tokenize({}).status.code(), ErrorCode::Usage);
  TemporaryFile cut("AIRPLAN\nbut no more");
  EXPECT_EQ(tokenize({cut.path, "-p", "x"}).status.code(), ErrorCode::Corrupt);
}

} // namespace
