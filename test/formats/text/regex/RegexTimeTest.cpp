//===- RegexTimeTest.cpp - matching takes linear time -----------*- C++ -*-===//
//
// The matcher counts its steps. The test compares these numbers for a text and
// for one that is four times as long. In linear time, the second number is
// about 4 times the first; in quadratic time, it would be 16 times the first.
//
//===----------------------------------------------------------------------===//
#include "formats/text/regex/RegexMatcher.h"

#include <gtest/gtest.h>
#include <string>

using namespace air;

namespace {

std::string repeated(const std::string &unit, size_t bytes) {
  std::string text;
  text.reserve(bytes + unit.size());
  while (text.size() < bytes) {
    text += unit;
  }
  return text;
}

uint64_t stepsOn(const Regex &regex, const std::string &text) {
  RegexMatcher matcher(regex);
  matcher.setText(text);
  RegexMatch match{};
  for (size_t at = 0; at <= text.size() && matcher.find(at, match);) {
    // After an empty match, skips a character, which is one byte long here.
    at = match.end + (match.start == match.end ? 1 : 0);
  }
  return matcher.steps();
}

class RegexTimeTest : public testing::TestWithParam<const char *> {};

TEST_P(RegexTimeTest, StepsAreProportionalToTheText) {
  Result<Regex> regex = Regex::compile(GetParam());
  ASSERT_TRUE(regex.isOk()) << regex.status().message();
  for (const char *unit : {"a", " ", "1", "ab", " a", "\n ", "!", "aA"}) {
    std::string end = "x!";
    uint64_t few = stepsOn(*regex, repeated(unit, 1 << 16) + end);
    uint64_t many = stepsOn(*regex, repeated(unit, 1 << 18) + end);
    EXPECT_LT(many, 5 * few) << GetParam() << " on " << unit;
    EXPECT_LT(many, uint64_t{200} << 18) << GetParam() << " on " << unit;
  }
}

// Backtracking that does not remember failures takes quadratic or exponential
// time with each of these expressions.
INSTANTIATE_TEST_SUITE_P(
    Hostile, RegexTimeTest,
    testing::Values("(?:a+)+$", "(?:a|a)*b", "a*a*a*a*b", "a*?b", "a+b", "a++b",
                    "[^!]*+b", "\\s*[\\r\\n]+|\\s{2}(?!\\S)|\\s",
                    "\\d{1,3}(?=(?:\\d{3})*\\b)", "(?=(\\d{3})+(?!\\d))",
                    "(?!\\w*?2)\\w", "(?=\\w*!)a", "(?=(?:a|ab|b)*2)[ab]",
                    "(?=(?!a*2)a*b?!)a", "(?:a?){20}a{20}b",
                    "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+2"));

TEST(RegexTimeTest, OrdinaryTextNeedsFewSteps) {
  Result<Regex> regex = Regex::compile(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  ASSERT_TRUE(regex.isOk());
  std::string text = repeated("The quick brown fox jumps over the dog. ", 4000);
  EXPECT_LT(stepsOn(*regex, text), 4 * text.size());
}

} // namespace
