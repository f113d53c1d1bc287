//===- EcmaPatternTest.cpp - expressions as JavaScript reads them ---------===//
#include "runtime/text/grammar/EcmaPattern.h"

#include <gtest/gtest.h>

namespace air::rt {
namespace {

TEST(EcmaPattern, CountsMayFollowEscapesWithBraces) {
  for (const char *pattern :
       {R"(^\p{L}+$)", R"(\P{Lu}*)", R"(\u{1f600}+)", R"(a{2}?)", R"(\*+)",
        R"(\++)", R"(\}+)", R"((?:a)+)", R"([*+]+)"}) {
    const Result<RegexSyntax> syntax = parseEcmaPattern(pattern);
    EXPECT_TRUE(syntax.isOk()) << pattern << syntax.status().message();
  }
}

TEST(EcmaPattern, PossessiveCountsAreRefused) {
  for (const char *pattern :
       {"a*+", "a++", "a?+", "a{2}+", R"(\\*+)", R"(\p{L}*+)", "(a)*+"}) {
    const Result<RegexSyntax> syntax = parseEcmaPattern(pattern);
    ASSERT_FALSE(syntax.isOk()) << pattern;
    EXPECT_EQ(syntax.status().code(), ErrorCode::Unsupported) << pattern;
  }
}

} // namespace
} // namespace air::rt
