//===- GbnfParserTest.cpp - grammars, and what is wrong with them ---------===//
//
// gbnf.json has grammars, and states which texts they accept according to the
// description of GBNF. The published cases of llama.cpp are read from the
// folder AIR_GRAMMARS (CONTRIBUTING.md).
//
//===----------------------------------------------------------------------===//
#include "runtime/text/grammar/GbnfParser.h"

#include "GrammarTexts.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <gmock/gmock.h>

using namespace air;
using namespace air::rt;
using nlohmann::json;
using testing::HasSubstr;

namespace {

GbnfVocabulary vocabulary() {
  return {2000, [](std::string_view text) {
            return text == "<think>" ? 1000 : text == "</think>" ? 1001 : -1;
          }};
}

/// Whether the grammar accepts `text`, which is a string, or a list of strings
/// and token ids. As in llama.cpp's tests, each byte of a string in such a list
/// may also be read as token 0. So each byte also matches an element such as
/// !<think>, which allows all tokens but one.
bool acceptsCase(const std::shared_ptr<const Grammar> &grammar,
                 const json &text) {
  if (text.is_string()) {
    return accepts(grammar, text.get<std::string>());
  }
  GrammarStates states(grammar, {});
  GrammarStates::State state = states.start();
  for (const json &part : text) {
    if (part.is_number()) {
      state = states.stepToken(state, part.get<int32_t>());
      continue;
    }
    for (char c : part.get<std::string>()) {
      auto asText =
          states.step(state, grammar->classes.of(static_cast<uint8_t>(c)));
      state = states.unite(asText, states.stepToken(state, 0));
    }
  }
  return states.isComplete(state);
}

void checkCases(const json &cases) {
  ASSERT_FALSE(cases.empty());
  for (const json &each : cases) {
    const std::string text = each["grammar"];
    GbnfVocabulary tokens = vocabulary();
    auto grammar = parseGbnf(text, &tokens);
    ASSERT_TRUE(grammar.isOk()) << text << "\n" << grammar.status().message();
    for (const json &accepted : each["accepts"]) {
      EXPECT_TRUE(acceptsCase(*grammar, accepted)) << text << "\n" << accepted;
    }
    for (const json &rejected : each["rejects"]) {
      EXPECT_FALSE(acceptsCase(*grammar, rejected)) << text << "\n" << rejected;
    }
  }
}

TEST(GbnfParserTest, OwnCases) {
  checkCases(readJson(AIR_TEST_INPUTS "/grammar/gbnf.json"));
}

TEST(GbnfParserTest, PublishedCases) {
  const char *folder = std::getenv("AIR_GRAMMARS");
  if (folder == nullptr) {
    GTEST_SKIP() << "AIR_GRAMMARS is not set";
  }
  checkCases(readJson(std::string(folder) + "/gbnf.json"));
  for (const json &each : readJson(std::string(folder) + "/errors.json")) {
    EXPECT_FALSE(parseGbnf(each.get<std::string>()).isOk()) << each;
  }
}

TEST(GbnfParserTest, ErrorsHaveAPlace) {
  for (const json &each : readJson(AIR_TEST_INPUTS "/grammar/errors.json")) {
    GbnfVocabulary tokens = vocabulary();
    auto grammar = parseGbnf(each["grammar"].get<std::string>(), &tokens);
    ASSERT_FALSE(grammar.isOk()) << each;
    const std::string &message = grammar.status().message();
    EXPECT_EQ(grammar.status().code(), ErrorCode::Corrupt) << message;
    EXPECT_EQ(message, "grammar: " + each["error"].get<std::string>());
  }
}

TEST(GbnfParserTest, TokensNeedAVocabulary) {
  auto grammar = parseGbnf("root ::= <[1]>");
  ASSERT_FALSE(grammar.isOk());
  EXPECT_THAT(grammar.status().message(), HasSubstr("needs a vocabulary"));
}

TEST(GbnfParserTest, InvalidUtf8HasAPlace) {
  auto grammar = parseGbnf("root ::= \"a\"\nb ::= \"\xff\"");
  ASSERT_FALSE(grammar.isOk());
  EXPECT_THAT(grammar.status().message(),
              HasSubstr("line 2, column 8: the grammar is not valid UTF-8"));
}

TEST(GbnfParserTest, ManyNestedGroupsAreRefused) {
  std::string deep = "root ::= " + std::string(100'000, '(');
  auto grammar = parseGbnf(deep);
  ASSERT_FALSE(grammar.isOk());
  EXPECT_THAT(grammar.status().message(), HasSubstr("groups are nested"));
}

TEST(GbnfParserTest, ManySetsOfCharactersAreRefused) {
  // A grammar with `count` sets of one character each. Each of these characters
  // is a class of its own, and all other characters are one more class.
  const auto grammarOf = [](int count) {
    std::string text = "root ::= [\\u4E00]";
    for (int i = 1; i < count; ++i) {
      std::array<char, 16> set{};
      std::snprintf(set.data(), set.size(), " | [\\u%04X]", 0x4E00 + i);
      text += set.data();
    }
    return text;
  };
  EXPECT_THAT(parseGbnf(grammarOf(8000)).status().message(),
              HasSubstr("its 8000 different sets of characters distinguish "
                        "8001 classes of characters; the product of these "
                        "numbers must be at most 64000000"));
  EXPECT_TRUE(parseGbnf(grammarOf(500)).isOk());
}

TEST(GbnfParserTest, ManyRulesInARow) {
  // A chain of 10,000 rules, each of which begins with the next.
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 10'000; ++i) {
    chain += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
  }
  chain += "r10000 ::= \"x\"";
  auto grammar = parseGbnf(chain);
  ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
  EXPECT_TRUE(accepts(*grammar, "x"));
  EXPECT_FALSE(accepts(*grammar, "xx"));
}

} // namespace
