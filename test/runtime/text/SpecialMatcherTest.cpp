//===- SpecialMatcherTest.cpp - finds special tokens in text ----*- C++ -*-===//
#include "runtime/text/SpecialMatcher.h"

#include <gtest/gtest.h>

#include <random>

using namespace air::rt;

namespace {

void expectMatch(const SpecialMatcher &matcher, std::string_view text,
                 size_t from, size_t start, size_t length, int32_t id) {
  SpecialMatcher::Match match = matcher.find(text, from);
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
    SpecialMatcher::Match expected = {text.size(), 0, 0};
    for (size_t start = 0; start < text.size() && !expected.length; ++start) {
      for (const SpecialMatcher::Token &token : tokens) {
        if (token.text.size() > expected.length &&
            text.compare(start, token.text.size(), token.text) == 0) {
          expected = {start, token.text.size(), token.id};
        }
      }
    }
    expectMatch(matcher, text, 0, expected.start, expected.length, expected.id);
  }
}

} // namespace
