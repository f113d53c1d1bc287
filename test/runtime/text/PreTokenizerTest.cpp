//===- PreTokenizerTest.cpp -------------------------------------*- C++ -*-===//
#include "runtime/text/PreTokenizer.h"

#include "Vocabularies.h"
#include "formats/model/PreTokenizerNames.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

using namespace air::rt;
using nlohmann::json;
using testing::ElementsAre;

namespace {

using Pieces = std::vector<std::string>;

PreTokenizer preTokenizer(std::string_view name) {
  air::Result<PreTokenizer> made = PreTokenizer::create(name);
  if (!made.isOk()) {
    ADD_FAILURE() << made.status().message();
    std::abort();
  }
  return *std::move(made);
}

Pieces cut(const PreTokenizer &splitter, const std::string &text) {
  std::vector<size_t> ends;
  PreTokenizer::Scratch scratch = splitter.makeScratch();
  splitter.split(text, scratch, [&](size_t end) { ends.push_back(end); });
  Pieces pieces;
  size_t start = 0;
  for (size_t end : ends) {
    EXPECT_GT(end, start);
    pieces.push_back(text.substr(start, end - start));
    start = end;
  }
  EXPECT_EQ(start, text.size());
  return pieces;
}

Pieces cut(const char *name, const std::string &text) {
  return cut(preTokenizer(name), text);
}

TEST(PreTokenizerTest, AgreesWithTheExpressions) {
  json vectors =
      json::parse(slurp(inputs("tokenizers/pretokens.json")), nullptr, false);
  const json &texts = vectors["texts"];
  ASSERT_EQ(texts.size(), 210U);
  // Families whose expressions are tested with the vectors of another family.
  // The two families have the same expressions and differ only in other rules.
  const std::map<std::string_view, const char *> kSame = {
      {"command-r", "starcoder"}, {"dbrx", "llama-bpe"},
      {"glm4", "llama-bpe"},      {"granite-embed-multi-97m", "gpt-4o"},
      {"olmo", "gpt-2"},          {"sarvam-moe", "gemma4"},
      {"stablelm2", "qwen2"}};
  std::set<std::string_view> tested;
  for (const air::PreTokenizerName &known : air::preTokenizerNames()) {
    if (!tested.insert(known.canonical).second) {
      continue;
    }
    auto same = kSame.find(known.canonical);
    std::string column(same == kSame.end() ? known.canonical : same->second);
    ASSERT_TRUE(vectors["lengths"].contains(column)) << column;
    const json &lengths = vectors["lengths"][column];
    PreTokenizer splitter = preTokenizer(known.canonical);
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<size_t> actual;
      for (const std::string &piece : cut(splitter, texts[i])) {
        actual.push_back(piece.size());
      }
      EXPECT_EQ(actual, lengths[i].get<std::vector<size_t>>())
          << column << " " << texts[i];
    }
  }
  EXPECT_EQ(tested.size(), vectors["lengths"].size() + kSame.size());
}

// The expressions are malformed, so only their compiled form can split a text.
TEST(PreTokenizerTest, CompiledExpressionsAreNotCompiledAgain) {
  air::TextRules rules;
  rules.isSet = true;
  rules.expressions = {"(", "["};
  EXPECT_FALSE(PreTokenizer::create(rules).isOk());
  std::vector<std::vector<uint32_t>> compiled;
  for (const char *expression : {R"(\p{L}+|\s)", "b"}) {
    compiled.push_back(air::Regex::compile(expression)->code());
  }
  air::Result<PreTokenizer> made = PreTokenizer::create(rules, compiled);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  EXPECT_THAT(cut(*made, "abc 12"), ElementsAre("a", "b", "c", " ", "12"));
  air::Result<PreTokenizer> named = PreTokenizer::create("gpt-2", compiled);
  ASSERT_TRUE(named.isOk());
  EXPECT_THAT(cut(*named, "abc"), ElementsAre("a", "b", "c"));
  compiled[1].pop_back();
  EXPECT_EQ(PreTokenizer::create(rules, compiled).status().exitCode(), 3);
}

TEST(PreTokenizerTest, Contractions) {
  EXPECT_THAT(cut("gpt-2", "we'll WE'LL"),
              ElementsAre("we", "'ll", " WE", "'", "LL"));
  EXPECT_THAT(cut("llama-bpe", "we'll WE'LL"),
              ElementsAre("we", "'ll", " WE", "'LL"));
  // When case is ignored, U+017F (LATIN SMALL LETTER LONG S) equals s.
  EXPECT_THAT(cut("qwen2", "a'\xc5\xbf"
                           "b"),
              ElementsAre("a", "'\xc5\xbf", "b"));
  EXPECT_THAT(cut("qwen2", "'l"), ElementsAre("'l"));
  EXPECT_THAT(cut("gpt-2", "'"), ElementsAre("'"));
}

TEST(PreTokenizerTest, Numbers) {
  EXPECT_THAT(cut("gpt-2", " 12345"), ElementsAre(" 12345"));
  EXPECT_THAT(cut("llama-bpe", " 12345"), ElementsAre(" ", "123", "45"));
  EXPECT_THAT(cut("qwen2", " 123"), ElementsAre(" ", "1", "2", "3"));
  EXPECT_THAT(cut("default", " 12345"), ElementsAre(" ", "123", "45"));
  // Arabic-Indic digits are numbers, but they do not match [0-9].
  EXPECT_THAT(cut("default", "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4"
                             "5678"),
              ElementsAre("\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4", "567", "8"));
}

TEST(PreTokenizerTest, WhiteSpace) {
  EXPECT_THAT(cut("gpt-2", "a  \n  b"), ElementsAre("a", "  \n ", " b"));
  EXPECT_THAT(cut("llama-bpe", "a  \n  b"),
              ElementsAre("a", "  \n", " ", " b"));
  EXPECT_THAT(cut("llama-bpe", "!\n\n x"), ElementsAre("!\n\n", " x"));
  EXPECT_THAT(cut("gpt-2", "a\t\t"), ElementsAre("a", "\t\t"));
  EXPECT_THAT(cut("llama-bpe", "\tx"), ElementsAre("\tx"));
}

TEST(PreTokenizerTest, NamesAndAliases) {
  auto rules = [](const char *name) { return air::preTokenizerRules(name); };
  for (const air::PreTokenizerName &known : air::preTokenizerNames()) {
    const air::PreTokenizerRules *found = air::preTokenizerRules(known.name);
    ASSERT_NE(found, nullptr) << known.name;
    EXPECT_EQ(found->name, known.canonical);
  }
  EXPECT_TRUE(std::ranges::is_sorted(air::preTokenizerNames(), {},
                                     &air::PreTokenizerName::name));
  EXPECT_EQ(rules("llama3"), rules("llama-bpe"));
  EXPECT_EQ(rules("falcon3"), rules("llama-bpe"));
  EXPECT_EQ(rules("megrez"), rules("qwen2"));
  EXPECT_EQ(rules("grok-2"), rules("stablelm2"));
  EXPECT_NE(rules("qwen2"), rules("llama-bpe"));
  for (const char *unknown : {"", "GPT-2", "gpt2", "tekken "}) {
    EXPECT_EQ(rules(unknown), nullptr);
    EXPECT_EQ(PreTokenizer::create(unknown).status().code(),
              air::ErrorCode::Unsupported);
  }
}

TEST(PreTokenizerTest, WhatNamesImply) {
  // ignoreMerges and addsBos must be set for the same pre-tokenizers as in
  // llama.cpp. The tokenizer.json files of the families show which
  // pre-tokenizers convert text to Normalization Form C.
  auto namesWith = [](bool air::PreTokenizerRules::*flag) {
    Pieces names;
    for (const air::PreTokenizerName &known : air::preTokenizerNames()) {
      if (air::preTokenizerRules(known.name)->*flag) {
        names.emplace_back(known.name);
      }
    }
    return names;
  };
  EXPECT_THAT(namesWith(&air::PreTokenizerRules::ignoreMerges),
              ElementsAre("falcon-h1", "falcon3", "glm4", "glm5",
                          "granite-embed-multi-97m", "jina-v5-nano", "lfm2",
                          "llama-bpe", "llama-v3", "llama3", "midm-2.0",
                          "minicpm5", "pixtral", "tekken", "youtu"));
  EXPECT_THAT(namesWith(&air::PreTokenizerRules::composes),
              ElementsAre("cohere2moe", "command-r", "deepseek-r1-qwen",
                          "f2llmv2", "megrez", "modern-bert", "mpt", "olmo",
                          "qwen2", "qwen35", "tiny_aya"));
  Pieces asText;
  for (const air::PreTokenizerName &known : air::preTokenizerNames()) {
    if (air::preTokenizerRules(known.name)->spelling !=
        air::TokenSpelling::Bytes) {
      asText.emplace_back(known.name);
    }
  }
  EXPECT_THAT(asText, ElementsAre("gemma4", "granite-embed-multi-311m",
                                  "sarvam-moe", "whitespace"));
  EXPECT_THAT(namesWith(&air::PreTokenizerRules::addsBos),
              ElementsAre("chameleon", "falcon-h1", "falcon3", "jina-v5-nano",
                          "lfm2", "llama-bpe", "llama-v3", "llama3", "midm-2.0",
                          "pixtral", "tekken"));
}

/// The number of steps that splitting `text` takes, for each byte of it.
double stepsPerByte(const PreTokenizer &splitter, const std::string &text) {
  PreTokenizer::Scratch scratch = splitter.makeScratch();
  splitter.split(text, scratch, [](size_t) {});
  uint64_t steps = 0;
  for (const air::RegexMatcher &matcher : scratch) {
    steps += matcher.steps();
  }
  return static_cast<double>(steps) / static_cast<double>(text.size());
}

TEST(PreTokenizerTest, HostileTextTakesLinearTime) {
  // Each text repeats one unit. The first three units (a letter, a space, and
  // an emoji with a joiner) are repeated to a megabyte, and the others to 64
  // KiB: digits, capital letters, line ends, combining marks, and units for
  // which alternatives fail only after many characters.
  const std::vector<std::string> kUnits = {"a",
                                           " ",
                                           "\xf0\x9f\x91\xa9\xe2\x80\x8d",
                                           "1",
                                           "A",
                                           "\n",
                                           " \n",
                                           "!",
                                           "'",
                                           "\xe4\xb8\xad",
                                           "\xcc\x81",
                                           "a ",
                                           "aB",
                                           "1a"};
  std::set<const std::string_view *> tested;
  for (const air::PreTokenizerName &known : air::preTokenizerNames()) {
    const air::PreTokenizerRules *rules = air::preTokenizerRules(known.name);
    if (!tested.insert(rules->expressions.data()).second) {
      continue;
    }
    PreTokenizer splitter = preTokenizer(known.canonical);
    for (size_t i = 0; i < kUnits.size(); ++i) {
      const std::string &unit = kUnits[i];
      size_t size = size_t{1} << (i < 3 ? 20 : 16);
      std::string text;
      while (text.size() < size) {
        text += unit;
      }
      // Quadratic time would take tens of thousands of steps per byte.
      EXPECT_LT(stepsPerByte(splitter, text + "x "), 64)
          << known.canonical << " on " << unit;
    }
  }
}

} // namespace
