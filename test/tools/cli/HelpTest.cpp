//===- HelpTest.cpp - help and man page from the table ----------*- C++ -*-===//
#include "SampleTool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

using namespace air;
using namespace air::cli;
using testing::HasSubstr;
using testing::Not;

namespace {

std::vector<std::string> lines(const std::string &text) {
  std::vector<std::string> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    result.push_back(line);
  }
  return result;
}

TEST(HelpTest, WholeTool) {
  Tool tool = sampleTool();
  std::string help = helpText(tool, nullptr);
  EXPECT_THAT(help, HasSubstr("Usage: sample PLAN [EXTRA] [OPTIONS]\n"
                              "       sample tokenize PLAN [OPTIONS]\n"));
  EXPECT_THAT(help, HasSubstr("A tool that tests run.\n"));
  EXPECT_THAT(help,
              HasSubstr("\n  tokenize                  Print token ids.\n"));
  EXPECT_THAT(help, HasSubstr("  -n, --count N             How many tokens to "
                              "make before stopping. (-1 to\n"
                              "                            4096; default "
                              "64)\n"));
  EXPECT_THAT(help, HasSubstr("--kv-type f16|f32"));
  EXPECT_THAT(help, HasSubstr("Stop at this text. (may be repeated)"));
  EXPECT_THAT(help, HasSubstr("-h, --help"));
  EXPECT_THAT(help, HasSubstr("A note of its own.\n"));
  EXPECT_THAT(help, HasSubstr("  7  The plan was made for another target.\n"));
  EXPECT_THAT(help, Not(HasSubstr("--man")));
  EXPECT_THAT(help, Not(HasSubstr("--no-bos")));
  for (const std::string &line : lines(help)) {
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
}

TEST(HelpTest, OneCommand) {
  Tool tool = sampleTool();
  std::string help = helpText(tool, &tool.commands[1]);
  EXPECT_THAT(help, HasSubstr("Usage: sample tokenize PLAN [OPTIONS]\n\nPrint "
                              "token ids.\n"));
  EXPECT_THAT(help, HasSubstr("--no-bos"));
  EXPECT_THAT(help, HasSubstr("sample tokenize story.air --no-bos"));
  EXPECT_THAT(help, Not(HasSubstr("--temp")));
}

TEST(HelpTest, OptionalValuesAreInBrackets) {
  const Tool tool = sampleTool();
  EXPECT_THAT(helpText(tool, &tool.commands[0]), HasSubstr("--trace[=FILE] "));
  EXPECT_THAT(manPage(tool), HasSubstr("\\fB\\-\\-trace\\fR[=\\fIFILE\\fR]\n"));
}

TEST(HelpTest, ExitCodesAreTheErrorCodes) {
  std::vector<std::string> rows = lines(exitCodesText());
  ASSERT_EQ(rows.size(), 9U);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_TRUE(rows[i].starts_with("  " + std::to_string(i) + "  "))
        << rows[i];
  }
  EXPECT_THAT(rows[static_cast<size_t>(ErrorCode::Usage)], HasSubstr("Usage"));
  EXPECT_THAT(rows[static_cast<size_t>(ErrorCode::DoesNotFit)],
              HasSubstr("does not fit"));
}

TEST(ManPageTest, SectionsInOrder) {
  std::string page = manPage(sampleTool());
  EXPECT_TRUE(page.starts_with(".TH SAMPLE 1 \"\" \"sample 0.1.0\""));
  size_t at = 0;
  for (const char *section :
       {".SH NAME\nsample \\- runs a plan\n", ".SH SYNOPSIS\n",
        ".SH DESCRIPTION\n", ".SH COMMANDS\n", ".SH OPTIONS\n",
        ".SH \"EXIT STATUS\"\n", ".SH EXAMPLES\n"}) {
    size_t found = page.find(section, at);
    ASSERT_NE(found, std::string::npos) << section;
    at = found;
  }
  EXPECT_THAT(page, HasSubstr("\\fB\\-n\\fR, \\fB\\-\\-count\\fR \\fIN\\fR\n"));
  EXPECT_THAT(page, HasSubstr(".SS sample tokenize\n"));
  EXPECT_THAT(page, HasSubstr("A note of its own.\n"));
}

TEST(ManPageTest, TextCannotBecomeARequest) {
  Tool tool = sampleTool();
  tool.description = ".so /etc/passwd \\n(.x\n.sy true";
  tool.commands[0].summary = "'tis";
  std::string page = manPage(tool);
  EXPECT_THAT(page, HasSubstr("\n\\&.so /etc/passwd \\en(.x .sy true\n"));
  EXPECT_THAT(page, HasSubstr("\n\\&'tis\n"));
}

} // namespace
