//===- CompletionTest.cpp - the table as a shell's completions ------------===//
#include "tools/cli/Completion.h"
#include "SampleTool.h"

#include <gmock/gmock.h>

using namespace air;
using namespace air::cli;
using testing::HasSubstr;
using testing::Not;

namespace {

std::string script(const std::string &shell) {
  Result<std::string> made = completionScript(sampleTool(), shell);
  return made ? *made : made.status().message();
}

// test/tools/completion.test runs the script for bash.
TEST(CompletionTest, Bash) {
  const std::string text = script("bash");
  EXPECT_THAT(text, HasSubstr("complete -F _sample sample\n"));
  EXPECT_THAT(text, HasSubstr("compgen -W 'f16 f32'"));
}

TEST(CompletionTest, Zsh) {
  const std::string text = script("zsh");
  EXPECT_EQ(text.rfind("#compdef sample\n", 0), 0U);
  EXPECT_THAT(text, HasSubstr("'tokenize:Print token ids'"));
  EXPECT_THAT(text, HasSubstr("'--kv-type=[KV numbers]:f16|f32:(f16 f32)'"));
  EXPECT_THAT(text, HasSubstr("'--prompt=[The prompt]:TEXT: ' "
                              "'-p+[The prompt]:TEXT: '"));
  EXPECT_THAT(text, HasSubstr("'*--stop=[Stop at this text]:S: '"));
  EXPECT_THAT(text, HasSubstr("'--json[Print JSON]'"));
  EXPECT_THAT(text, HasSubstr("'--trace=-[Record the steps]:FILE:_files'"));
  EXPECT_THAT(text, HasSubstr("':PLAN:_files'"));
  EXPECT_THAT(text, HasSubstr("'::EXTRA:_files'"));
}

TEST(CompletionTest, Fish) {
  const std::string text = script("fish");
  EXPECT_THAT(text, HasSubstr("-n '__fish_is_first_token' -a tokenize "
                              "-d 'Print token ids'\n"));
  EXPECT_THAT(text,
              HasSubstr("-n 'not __fish_seen_subcommand_from tokenize help' "
                        "-l prompt -s p -x -d 'The prompt'\n"));
  EXPECT_THAT(text, HasSubstr("-l kv-type -x -a 'f16 f32' -d 'KV numbers'\n"));
  EXPECT_THAT(text, HasSubstr("-n '__fish_seen_subcommand_from tokenize' "
                              "-l no-bos -d 'Add no BOS token'\n"));
}

TEST(CompletionTest, TextsAreQuoted) {
  Tool tool;
  tool.name = "a-b";
  tool.commands.push_back({.options = {{.name = "--x",
                                        .kind = ValueKind::Choice,
                                        .valueName = "X",
                                        .help = "It's [a: b]. More.",
                                        .choices = {"1", "2"}}}});
  EXPECT_THAT(*completionScript(tool, "bash"), HasSubstr("_a_b() {\n"));
  EXPECT_THAT(*completionScript(tool, "zsh"),
              HasSubstr("'--x=[It'\\''s \\[a\\: b\\]]:X:(1 2)'"));
  EXPECT_THAT(*completionScript(tool, "fish"), HasSubstr("'It'\\''s [a: b]'"));
  EXPECT_THAT(*completionScript(tool, "fish"), Not(HasSubstr(" -n ")));
}

TEST(CompletionTest, UnknownShell) {
  EXPECT_EQ(script("tcsh"),
            "option --completion: 'tcsh' is not one of bash, zsh, fish");
}

} // namespace
