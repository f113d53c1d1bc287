//===- SpecialMatcherTest.cpp - finds special tokens in text ----*- C++ -*-===//
#include "runtime/text/SpecialMatcher.h"

#include "formats/model/TokenizerData.h"

#include <gtest/gtest.h>

#include <random>

using namespace air::rt;

namespace {

void expectMatch(const SpecialMatcher &matcher, std::string_view text,
                 size_t from, size_t start, size_t length, int32_t id) {
  SpecialMatcher::Match match =
      SpecialMatcher::Search(matcher, text).find(from);
  EXPECT_EQ(match.start, start) << text;
  EXPECT_EQ(match.length, length) << text;
  if (length != 0) {
    EXPECT_EQ(match.id, id) << text;
  }
}

TEST(SpecialMatcherTest, LeftmostThenLongest) {
  SpecialMatcher matcher(
      {{"<|a|>", 1}, {"<|a|><|b|>", 2}, {"b", 3}, {"", 4}, {"b", 5}});
  expectMatch(matcher, "x<|a|>", 0, 1, 5, 1);
  expectMatch(matcher, "x<|a|><|b|>", 0, 1, 10, 2);
  expectMatch(matcher, "x<|a|><|b", 0, 1, 5, 1);
  expectMatch(matcher, "x<|a|><|b", 2, 8, 1, 3);
  expectMatch(matcher, "<|<|a|>", 0, 2, 5, 1);
  expectMatch(matcher, "none", 0, 4, 0, 0);
  expectMatch(matcher, "", 0, 0, 0, 0);
  expectMatch(SpecialMatcher(), "<|a|>", 0, 5, 0, 0);
}

TEST(SpecialMatcherTest, AnyBytes) {
  SpecialMatcher matcher({{std::string("\0\xff", 2), 1}, {"\xff", 2}});
  expectMatch(matcher, std::string_view("a\0\xff", 3), 0, 1, 2, 1);
  expectMatch(matcher, std::string_view("a\0b\xff", 4), 0, 3, 1, 2);
}

TEST(SpecialMatcherTest, ExactTexts) {
  SpecialMatcher matcher({{"abc", 4}, {"bc", 2}, {"abc", 1}});
  EXPECT_EQ(matcher.idOf("abc"), 1);
  EXPECT_EQ(matcher.idOf("bc"), 2);
  for (const char *text : {"", "c", "ab", "abcd", "xabc"}) {
    EXPECT_EQ(matcher.idOf(text), SpecialMatcher::kNoToken) << text;
  }
  EXPECT_EQ(SpecialMatcher().idOf("a"), SpecialMatcher::kNoToken);
}

/// The leftmost match at or after `from`, found by trying all tokens at every
/// position. If several tokens match there, the longest is used, and of tokens
/// with the same text the first.
SpecialMatcher::Match
searchOfAll(const std::vector<SpecialMatcher::Token> &tokens,
            std::string_view text, size_t from) {
  SpecialMatcher::Match best = {text.size(), 0, 0};
  for (size_t start = from; start < text.size() && best.length == 0; ++start) {
    for (const SpecialMatcher::Token &token : tokens) {
      if (token.text.size() > best.length &&
          text.substr(start).starts_with(token.text)) {
        best = {start, token.text.size(), token.id};
      }
    }
  }
  return best;
}

TEST(SpecialMatcherTest, AgreesWithASearchOfAll) {
  std::mt19937 random(7);
  auto word = [&](size_t longest) {
    std::string text;
    for (size_t i = random() % (longest + 1); i > 0; --i) {
      text += static_cast<char>('a' + random() % 3);
    }
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<SpecialMatcher::Token> tokens;
    for (int32_t id = 0; id < 6; ++id) {
      tokens.push_back({word(4), id});
    }
    SpecialMatcher matcher(tokens);
    std::string text = word(12);
    SpecialMatcher::Search search(matcher, text);
    for (size_t from = 0; from <= text.size(); from += 1 + random() % 3) {
      const SpecialMatcher::Match expected = searchOfAll(tokens, text, from);
      const SpecialMatcher::Match match = search.find(from);
      EXPECT_EQ(match.start, expected.start) << text;
      EXPECT_EQ(match.length, expected.length) << text;
      EXPECT_TRUE(match.length == 0 || match.id == expected.id) << text;
    }
  }
}

/// Divides 1 MiB of "a", where hundreds of tokens begin at each position, but
/// almost none is complete. Trying the tokens one by one, or reading on for a
/// longer match after each match, would take minutes.
TEST(SpecialMatcherTest, LongTextWithManyBeginnings) {
  constexpr size_t kLength = size_t{1} << 20;
  std::string text(kLength, 'a');
  std::vector<SpecialMatcher::Token> tokens;
  for (int32_t k = 1; k <= 600; ++k) {
    tokens.push_back({std::string(static_cast<size_t>(k), 'a') + "b", k});
  }
  const auto idsOf = [&] {
    std::vector<int32_t> ids;
    SpecialMatcher(tokens).divide(
        text, {}, [&](std::string_view, bool) { ids.push_back(-1); },
        [&](int32_t id) { ids.push_back(id); });
    return ids;
  };
  EXPECT_EQ(idsOf(), std::vector<int32_t>{-1});
  text += 'b';
  EXPECT_EQ(idsOf(), (std::vector<int32_t>{-1, 600}));
  tokens.push_back({"a", 7000});
  std::vector<int32_t> expected(kLength - 600, 7000);
  expected.push_back(600);
  EXPECT_EQ(idsOf(), expected);
}

/// Tokens that are longer than the blocks in which a text is read.
TEST(SpecialMatcherTest, TokensLongerThanABlock) {
  const std::string part(20000, 'x');
  const std::vector<SpecialMatcher::Token> tokens = {
      {part + "y", 1}, {"x" + part + "y", 2}, {"y", 3}};
  const SpecialMatcher matcher(tokens);
  const std::string text = part + "xy" + part + part + "yy" + part + "xxy";
  SpecialMatcher::Search search(matcher, text);
  for (size_t from = 0; from < text.size();) {
    const SpecialMatcher::Match match = search.find(from);
    const SpecialMatcher::Match expected = searchOfAll(tokens, text, from);
    EXPECT_EQ(match.start, expected.start);
    EXPECT_EQ(match.length, expected.length);
    from = expected.start + std::max<size_t>(expected.length, 1);
  }
}

/// The token " " drops the white space after it, but is still found at each of
/// the dropped spaces. Counting the dropped spaces anew for each of these
/// tokens would take minutes.
TEST(SpecialMatcherTest, SpacesAreDroppedOnce) {
  const std::string text(size_t{1} << 18, ' ');
  const std::vector<uint8_t> flags = {air::match_flags::kStripRight};
  size_t found = 0;
  SpecialMatcher({{" ", 0}})
      .divide(
          text, flags, [&](std::string_view, bool) { ADD_FAILURE(); },
          [&](int32_t) { ++found; });
  EXPECT_EQ(found, text.size());
}

// The expected numbers of tokens are those that tokenizers 0.23.3 finds in the
// text if "  " is an added token.
TEST(SpecialMatcherTest, ATokenWithNoTextLeftIsDropped) {
  using namespace air::match_flags;
  const struct {
    int flags;
    size_t tokens;
  } cases[] = {
      {0, 3}, {kStripRight, 3}, {kStripLeft, 3}, {kStripLeft | kStripRight, 1}};
  for (const auto &one : cases) {
    const std::vector<uint8_t> flags = {static_cast<uint8_t>(one.flags)};
    size_t found = 0;
    SpecialMatcher({{"  ", 0}})
        .divide(
            "      ", flags, [&](std::string_view, bool) { ADD_FAILURE(); },
            [&](int32_t) { ++found; });
    EXPECT_EQ(found, one.tokens) << one.flags;
  }
}

} // namespace
