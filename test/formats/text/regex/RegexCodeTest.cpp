//===- RegexCodeTest.cpp - compiled expressions as words ------------------===//
#include "formats/text/regex/RegexCode.h"

#include "formats/model/PreTokenizerNames.h"
#include "formats/text/regex/RegexMatcher.h"
#include "formats/text/unicode/Unicode.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace air;

namespace {

using Words = std::vector<uint32_t>;
using Many = std::vector<Words>;

/// The value of the word `memo` of an instruction that has no set of positions.
/// The eight words of an instruction are, in order: operation and flags (one
/// word), row, nextRow, otherRow, next, other, count and memo.
constexpr uint32_t kNone = UINT32_MAX;

/// Returns the words of a program that consists of the instructions `code` and
/// has `memos` sets of positions. It has three rows (sets of characters): row 0
/// contains only the letter a, row 1 contains every character, and row 2
/// contains every character and the end of the text.
Words programOf(const std::vector<Words> &code, uint32_t memos = 0) {
  Words words = {static_cast<uint32_t>(code.size())};
  for (const Words &in : code) {
    words.insert(words.end(), in.begin(), in.end());
  }
  words.insert(words.end(), {3, 2, 0, 0, 0, 0, 0, 0, 0});
  words.insert(words.end(), {3, 0, 0, 0, 0, 0, 0, 0});
  words.insert(words.end(), 8, UINT32_MAX);
  words.insert(words.end(), 256, 0);
  words.insert(words.end(), {0, memos, 0});
  // Three ranges: U+0000 to U+0060, the letter a, and all later characters.
  words.insert(words.end(), {3, 0, 0x61U << 8 | 1, 0x62U << 8});
  return words;
}

/// Adds main sets to a program that has none; `sets` are their numbers. A main
/// set is a set of positions for an instruction that is not in a look-ahead.
Words withMainSets(Words words, const Words &sets) {
  const auto count = words.end() - 5;
  *count = static_cast<uint32_t>(sets.size());
  words.insert(count + 1, sets.begin(), sets.end());
  return words;
}

const Words kAccept = {0, 0, 0, 0, 0, 0, 0, kNone};
/// Matches one letter a, then continues at instruction 1.
const Words kLetter = {1, 0, 0, 0, 1, 0, 1, kNone};

Words split(uint32_t next, uint32_t other, uint32_t memo = kNone) {
  return {4, 0, 2, 2, next, other, 0, memo};
}
Words look(uint32_t next, uint32_t other) {
  return {6, 0, 2, 2, next, other, 0, kNone};
}
/// Returns an instruction that matches all letters a that follow, and then
/// continues at instruction `next`.
Words run(uint32_t next, uint32_t memo = kNone) {
  return {2, 0, 2, 0, next, 0, 0, memo};
}

// docs/plan-format.md describes these words of a compiled expression.
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
  const struct {
    Words words;
    const char *message;
  } cases[] = {
      {{}, "the number of instructions is missing"},
      {with(0, 0), "there are 0 instructions"},
      {with(0, kNone), "there are 4294967295 instructions"},
      {with(1, 8), "begins with the word 8, which has an unknown operation"},
      {with(1, 7U << 8), "which has an unknown operation or flag"},
      {with(1, 1U << 19 | 1), "which has an unknown operation or flag"},
      {with(2, 3), "uses the rows 3, 0 and 0; they must be below 3"},
      {with(3, 3), "uses the rows 0, 3 and 0; they must be below 3"},
      {with(5, 2), "leads to the instructions 2 and 0; they must be below 2"},
      {with(6, 2), "leads to the instructions 1 and 2; they must be below 2"},
      {with(7, 0), "matches 0 characters; it must match 1 to 1000"},
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
      {longer, "the end of the program is followed by 1 word"},
      {cut(good.size() - 1), "there are 3 classes; there must be 1 to 2 in the "
                             "remaining 2 words"},
      {cut(last + 4), "the number of classes must be followed by at least 1 "
                      "word, but the rest of the program has 0 words"},
      {cut(last), "are incomplete: only 256 of them follow"},
      {programOf(Many(20001, kAccept)),
       "there are 20001 instructions; at most 20000 are allowed"},
      {programOf({split(0, 1), kAccept}), "leads back to instruction 0"},
      {programOf({split(1, 2), kAccept, split(1, 0)}), "leads back to"},
      // This instruction matches a letter and leads back to itself, but is not
      // marked as a loop.
      {programOf({{1, 0, 0, 0, 0, 0, 1, kNone}}),
       "instruction 0 leads back to instruction 0 without a loop"},
      {with(7, 1001), "matches 1001 characters; it must match 1 to 1000"},
      {withMainSets(programOf({run(1, 0), kAccept}, 1), {0, 0}),
       "set 0 is twice among the main sets"},
  };
  ASSERT_TRUE(Regex::load(good).isOk());
  for (const auto &each : cases) {
    const Status status = Regex::load(each.words).status();
    EXPECT_EQ(status.exitCode(), 3) << each.message;
    EXPECT_NE(status.message().find(each.message), std::string::npos)
        << status.message() << "\n  expected: " << each.message;
  }
}

// With the programs below, the matcher would take exponential or quadratic
// time, or a stack that grows with the program.
TEST(RegexCodeTest, SlowAndDeepProgramsAreRefused) {
  // Each look-ahead contains the next one; the last one contains an Accept.
  const auto nested = [](uint32_t depth) {
    Many code;
    for (uint32_t i = 0; i < depth; ++i) {
      code.push_back(look(depth + 1 + i, i + 1));
    }
    code.insert(code.end(), depth + 1, kAccept);
    return programOf(code);
  };
  // A chain of choices. Each alternative of a choice is a letter that leads to
  // the next choice.
  Many choices;
  for (uint32_t i = 0; i < 60; i += 3) {
    choices.push_back(split(i + 1, i + 2));
    choices.insert(choices.end(), 2, {1, 0, 0, 0, i + 3, 0, 1, kNone});
  }
  choices.push_back(kAccept);
  // Look-aheads, each of which contains the next one twice
  Many doubled;
  for (uint32_t i = 0; i < 60; i += 2) {
    doubled.push_back(look(i + 1, i + 2));
    doubled.push_back(look(61, i + 2));
  }
  doubled.insert(doubled.end(), 2, kAccept);
  // A loop with letters
  const Words loop = {4U | 1U << 18, 0, 2, 2, 1, 2, 0, 0};
  Words noSet = loop;
  noSet[7] = kNone;
  const Words toLoop = {1, 0, 0, 0, 0, 0, 1, kNone};
  const Words letterTo3 = {1, 0, 0, 0, 3, 0, 1, kNone};
  const struct {
    Words words;
    const char *message; ///< nullptr if the program is accepted
  } cases[] = {
      {nested(50), nullptr},
      {nested(51), "look-aheads are nested 51 deep; at most 50 levels"},
      {nested(9000), "look-aheads are nested 51 deep; at most 50 levels"},
      {programOf(choices),
       "leads to a split (operation 4) without a set of positions"},
      {programOf(doubled),
       "instruction 60 belongs to the look-ahead of instruction 58 and to the "
       "look-ahead of instruction 59"},
      {programOf({look(1, 1), kAccept}),
       "belongs to the expression outside all look-aheads and to the "
       "look-ahead of instruction 0"},
      {withMainSets(programOf({loop, toLoop, kAccept}, 1), {0}), nullptr},
      {programOf({noSet, toLoop, kAccept}),
       "instruction 0 is a split (operation 4) in a loop, so it needs a set"},
      {programOf({loop, toLoop, kAccept}, 1),
       "is in no look-ahead, but its set 0 is not among the main sets"},
      {programOf({look(4, 1), split(2, 3), letterTo3, kAccept, kAccept}),
       "instruction 1 is a split (operation 4) in a look-ahead, so it needs a "
       "set"},
      {programOf({split(3, 1), split(3, 2), letterTo3, kAccept}), nullptr},
      {programOf({split(1, 3), split(3, 2), letterTo3, kAccept}),
       "instruction 0 leads to a split (operation 4) without a set of "
       "positions"},
      {withMainSets(
           programOf({split(3, 1, 0), split(3, 2), letterTo3, kAccept}, 1),
           {0}),
       "instruction 0 leads to a split (operation 4) without a set of "
       "positions"},
      {withMainSets(
           programOf({split(2, 1, 0), split(2, 3, 0), letterTo3, kAccept}, 1),
           {0}),
       "use the same set of positions, set 0"},
      {programOf({look(2, 1), kAccept, kAccept}), nullptr},
      {programOf({look(2, 1), run(3, 0), kAccept, kAccept}, 2), nullptr},
      {programOf({look(2, 1), run(3, 0), kAccept, kAccept}, 1),
       "of a look-ahead needs set 1 of positions; it must be below 1"},
      {withMainSets(programOf({look(2, 1), run(3, 0), kAccept, kAccept}, 2),
                    {1}),
       "is in a look-ahead, but its set 1 is a main set"},
      {programOf({look(2, 1), run(3), kAccept, kAccept}),
       "needs a set of positions, because it is in a look-ahead"},
      // Outside look-aheads, an instruction that repeats characters needs a set
      // of positions, in which the matcher remembers where the instruction
      // failed, unless the next instruction cannot fail. kAccept cannot fail,
      // but letterTo3 can.
      {programOf({run(1), kAccept}), nullptr},
      {programOf({run(1), letterTo3, kAccept, kAccept}),
       "needs a set of positions, because it may be followed by no match"},
      {withMainSets(programOf({run(1), split(2, 3, 0), letterTo3, kAccept}, 1),
                    {0}),
       nullptr},
      // The choice states that its first alternative is sure to match, which is
      // wrong.
      {withMainSets(programOf({run(1),
                               {4U | 1U << 17, 0, 2, 2, 2, 3, 0, 0},
                               letterTo3,
                               kAccept},
                              1),
                    {0}),
       "needs a set of positions, because it may be followed by no match"},
  };
  for (const auto &each : cases) {
    const Status status = Regex::load(each.words).status();
    if (each.message == nullptr) {
      EXPECT_TRUE(status.isOk()) << status.message();
      continue;
    }
    EXPECT_EQ(status.exitCode(), 3) << each.message;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
    EXPECT_NE(status.message().find(each.message), std::string::npos)
        << status.message() << "\n  expected: " << each.message;
  }
}

TEST(RegexCodeTest, PublishedExpressionsAndDeepOnesCanBeLoaded) {
  std::set<std::string_view> patterns;
  for (const PreTokenizerName &name : preTokenizerNames()) {
    const PreTokenizerRules *rules = preTokenizerRules(name.canonical);
    ASSERT_NE(rules, nullptr) << name.canonical;
    patterns.insert(rules->expressions.begin(), rules->expressions.end());
  }
  EXPECT_GT(patterns.size(), 30U);
  std::string deepest = "ab";
  for (int i = 0; i < 50; ++i) {
    deepest = (i % 2 == 0 ? "(?=x*" : "(?!") + deepest + ")";
  }
  patterns.insert({deepest, R"((?:a?b){200}c)", R"(a{1000}b{0,9}+)"});
  for (const std::string_view pattern : patterns) {
    const Result<Regex> regex = Regex::compile(pattern);
    ASSERT_TRUE(regex.isOk()) << regex.status().message();
    const Status status = Regex::load(regex->code()).status();
    EXPECT_TRUE(status.isOk()) << pattern << "\n  " << status.message();
  }
}

// Whatever the words are, they are refused with a message of one line, or
// matching comes to an end.
TEST(RegexCodeTest, DamagedWordsDoNoHarm) {
  std::mt19937 random(1);
  std::string text = std::string(800, 'a') + std::string(800, 'x') +
                     std::string(800, ' ') + "xyz'll  aab ccx 12";
  const size_t ascii = text.size();
  text += "\xc3\xa9\n ccx";
  size_t accepted = 0;
  size_t refused = 0;
  for (const char *pattern :
       {R"(\s+(?!\S)|\p{L}+)", R"((?:a|b)*?c|(?=(?:x|xy)+z).)",
        R"(\b\w{2,4}\B|(?i:'s|'ll)|$)", R"(a*+b|a*a|[^\n]+\z)"}) {
    const Result<Regex> compiled = Regex::compile(pattern);
    ASSERT_TRUE(compiled.isOk()) << pattern;
    const Words good = compiled->code();
    // Most words after the instructions and rows belong to tables of classes
    // of characters, so only the first 600 words are damaged.
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
      matcher.setText(text);
      RegexMatch match{};
      for (size_t at = 0; at < ascii && matcher.find(at, match);) {
        at = std::max(match.end, match.start + 1);
      }
      EXPECT_LT(matcher.steps(), 300 * text.size()) << pattern;
    }
  }
  EXPECT_GT(accepted, 200U);
  EXPECT_GT(refused, 200U);
}

} // namespace
