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

// Positions are those of characters in the schema's expression, counted from 1.
// parseEcmaPattern() rewrites the expression before it parses it: a dot and \d
// become longer, and \/ becomes a slash. The positions must not change.
TEST(EcmaPattern, MessagesHaveThePositionInTheExpressionOfTheSchema) {
  const struct {
    const char *pattern;
    const char *message;
  } cases[] = {
      {"\u00e9(?<a>x)", "at character 2: '(?<' is not supported"},
      {R"(\u00e9\h)", "at character 7: '"},
      {R"(\d\d.x{2,1})", "at character 7: the upper bound"},
      {R"(\/\u{1f600}.(a)", "at character 13: the group is not closed"},
      {"\u00e9.\u00e9)", "at character 4: this ')' has no opening '('"},
      {"\u00e9[a", "at character 2: the character class has no closing ']'"},
      {R"(.a\)", "at character 3: the expression ends after a '\\'"},
  };
  for (const auto &[pattern, message] : cases) {
    const Result<RegexSyntax> syntax = parseEcmaPattern(pattern);
    ASSERT_FALSE(syntax.isOk()) << pattern;
    EXPECT_NE(syntax.status().message().find(message), std::string::npos)
        << pattern << ": " << syntax.status().message();
  }
}

} // namespace
} // namespace air::rt
