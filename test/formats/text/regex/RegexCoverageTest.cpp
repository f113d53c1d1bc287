//===- RegexCoverageTest.cpp - whether matches leave text out -------------===//
#include "formats/text/regex/RegexCoverage.h"

#include <gtest/gtest.h>

using namespace air;

namespace {

bool covers(const char *pattern) {
  Result<Regex> regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << pattern;
  return regex && matchesAllText(*regex);
}

TEST(RegexCoverageTest, ExpressionsThatLeaveNoTextOut) {
  for (
      const char *pattern :
      {R"([\s\S])", R"(\s+|\S+)", R"(\p{L}+|\P{L})", R"(a|b|[^ab]+)",
       // The matches of the published expressions of GPT-2 and GPT-4 cover
       // every text.
       R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
       R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}) {
    EXPECT_TRUE(covers(pattern)) << pattern;
  }
}

TEST(RegexCoverageTest, ExpressionsThatLeaveTextOut) {
  for (const char *pattern :
       {R"(\S+)", R"(\w+|\s)", R"(\s+(?!\S)|\S+)", R"(a(?!b)|[^a])", R"(.+)",
        R"(\S+$|\s)", R"(x?)", R"(a(?!bb)|[^a])", R"([\s\S][\s\S])"}) {
    EXPECT_FALSE(covers(pattern)) << pattern;
  }
}

} // namespace
