//===- RegexErrorsTest.cpp - expressions that are refused -------*- C++ -*-===//
#include "formats/text/regex/Regex.h"

#include <gtest/gtest.h>
#include <string>

using namespace air;

namespace {

struct Refused {
  std::string pattern;
  ErrorCode code;
  std::string message; ///< how the message ends or, before a final *, begins
};

class RegexErrorsTest : public testing::TestWithParam<Refused> {};

TEST_P(RegexErrorsTest, OneLineWithThePosition) {
  const Refused &each = GetParam();
  Result<Regex> regex = Regex::compile(each.pattern);
  ASSERT_FALSE(regex.isOk()) << each.pattern;
  EXPECT_EQ(regex.status().code(), each.code) << regex.status().message();
  std::string expected = "regular expression: " + each.message;
  std::string actual = regex.status().message();
  if (expected.ends_with('*')) {
    expected.pop_back();
    actual.resize(std::min(actual.size(), expected.size()));
  }
  EXPECT_EQ(actual, expected);
}

std::string nested(size_t depth) {
  return std::string(depth, '(') + std::string(depth, ')');
}

/// 300 alternatives of two characters each. Alternatives of single characters
/// would become one set.
std::string distinctPairs() {
  std::string pattern;
  for (int i = 0; i < 300; ++i) {
    char hex[8];
    std::snprintf(hex, sizeof(hex), "\\u%04x", 0x4e00 + i);
    pattern += (i == 0 ? "" : "|") + std::string(hex) + "a";
  }
  return pattern;
}

const Refused kRefused[] = {
    {"(a", ErrorCode::Corrupt, "at character 1: the group is not closed"},
    {"a(?:b|(?=c)", ErrorCode::Corrupt,
     "at character 2: the group is not closed"},
    {"a)b", ErrorCode::Corrupt, "at character 2: this ')' has no opening '('"},
    {"\xe4\xb8\xad[a", ErrorCode::Corrupt,
     "at character 2: the character class has no closing ']'"},
    {"[]", ErrorCode::Corrupt,
     "at character 1: the character class has no closing ']'"},
    {"[a&&b", ErrorCode::Corrupt,
     "at character 1: the character class has no closing ']'"},
    {"[b-a]", ErrorCode::Corrupt,
     "at character 2: the last character of a range comes before its first"},
    {"a{3,2}", ErrorCode::Corrupt,
     "at character 2: the upper bound of a repetition count, 2, is below the "
     "lower "
     "bound, 3"},
    {"*a", ErrorCode::Corrupt,
     "at character 1: there is nothing before this that could be repeated"},
    {"a|+", ErrorCode::Corrupt,
     "at character 3: there is nothing before this that could be repeated"},
    {"a**", ErrorCode::Corrupt,
     "at character 3: a repetition cannot be repeated unless it stands in a "
     "group"},
    {"a{2}{3}", ErrorCode::Corrupt,
     "at character 5: a repetition cannot be repeated unless it stands in a "
     "group"},
    {"a\\", ErrorCode::Corrupt,
     "at character 2: the expression ends after a '\\'"},
    {"\\p", ErrorCode::Corrupt,
     "at character 1: the name of a property is missing"},
    {"\\p{L", ErrorCode::Corrupt,
     "at character 1: the name of a property has no closing '}'"},
    {"\\x4", ErrorCode::Corrupt,
     "at character 3: the number of hexadecimal digits here must be at least "
     "2"},
    {"\\u12g4", ErrorCode::Corrupt,
     "at character 3: the number of hexadecimal digits here must be at least "
     "4"},
    {"\\x{110000}", ErrorCode::Corrupt,
     "at character 4: the code point is above 10FFFF, the largest of Unicode"},
    {"\\x{41", ErrorCode::Corrupt,
     "at character 1: '}' is missing after a code point"},
    {"a\xff", ErrorCode::Corrupt,
     "at character 2: the expression is not valid UTF-8"},
    {"(?<=a)b", ErrorCode::Unsupported,
     "at character 1: look-behind is not supported"},
    {"a(?<!b)", ErrorCode::Unsupported,
     "at character 2: look-behind is not supported"},
    {"(a)\\1", ErrorCode::Unsupported,
     "at character 4: back-references are not supported"},
    {"(?>a)", ErrorCode::Unsupported,
     "at character 1: atomic groups are not supported; make the repetition of "
     "a single character possessive instead"},
    {"(?:ab)++", ErrorCode::Unsupported,
     "at character 1: a possessive repetition is only supported for a single "
     "character or class"},
    {"(?P<name>a)", ErrorCode::Unsupported,
     "at character 1: this kind of group is not supported; only the kinds (?:, "
     "(?i:, (?= and (?! are supported"},
    {"(?s:.)", ErrorCode::Unsupported,
     "at character 1: this kind of group is not supported*"},
    {"(?:a*)*", ErrorCode::Unsupported,
     "a part that can match the empty text is repeated without limit; give the "
     "repetition an upper limit, as in {0,9}"},
    {"(?:\\b)+", ErrorCode::Unsupported,
     "a part that can match the empty text is repeated without limit; give the "
     "repetition an upper limit, as in {0,9}"},
    {"a{1001}", ErrorCode::Unsupported,
     "at character 2: a repetition count is above the limit of 1000"},
    {"a{1,99999999999999999999}", ErrorCode::Unsupported,
     "at character 2: a repetition count is above the limit of 1000"},
    {"a{,3}", ErrorCode::Unsupported,
     "at character 2: a repetition count must have a lower bound, such as 0 in "
     "{0,3}"},
    {"\\p{Klingon}", ErrorCode::Unsupported,
     "at character 1: the property 'Klingon' is not known; the known "
     "properties are L, Lu, *"},
    {"\\p{Script=Han}", ErrorCode::Unsupported,
     "at character 10: the name of a property must consist of letters"},
    {"\\h", ErrorCode::Unsupported,
     "at character 1: the escape '\\h' is not supported"},
    {"[[:alpha:]]", ErrorCode::Unsupported,
     "at character 2: POSIX classes such as [:alpha:] are not supported"},
    {"[\\s-z]", ErrorCode::Unsupported,
     "at character 4: a range cannot start with a class such as \\d"},
    {"[a-[b]]", ErrorCode::Unsupported,
     "at character 2: a range cannot end with a class such as [a-z]"},
    {nested(60), ErrorCode::Unsupported,
     "at character 52: groups are nested more than 50 deep"},
    {std::string(60, '['), ErrorCode::Unsupported,
     "at character 51: classes are nested more than 50 deep"},
    {"(?:(?:ab){1000}){1000}", ErrorCode::Unsupported,
     "it is too large, because it compiles to more than 20000 instructions"},
    {"(?:a?b){1000}c?d?(?:a?b){1000}", ErrorCode::Unsupported,
     "it is too large, because it has more than 1024 backtracking points"},
    {distinctPairs(), ErrorCode::Unsupported,
     "it is too large, because it distinguishes more than 255 classes of "
     "characters"},
    {std::string(70000, 'a'), ErrorCode::Unsupported,
     "it has 70000 bytes; at most 65536 are allowed"},
};

INSTANTIATE_TEST_SUITE_P(All, RegexErrorsTest, testing::ValuesIn(kRefused));

TEST(RegexErrorsTest, WhatIsEmptyCompilesAtOnce) {
  std::string pattern = "";
  for (int i = 0; i < 40; ++i) {
    pattern = "(?:" + pattern + "){1000}";
  }
  EXPECT_TRUE(Regex::compile(pattern).isOk());
  EXPECT_TRUE(Regex::compile("(?=" + pattern + "a*)").isOk());
}

// The expressions in a tokenizer.json, which are compiled with
// RegexAnchors::Lines, are written for Oniguruma, the regular expression engine
// of Hugging Face's tokenizers library. An expression to which Oniguruma would
// give another meaning than Regex does is refused.
TEST(RegexErrorsTest, OtherMeaningsInTokenizerJson) {
  const std::pair<const char *, const char *> cases[] = {
      {"\\pL", "at character 1: a property must have braces"},
      {"[\\PL]", "at character 2: a property must have braces"},
      {"(?i)\\p{Lu}", "at character 5: a property in a group that ignores"},
      {"(?i:[\\p{Lu}])", "at character 6: a property in a group that"},
      {"a(?i)b|c", "at character 7: a '|' after (?i) inside of a branch"},
      {"x|(a(?i)b(?:c)|d)", "at character 15: a '|' after (?i) inside"},
  };
  for (const auto &[pattern, message] : cases) {
    EXPECT_TRUE(Regex::compile(pattern).isOk()) << pattern;
    const Status status = Regex::compile(pattern, RegexAnchors::Lines).status();
    EXPECT_EQ(status.code(), ErrorCode::Unsupported) << pattern;
    EXPECT_NE(status.message().find(message), std::string::npos)
        << status.message();
  }
  for (const char *pattern :
       {"(?i)a|b", "x|(?i)a|b", "(a(?i)b)|c", "(?i:'s|'t)|\\p{L}"}) {
    EXPECT_TRUE(Regex::compile(pattern, RegexAnchors::Lines).isOk()) << pattern;
  }
}

} // namespace
