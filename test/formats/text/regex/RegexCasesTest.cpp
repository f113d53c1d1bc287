//===- RegexCasesTest.cpp - matches of random expressions -------*- C++ -*-===//
//
// test/Inputs/regex/regex.json has expressions and texts with the matches that
// Python's regex module finds (make_regex.py).
//
//===----------------------------------------------------------------------===//
#include "formats/support/Utf8.h"
#include "formats/text/regex/RegexMatcher.h"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace air;
using nlohmann::json;

namespace {

/// The starts and ends of all matches, in characters.
std::vector<size_t> matchesOf(const Regex &regex, const std::string &text) {
  std::vector<size_t> characterAt(text.size() + 1);
  size_t count = 0;
  for (size_t at = 0; at < text.size();) {
    size_t next = at + decodeUtf8(std::string_view(text).substr(at)).length;
    for (++count; at < next;) {
      characterAt[++at] = count;
    }
  }
  std::vector<size_t> spans;
  RegexMatcher matcher(regex);
  matcher.setText(text);
  RegexMatch match{};
  for (size_t at = 0; matcher.find(at, match);) {
    const auto first = static_cast<uint8_t>(text[match.start]);
    const bool isLast = match.start + 1 >= text.size();
    const auto next = isLast ? RegexMatcher::kEnd
                             : static_cast<uint8_t>(text[match.start + 1]);
    if (match.end > match.start && first < 0x80 && next < 0x80) {
      EXPECT_TRUE(matcher.mayBeginWith(text[match.start]));
      EXPECT_TRUE(matcher.mayBeginWith(text[match.start], next));
    }
    spans.push_back(characterAt[match.start]);
    spans.push_back(characterAt[match.end]);
    at = match.end;
    if (match.start == match.end) {
      if (at == text.size()) {
        break;
      }
      at += decodeUtf8(std::string_view(text).substr(at)).length;
    }
  }
  return spans;
}

// The places are those at which Hugging Face's `tokenizers` 0.23.3 finds
// matches.
TEST(RegexCasesTest, AnchorsOfLines) {
  const struct {
    const char *pattern;
    const char *text;
    std::vector<size_t> spans;
  } cases[] = {
      {"^", "a\nb\n", {0, 0, 2, 2}}, {"$", "a\nb\n", {1, 1, 3, 3, 4, 4}},
      {"^$", "a\n\na", {2, 2}},      {"^a", "b\na\na", {2, 3, 4, 5}},
      {"a$", "a\nba", {0, 1, 3, 4}},
  };
  for (const auto &each : cases) {
    Result<Regex> regex = Regex::compile(each.pattern, RegexAnchors::Lines);
    ASSERT_TRUE(regex) << each.pattern;
    EXPECT_EQ(matchesOf(*regex, each.text), each.spans) << each.pattern;
    Result<Regex> loaded = Regex::load(regex->code());
    ASSERT_TRUE(loaded) << loaded.status().message();
    EXPECT_EQ(matchesOf(*loaded, each.text), each.spans) << each.pattern;
  }
}

TEST(RegexCasesTest, HowMatchesMayBegin) {
  constexpr int kEnd = RegexMatcher::kEnd;
  const struct {
    const char *pattern;
    char first;
    int next;
    bool may;
  } cases[] = {
      {R"(\s?[A-Z]+)", ' ', 'a', false},  {R"(\s?[A-Z]+)", ' ', 'A', true},
      {R"(\s?[A-Z]+)", ' ', kEnd, false}, {R"(\s+$)", ' ', 'a', false},
      {R"(\s+$)", ' ', ' ', true},        {R"(\s+$)", ' ', '\n', true},
      {R"(\s+$)", ' ', kEnd, true},       {R"(\s+(?!\S))", ' ', 'a', false},
      {R"(\s+(?!\S))", ' ', kEnd, true},  {R"(ab{2}c| x)", ' ', 'a', false},
      {R"(ab{2}c| x)", 'a', 'b', true},   {R"((?=.x)..)", ' ', 'a', true},
      {R"(\d*)", ' ', 'a', true}};
  for (const auto &each : cases) {
    Result<Regex> regex = Regex::compile(each.pattern);
    ASSERT_TRUE(regex) << each.pattern;
    EXPECT_EQ(RegexMatcher(*regex).mayBeginWith(each.first, each.next),
              each.may)
        << each.pattern << " " << each.first << " " << each.next;
  }
}

TEST(RegexCasesTest, AgreesWithPython) {
  std::ifstream file(AIR_TEST_INPUTS "/regex/regex.json");
  json cases = json::parse(file, nullptr, false);
  ASSERT_EQ(cases.size(), 500U);
  size_t matches = 0;
  for (const json &each : cases) {
    auto pattern = each[0].get<std::string>();
    Result<Regex> compiled = Regex::compile(pattern);
    ASSERT_TRUE(compiled) << pattern << ": " << compiled.status().message();
    // Plans store expressions as these words.
    const std::vector<uint32_t> words = compiled->code();
    Result<Regex> regex = Regex::load(words);
    ASSERT_TRUE(regex.isOk()) << pattern << " " << regex.status().message();
    for (size_t i = 1; i + 1 < each.size(); i += 2) {
      auto expected = each[i + 1].get<std::vector<size_t>>();
      matches += expected.size() / 2;
      EXPECT_EQ(matchesOf(*regex, each[i].get<std::string>()), expected)
          << each[0] << " on " << each[i];
    }
  }
  EXPECT_GT(matches, 9000U);
}

} // namespace
