//===- RegexCodeTest.cpp - compiled expressions as words ------------------===//
#include "formats/text/regex/RegexCode.h"
#include "formats/text/regex/RegexMatcher.h"
#include "formats/text/unicode/Unicode.h"

#include <gtest/gtest.h>
#include <random>

using namespace air;

namespace {

using Words = std::vector<uint32_t>;

/// An instruction: its operation and flags, row, nextRow, otherRow, next,
/// other, count, memo.
constexpr uint32_t kNone = UINT32_MAX;

/// The words of a program with the given instructions and three sets. Row 0 is
/// the letter a, row 1 everything, row 2 everything with the end of the text.
Words programOf(const std::vector<Words> &code, uint32_t memos = 0) {
  Words words = {static_cast<uint32_t>(code.size())};
  for (const Words &in : code) {
    words.insert(words.end(), in.begin(), in.end());
  }
  words.insert(words.end(), {3, 2, 0, 0, 0, 0, 0, 0, 0});
  words.insert(words.end(), {3, 0, 0, 0, 0, 0, 0, 0});
  words.insert(words.end(), {3, 0, 0, 0, 0, 0, 0, 1U << 31});
  words.insert(words.end(), 256, 0);
  words.insert(words.end(), {0, memos, 0});
  // U+0000 to U+0060, a, and the rest
  words.insert(words.end(), {3, 0, 0x61U << 8 | 1, 0x62U << 8});
  return words;
}

const Words kAccept = {0, 0, 0, 0, 0, 0, 0, kNone};
/// One letter a, then instruction 1.
const Words kLetter = {1, 0, 0, 0, 1, 0, 1, kNone};

// docs/plan-format.md lists the words.
TEST(RegexCodeTest, WordsByHandMatch) {
  const Result<Regex> regex = Regex::load(programOf({kLetter, kAccept}));
  ASSERT_TRUE(regex.isOk()) << regex.status().message();
  RegexMatcher matcher(*regex);
  matcher.setText("xxaa");
  RegexMatch match{};
  ASSERT_TRUE(matcher.find(0, match));
  EXPECT_EQ(match.start, 2U);
  EXPECT_EQ(match.end, 3U);
}

TEST(RegexCodeTest, AllCodePointsKeepTheirClasses) {
  const Result<Regex> regex =
      Regex::compile(R"([\p{L}\p{M}]+|\p{N}{1,3}|\b[^\s\p{Greek}]|\s+(?!\S))");
  ASSERT_TRUE(regex.isOk());
  const Result<RegexProgram> back = readRegex(regex->code());
  ASSERT_TRUE(back.isOk()) << back.status().message();
  for (uint32_t c = 0; c <= kLastCodePoint; ++c) {
    ASSERT_EQ(back->classOf(c), regex->program().classOf(c)) << c;
  }
  EXPECT_EQ(writeRegex(*back), regex->code());
}

TEST(RegexCodeTest, MalformedWordsAreRefused) {
  const Words good = programOf({kLetter, kAccept});
  const size_t rows = 1 + 2 * 8;
  const size_t starts = rows + 1 + 3 * 8;
  const size_t last = starts + 256;
  const auto with = [&](size_t place, uint32_t word) {
    Words words = good;
    words[place] = word;
    return words;
  };
  const auto cut = [&](size_t size) {
    return Words(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
  };
  Words longer = good;
  longer.push_back(0);
  // Split: next, other
  const auto split = [](uint32_t next, uint32_t other) {
    return Words{4, 0, 1, 1, next, other, 0, kNone};
  };
  const auto look = [](uint32_t next, uint32_t other) {
    return Words{6, 0, 1, 1, next, other, 0, kNone};
  };
  const struct {
    Words words;
    const char *message;
  } cases[] = {
      {{}, "the number of instructions is missing"},
      {with(0, 0), "there are 0 instructions"},
      {with(0, kNone), "there are 4294967295 instructions"},
      {with(1, 8), "begins with the word 8, which has an unknown operation"},
      {with(1, 5U << 8), "which has an unknown operation or flag"},
      {with(1, 1U << 19 | 1), "which has an unknown operation or flag"},
      {with(2, 3), "uses the rows 3, 0 and 0; they must be below 3"},
      {with(3, 3), "uses the rows 0, 3 and 0; they must be below 3"},
      {with(5, 2), "leads to the instructions 2 and 0; they must be below 2"},
      {with(6, 2), "leads to the instructions 1 and 2; they must be below 2"},
      {with(7, 0), "matches 0 characters"},
      {with(8, 0), "remembers positions in set 0; it must be below 0"},
      {with(2, 2), "takes the end of the text as a character"},
      {with(rows, 0), "there are 0 rows"},
      {with(rows, 999), "there are 999 rows"},
      {with(starts, 2), "class 0 starts at instruction 2; it must be below 2"},
      {with(last, 3), "the row of words is 3 of 3"},
      {with(last + 1, 1025), "there are 1025 sets of positions"},
      {with(last + 2, 99), "there are 99 main sets"},
      {with(last + 2, 1), "main set 0 is 3; it must be below 0"},
      {with(last + 3, 0), "there are 0 classes"},
      {with(last + 4, 1U << 8), "class 0 begins at the code point 1"},
      {with(last + 5, 0), "class 1 begins at the code point 0"},
      {with(last + 6, 0x110000U << 8),
       "class 2 begins at the code point 11141"},
      {longer, "1 words follow the end of the program"},
      {cut(good.size() - 1), "there are 3 classes"},
      {cut(last), "are incomplete: 256 words follow"},
      {programOf({split(0, 1), kAccept}), "leads back to instruction 0"},
      {programOf({split(1, 2), kAccept, split(1, 0)}), "leads back to"},
      // A look-ahead at what follows a letter, and that is the same look-ahead.
      {programOf({look(2, 1), {1, 0, 0, 0, 0, 0, 1, kNone}, kAccept}),
       "the look-ahead of instruction 0 contains itself"},
      // A run in a look-ahead needs sets 0 and 1.
      {programOf({look(2, 1), {2, 0, 1, 0, 2, 0, 0, 0}, kAccept}, 1),
       "of a look-ahead needs set 1 of positions; it must be below 1"},
  };
  ASSERT_TRUE(Regex::load(good).isOk());
  for (const auto &each : cases) {
    const Status status = Regex::load(each.words).status();
    EXPECT_EQ(status.exitCode(), 3) << each.message;
    EXPECT_NE(status.message().find(each.message), std::string::npos)
        << status.message() << "\n  expected: " << each.message;
  }
}

// Whatever the words are, they are refused in one line, or the matcher ends.
TEST(RegexCodeTest, DamagedWordsDoNoHarm) {
  std::mt19937 random(1);
  size_t accepted = 0;
  size_t refused = 0;
  for (const char *pattern :
       {R"(\s+(?!\S)|\p{L}+)", R"((?:a|b)*?c|(?=(?:x|xy)+z).)",
        R"(\b\w{2,4}\B|(?i:'s|'ll)|$)", R"(a*+b|a*a|[^\n]+\z)"}) {
    const Result<Regex> compiled = Regex::compile(pattern);
    ASSERT_TRUE(compiled.isOk()) << pattern;
    const Words good = compiled->code();
    // What follows the instructions and rows is mostly a table of classes.
    const size_t front = std::min<size_t>(good.size(), 600);
    for (int i = 0; i < 500; ++i) {
      Words words = good;
      words[random() % front] =
          i % 2 == 0 ? random() % 16 : words[random() % front];
      const Result<Regex> regex = Regex::load(words);
      ++(regex.isOk() ? accepted : refused);
      if (!regex.isOk()) {
        EXPECT_EQ(regex.status().message().find('\n'), std::string::npos);
        continue;
      }
      RegexMatcher matcher(*regex);
      matcher.setText("xyz'll  aab \xc3\xa9\n ccx");
      RegexMatch match{};
      for (size_t at = 0; matcher.find(at, match) && match.end < 20;) {
        at = std::max(match.end, match.start + 1);
      }
    }
  }
  EXPECT_GT(accepted, 200U);
  EXPECT_GT(refused, 200U);
}

} // namespace
