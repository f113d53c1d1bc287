//===- ModelVectorsTest.cpp - Unigram, WordPiece and RWKV World -*- C++ -*-===//
//
// The vocabularies NAME.gguf and the ids in NAME.json are made by
// test/Inputs/tokenizers/make_models.py, with sentencepiece, Hugging Face's
// `tokenizers` library, and the rwkv package.
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"

#include "runtime/text/Detokenizer.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace air;
using namespace air::rt;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

TokenizerData small(const std::string &name) {
  return vocabularyOf(inputs("tokenizers/" + name + ".gguf"));
}

std::string withHyphens(std::string name) {
  std::ranges::replace(name, '_', '-');
  return name;
}

void checkCases(const Tokenizer &tokenizer, const std::string &name,
                size_t fewest) {
  json cases = json::parse(slurp(inputs("tokenizers/" + name + ".json")),
                           nullptr, false);
  ASSERT_TRUE(cases.is_array()) << name;
  ASSERT_GE(cases.size(), fewest);
  for (const json &each : cases) {
    EXPECT_EQ(tokenizer.encode(each["text"].get<std::string>(), false, false),
              each["ids"].get<std::vector<int32_t>>())
        << each["text"];
  }
}

class ModelVectorsTest : public testing::TestWithParam<const char *> {};

TEST_P(ModelVectorsTest, All) {
  std::string name = withHyphens(GetParam());
  checkCases(tokenizerOf(small(name)), name, 90);
}

INSTANTIATE_TEST_SUITE_P(Small, ModelVectorsTest,
                         testing::Values("unigram", "unigram_bytes",
                                         "wordpiece", "wordpiece_cased",
                                         "rwkv"),
                         [](const auto &info) { return info.param; });

class PublishedModelsTest : public testing::TestWithParam<const char *> {};

TEST_P(PublishedModelsTest, All) {
  const char *folder = std::getenv("AIR_VOCABULARIES");
  if (folder == nullptr || *folder == '\0') {
    GTEST_SKIP() << kNoVocabularies;
  }
  std::string name = withHyphens(GetParam());
  checkCases(tokenizerOf(vocabularyOf(std::string(folder) + "/ggml-vocab-" +
                                      name + ".gguf")),
             name, 100);
}

INSTANTIATE_TEST_SUITE_P(LlamaCpp, PublishedModelsTest,
                         testing::Values("bert_bge", "nomic_bert_moe"),
                         [](const auto &info) { return info.param; });

TEST(ModelVectorsTest, FirstAndLastTokens) {
  // T5 ends texts with EOS. BERT begins them with CLS and ends them with SEP.
  EXPECT_THAT(tokenizerOf(small("unigram")).encode("", true, true),
              ElementsAre(2));
  EXPECT_THAT(tokenizerOf(small("wordpiece")).encode("", true, true),
              ElementsAre(2, 3));
  EXPECT_THAT(tokenizerOf(small("rwkv")).encode("", true, true), ElementsAre());
}

TEST(ModelVectorsTest, TextComesBack) {
  // Python's repr writes these characters with escapes.
  const std::string text = "the \\ \"time\" isn't\t\r\n\x01\xff long";
  Tokenizer rwkv = tokenizerOf(small("rwkv"));
  std::string bytes;
  for (int32_t id : rwkv.encode(text, true, true)) {
    bytes += rwkv.piece(id);
  }
  EXPECT_EQ(bytes, text);
  for (const char *name : {"unigram-bytes", "wordpiece"}) {
    Tokenizer tokenizer = tokenizerOf(small(name));
    EXPECT_EQ(
        decode(tokenizer, tokenizer.encode("the time was long", false, true)),
        "the time was long")
        << name;
  }
}

TEST(ModelVectorsTest, ControlTokensInText) {
  Tokenizer tokenizer = tokenizerOf(small("wordpiece"));
  EXPECT_THAT(tokenizer.encode("[MASK][SEP]", false, true), ElementsAre(4, 3));
  EXPECT_GT(tokenizer.encode("[MASK]", false, false).size(), 2U);
}

TEST(ModelVectorsTest, HostileTextTakesLinearTime) {
  const std::string joiners = "\xf0\x9f\x91\xa8\xe2\x80\x8d";
  std::string emoji;
  while (emoji.size() < (1 << 20)) {
    emoji += joiners;
  }
  for (const char *name :
       {"unigram", "unigram-bytes", "wordpiece", "wordpiece-cased", "rwkv"}) {
    Tokenizer tokenizer = tokenizerOf(small(name));
    for (const std::string &text :
         {std::string(1 << 20, 'a'), std::string(1 << 20, ' '), emoji,
          std::string(1 << 20, '\xff')}) {
      // At most one space is added, and each ill-formed byte becomes a
      // character of three bytes.
      EXPECT_LE(tokenizer.encode(text, false, true).size(),
                3 * text.size() + 1);
    }
  }
}

struct Refusal {
  const char *message;
  const char *name;
  void (*change)(TokenizerData &);
};

class RefusedModelsTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedModelsTest, Refused) {
  TokenizerData data = small(GetParam().name);
  GetParam().change(data);
  Result<Tokenizer> tokenizer = Tokenizer::create(std::move(data));
  ASSERT_FALSE(tokenizer.isOk());
  EXPECT_EQ(tokenizer.status().code(), ErrorCode::Corrupt);
  EXPECT_THAT(tokenizer.status().message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedModelsTest,
    testing::Values(
        Refusal{"171 scores for 170 tokens", "unigram",
                [](TokenizerData &data) { data.scores.push_back(0); }},
        Refusal{"the score of token 7 is NaN", "unigram",
                [](TokenizerData &data) { data.scores[7] = NAN; }},
        Refusal{"the score of token 7 is infinite", "unigram",
                [](TokenizerData &data) { data.scores[7] = -INFINITY; }},
        Refusal{"no unknown token", "unigram",
                [](TokenizerData &data) { data.unknown = -1; }},
        Refusal{"(precompiled_charsmap) are corrupt", "unigram",
                [](TokenizerData &data) { data.charsmap.resize(9); }},
        Refusal{
            "does not have the form <0xHH>", "unigram-bytes",
            [](TokenizerData &data) { data.types.back() = TokenType::Byte; }},
        Refusal{"there is no unknown token", "wordpiece",
                [](TokenizerData &data) { data.unknown = -1; }},
        Refusal{"the eos id is 300, but", "wordpiece",
                [](TokenizerData &data) { data.eos = 300; }},
        Refusal{"is 'a\\x5c', which has an invalid escape", "rwkv",
                [](TokenizerData &data) { data.tokens.back() = "a\\"; }},
        Refusal{"no token stands for byte 0 and", "rwkv",
                [](TokenizerData &data) { data.tokens[1] = "xyz"; }}),
    [](const auto &info) { return std::to_string(info.index); });

} // namespace
