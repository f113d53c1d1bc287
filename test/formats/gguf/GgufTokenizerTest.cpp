//===- GgufTokenizerTest.cpp - tokenizer.ggml.* -> TokenizerData ----------===//
#include "GgufBuilder.h"

#include "formats/gguf/GgufReader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>

using namespace air;
using namespace air::test;

namespace {

using Ids = std::vector<int32_t>;

Result<TokenizerData> tokenizerOf(const GgufBuilder &builder) {
  Bytes file = builder.build();
  Result<ModelSource> model = parseGguf(file, "test.gguf");
  if (!model) {
    return model.status();
  }
  return readGgufTokenizer(*model);
}

/// A vocabulary that is complete except for the special ids and flags.
GgufBuilder spm() {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "llama")
      .texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b"})
      .array<float>("tokenizer.ggml.scores", {0, 0, 0, -1.5F, -2})
      .array<int32_t>("tokenizer.ggml.token_type", {2, 3, 3, 1, 1});
  return builder;
}

GgufBuilder bpe(const char *pre) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", pre)
      .texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<|im_end|>"})
      .array<int32_t>("tokenizer.ggml.token_type", {1, 1, 1, 3})
      .texts("tokenizer.ggml.merges", {"a b"});
  return builder;
}

TEST(GgufTokenizer, SpmDefaults) {
  Result<TokenizerData> data = tokenizerOf(spm());
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::Spm);
  EXPECT_EQ(data->pre, "");
  EXPECT_EQ(data->tokens,
            (std::vector<std::string>{"<unk>", "<s>", "</s>", "a", "b"}));
  EXPECT_EQ(data->scores, (std::vector<float>{0, 0, 0, -1.5F, -2}));
  EXPECT_EQ(data->types,
            (std::vector<TokenType>{TokenType::Unknown, TokenType::Control,
                                    TokenType::Control, TokenType::Normal,
                                    TokenType::Normal}));
  EXPECT_TRUE(data->merges.empty());
  EXPECT_EQ(data->bos, 1);
  EXPECT_EQ(data->eos, 2);
  EXPECT_EQ(data->unknown, 0);
  EXPECT_EQ(data->padding, TokenizerData::kNoToken);
  EXPECT_EQ(data->endOfTurn, TokenizerData::kNoToken);
  EXPECT_EQ(data->endOfGeneration, Ids{2});
  EXPECT_TRUE(data->addBos);
  EXPECT_FALSE(data->addEos);
  EXPECT_TRUE(data->addSpacePrefix);
  EXPECT_FALSE(data->removeExtraWhitespaces);
}

TEST(GgufTokenizer, SpmEveryKey) {
  GgufBuilder builder = spm();
  builder.value<uint32_t>("tokenizer.ggml.bos_token_id", 3)
      .value<int32_t>("tokenizer.ggml.eos_token_id", 4)
      .value<uint32_t>("tokenizer.ggml.unknown_token_id", 1)
      .value<uint32_t>("tokenizer.ggml.padding_token_id", 2)
      .value<uint32_t>("tokenizer.ggml.eot_token_id", 0)
      .value<bool>("tokenizer.ggml.add_bos_token", false)
      .value<bool>("tokenizer.ggml.add_eos_token", true)
      .value<bool>("tokenizer.ggml.add_space_prefix", false)
      .value<bool>("tokenizer.ggml.remove_extra_whitespaces", true)
      .text("tokenizer.ggml.pre", "default")
      .text("tokenizer.chat_template", "{{ messages }}")
      .text("tokenizer.chat_template.tool_use", "{{ tools }}")
      .text("tokenizer.chat_template.rag", "{{ documents }}")
      .text("tokenizer.chat_template.", "x")
      .text("tokenizer.chat_template.a\nb", "x")
      .texts("tokenizer.chat_templates", {"rag", "tool_use"});
  Result<TokenizerData> data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->bos, 3);
  EXPECT_EQ(data->eos, 4);
  EXPECT_EQ(data->unknown, 1);
  EXPECT_EQ(data->padding, 2);
  EXPECT_EQ(data->endOfTurn, 0);
  // "</s>" (2) is a well-known end token, 4 is the EOS token, and 0 is the EOT
  // token.
  EXPECT_EQ(data->endOfGeneration, (Ids{0, 2, 4}));
  EXPECT_FALSE(data->addBos);
  EXPECT_TRUE(data->addEos);
  EXPECT_FALSE(data->addSpacePrefix);
  EXPECT_TRUE(data->removeExtraWhitespaces);
  EXPECT_EQ(data->pre, "default");
  EXPECT_EQ(data->chatTemplate, "{{ messages }}");
  EXPECT_EQ(data->namedTemplates,
            (std::map<std::string, std::string>{{"rag", "{{ documents }}"},
                                                {"tool_use", "{{ tools }}"}}));
  ASSERT_EQ(data->notes.size(), 2U);
  EXPECT_EQ(data->notes[1],
            "the chat template 'a\\x0ab' is left out, because its name must "
            "have 1 to 1024 bytes and no control characters");
}

TEST(GgufTokenizer, BpeDefaults) {
  Result<TokenizerData> data = tokenizerOf(bpe("qwen2"));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::Bpe);
  EXPECT_EQ(data->pre, "qwen2");
  EXPECT_EQ(data->merges, std::vector<std::string>{"a b"});
  EXPECT_TRUE(data->scores.empty());
  EXPECT_EQ(data->bos, TokenizerData::kNoToken);
  EXPECT_EQ(data->eos, TokenizerData::kNoToken);
  EXPECT_EQ(data->unknown, TokenizerData::kNoToken);
  EXPECT_EQ(data->endOfGeneration, Ids{3});
  EXPECT_FALSE(data->addBos);
  EXPECT_FALSE(data->addSpacePrefix);
}

TEST(GgufTokenizer, BpeAddBosDependsOnPre) {
  for (auto [pre, addBos] :
       {std::pair{"llama-bpe", true}, std::pair{"tekken", true},
        std::pair{"qwen2", false}, std::pair{"gpt-2", false}}) {
    GgufBuilder builder = bpe(pre);
    builder.value<uint32_t>("tokenizer.ggml.bos_token_id", 0);
    Result<TokenizerData> data = tokenizerOf(builder);
    ASSERT_TRUE(data.isOk()) << data.status().message();
    EXPECT_EQ(data->addBos, addBos) << pre;
    builder.value<bool>("tokenizer.ggml.add_bos_token", !addBos);
    EXPECT_EQ(tokenizerOf(builder)->addBos, !addBos) << pre;
  }
}

TokenizerData read(const GgufBuilder &builder) {
  Result<TokenizerData> data = tokenizerOf(builder);
  EXPECT_TRUE(data.isOk()) << data.status().message();
  return data.isOk() ? *std::move(data) : TokenizerData();
}

/// A vocabulary whose pieces all have the type of normal text.
GgufBuilder normalPieces(const std::vector<std::string> &pieces) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", pieces)
      .texts("tokenizer.ggml.merges", {});
  return builder;
}

GgufBuilder t5() {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "t5")
      .texts("tokenizer.ggml.tokens", {"<pad>", "<end>", "<unk>", "a"})
      .array<int32_t>("tokenizer.ggml.token_type", {3, 3, 2, 1});
  return builder;
}

GgufBuilder bert() {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "bert")
      .texts("tokenizer.ggml.tokens", {"[UNK]", "[CLS]", "[SEP]", "a"})
      .array<int32_t>("tokenizer.ggml.token_type", {3, 3, 3, 1});
  return builder;
}

TEST(GgufTokenizer, UnigramDefaults) {
  Result<TokenizerData> data =
      tokenizerOf(t5().array<float>("tokenizer.ggml.scores", {0, 0, 0, -1.5F}));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::Unigram);
  EXPECT_EQ(data->scores[3], -1.5F);
  EXPECT_EQ(data->bos, TokenizerData::kNoToken);
  EXPECT_EQ(data->eos, 1);
  EXPECT_EQ(data->unknown, 2);
  EXPECT_FALSE(data->addBos);
  EXPECT_TRUE(data->addEos);
  EXPECT_TRUE(data->addSpacePrefix);
  EXPECT_EQ(data->charsmap, "");
}

TEST(GgufTokenizer, CharsmapsOfAnyKindOfBytes) {
  const std::string bytes("\4\0\x80\xff", 4);
  Result<TokenizerData> data = tokenizerOf(t5().array<uint8_t>(
      "tokenizer.ggml.precompiled_charsmap", {4, 0, 128, 255}));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->charsmap, bytes);
  data = tokenizerOf(t5().array<int8_t>("tokenizer.ggml.precompiled_charsmap",
                                        {4, 0, -128, -1}));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->charsmap, bytes);
}

TEST(GgufTokenizer, WordPieceKeys) {
  GgufBuilder builder = bert();
  builder.value<uint32_t>("tokenizer.ggml.unknown_token_id", 0)
      .value<uint32_t>("tokenizer.ggml.cls_token_id", 1)
      .value<uint32_t>("tokenizer.ggml.seperator_token_id", 2);
  Result<TokenizerData> data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::WordPiece);
  EXPECT_EQ(data->unknown, 0);
  EXPECT_EQ(data->bos, 1);
  EXPECT_EQ(data->eos, 2);
  EXPECT_TRUE(data->addBos);
  EXPECT_TRUE(data->addEos);
  EXPECT_TRUE(data->lowercase);
  EXPECT_TRUE(data->stripAccents);
  builder.value<bool>("tokenizer.ggml.normalizer.lowercase", false);
  data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_FALSE(data->lowercase);
  EXPECT_FALSE(data->stripAccents);
  builder.value<bool>("tokenizer.ggml.normalizer.strip_accents", true);
  data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_TRUE(data->stripAccents);
}

TEST(GgufTokenizer, RwkvHasNoSpecialTokens) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "rwkv")
      .texts("tokenizer.ggml.tokens", {"<s>", "\\x00", "a"});
  Result<TokenizerData> data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::Rwkv);
  EXPECT_EQ(data->tokens[1], "\\x00");
  EXPECT_EQ(data->bos, TokenizerData::kNoToken);
  EXPECT_FALSE(data->addBos);
  EXPECT_FALSE(data->addEos);
}

TEST(GgufTokenizer, KnownEndPiecesEndWhateverTheirType) {
  const std::vector<std::string> kEnds = {
      "<|eot_id|>",
      "<|im_end|>",
      "<|end|>",
      "<end_of_turn>",
      "<|endoftext|>",
      "<|end_of_text|>",
      "<EOT>",
      "_<EOT>",
      "[EOT]",
      "<\uff5cend\u2581of\u2581sentence\uff5c>",
      "<end_of_utterance>",
      "<|eom_id|>",
      "<|return|>",
      "<|call|>",
      "<|flush|>",
      "<|calls|>",
      "</s>",
      "[EOS]",
      "<eos>",
      "<turn|>",
      "<|tool_response>",
      "[e~["};
  for (const std::string &piece : kEnds) {
    for (int32_t type : {0, 1, 2, 4, 5, 6}) {
      GgufBuilder builder = normalPieces({"a", piece});
      builder.array<int32_t>("tokenizer.ggml.token_type", {1, type});
      TokenizerData data = read(builder);
      EXPECT_EQ(data.endOfGeneration, Ids{1}) << piece;
      EXPECT_EQ(data.types[1], TokenType::Control) << piece << type;
      ASSERT_EQ(data.notes.size(), 1U) << piece;
      EXPECT_TRUE(data.notes[0].starts_with("token 1, '" + piece + "', is"));
    }
    GgufBuilder builder = normalPieces({"a", piece});
    builder.array<int32_t>("tokenizer.ggml.token_type", {1, 3});
    TokenizerData data = read(builder);
    EXPECT_EQ(data.endOfGeneration, Ids{1}) << piece;
    EXPECT_TRUE(data.notes.empty()) << piece;
  }
  EXPECT_TRUE(read(normalPieces({"</s", "<|im_end|", "im_end", "<EOS>"}))
                  .endOfGeneration.empty());
}

TEST(GgufTokenizer, EndPiecesOfVocabulariesThatUseThemOtherwise) {
  // In this vocabulary a reply can consist of several messages. "<|end|>" ends
  // one message, and "<|return|>" ends generation.
  TokenizerData data =
      read(normalPieces({"<|end|>", "<|channel|>", "<|return|>"}));
  EXPECT_EQ(data.endOfGeneration, Ids{2});
  EXPECT_EQ(data.types[0], TokenType::Control);
  EXPECT_EQ(data.notes[0],
            "token 0, '<|end|>', is known to end a message, but its type is "
            "normal; it is treated as a control token");
  EXPECT_EQ(read(normalPieces({"<|end|>", "<|channel|>"})).endOfGeneration,
            Ids{0});
  EXPECT_EQ(read(normalPieces({"<|end|>", "<|return|>"})).endOfGeneration,
            (Ids{0, 1}));
  EXPECT_EQ(
      read(normalPieces({"<|calls|>", "<|end|>", "<|flush|>"})).endOfGeneration,
      (Ids{0, 2}));
  // Here "</s>" is taken for an HTML tag and does not end generation, because
  // the vocabulary has another end token.
  EXPECT_EQ(read(normalPieces({"</s>", "<|tool_response>"})).endOfGeneration,
            Ids{1});
}

TEST(GgufTokenizer, WhatAMergeMakesIsText) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", {"</", "s>", "</s>", "<eos>"})
      .texts("tokenizer.ggml.merges", {"<eo s", "</ s>"});
  TokenizerData data = read(builder);
  EXPECT_EQ(data.endOfGeneration, Ids{3});
  EXPECT_EQ(data.types[2], TokenType::Normal);
  builder.array<int32_t>("tokenizer.ggml.token_type", {1, 1, 3, 1});
  EXPECT_EQ(read(builder).endOfGeneration, (Ids{2, 3}));
}

TEST(GgufTokenizer, FillInPiecesCountOnlyAsSpecialTokens) {
  GgufBuilder builder =
      normalPieces({"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "end"});
  builder.array<int32_t>("tokenizer.ggml.token_type", {1, 3, 4, 3});
  EXPECT_EQ(read(builder).endOfGeneration, (Ids{1, 2}));
}

TEST(GgufTokenizer, BytePiecesAreFoundByName) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "llama")
      .texts("tokenizer.ggml.tokens", {"<unk>", "<0x0A>", "<0x41>", "<0xC3>",
                                       "<0x0G>", "<0x41> ", "<0x0a>"})
      .array<int32_t>("tokenizer.ggml.token_type", {2, 1, 4, 0, 1, 1, 1});
  TokenizerData data = read(builder);
  EXPECT_EQ(data.types,
            (std::vector<TokenType>{TokenType::Unknown, TokenType::Byte,
                                    TokenType::UserDefined, TokenType::Byte,
                                    TokenType::Normal, TokenType::Normal,
                                    TokenType::Normal}));
  EXPECT_EQ(
      data.notes,
      std::vector<std::string>{
          "2 tokens with names from <0x00> to <0xFF> do not have the type of "
          "byte tokens; they are treated as byte tokens"});
}

TEST(GgufTokenizer, ScoresOfAnyNumericKindOrNone) {
  auto scored = [] {
    GgufBuilder builder;
    builder.text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", {"<unk>", "a", "b"});
    return builder;
  };
  const std::vector<float> kByPlace = {0, -1, -2};
  EXPECT_EQ(read(scored()).scores, kByPlace);
  const char *key = "tokenizer.ggml.scores";
  EXPECT_EQ(read(scored().array<int32_t>(key, {0, -1, -2})).scores, kByPlace);
  EXPECT_EQ(read(scored().array<int8_t>(key, {5, -1, 3})).scores,
            (std::vector<float>{5, -1, 3}));
  EXPECT_EQ(read(scored().array<uint32_t>(key, {5, 1, 3})).scores,
            (std::vector<float>{5, 1, 3}));
  EXPECT_EQ(read(scored().array<double>(key, {0.5, -1, 3})).scores,
            (std::vector<float>{0.5, -1, 3}));
}

TEST(GgufTokenizer, IdsThatNothingNeedsMayLieOutside) {
  GgufBuilder builder = spm();
  builder.value<uint32_t>("tokenizer.ggml.padding_token_id", 512)
      .value<uint32_t>("tokenizer.ggml.unknown_token_id", 6)
      .value<bool>("tokenizer.ggml.add_bos_token", false)
      .value<uint32_t>("tokenizer.ggml.bos_token_id", 5);
  TokenizerData data = read(builder);
  EXPECT_EQ(data.padding, TokenizerData::kNoToken);
  EXPECT_EQ(data.unknown, TokenizerData::kNoToken);
  EXPECT_EQ(data.bos, TokenizerData::kNoToken);
  ASSERT_EQ(data.notes.size(), 3U);
  EXPECT_EQ(
      data.notes[2],
      "metadata 'tokenizer.ggml.padding_token_id' is 512, but the "
      "vocabulary has 5 tokens; the id is ignored because nothing needs it");
}

TEST(GgufTokenizer, MinusOneMeansNone) {
  GgufBuilder builder = spm();
  builder.value<uint32_t>("tokenizer.ggml.padding_token_id", UINT32_MAX)
      .value<int32_t>("tokenizer.ggml.unknown_token_id", -1);
  Result<TokenizerData> data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->padding, TokenizerData::kNoToken);
  EXPECT_EQ(data->unknown, TokenizerData::kNoToken);
}

TEST(GgufTokenizer, SeveralEmptyPiecesAreFine) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", {"", "a", ""})
      .texts("tokenizer.ggml.merges", {});
  Result<TokenizerData> data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->types, std::vector<TokenType>(3, TokenType::Normal));
}

TEST(GgufTokenizer, SurplusEntriesAreCutWithANote) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "llama")
      .texts("tokenizer.ggml.tokens", {"<unk>", "a"})
      .array<float>("tokenizer.ggml.scores", {0, -1, -2})
      .array<int32_t>("tokenizer.ggml.token_type", {2, 1, 1, 9});
  Result<TokenizerData> data = tokenizerOf(builder);
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->scores, (std::vector<float>{0, -1}));
  EXPECT_EQ(data->types,
            (std::vector<TokenType>{TokenType::Unknown, TokenType::Normal}));
  EXPECT_EQ(data->notes,
            (std::vector<std::string>{
                "metadata 'tokenizer.ggml.token_type' has 4 entries, but the "
                "vocabulary has 2 tokens; the surplus is ignored",
                "metadata 'tokenizer.ggml.scores' has 3 entries, but the "
                "vocabulary has 2 tokens; the surplus is ignored"}));
}

TEST(GgufTokenizer, NoTokenizerIsKindNone) {
  for (const char *model : {"", "none", "no_vocab"}) {
    GgufBuilder builder;
    if (*model != '\0') {
      builder.text("tokenizer.ggml.model", model);
    }
    Result<TokenizerData> data = tokenizerOf(builder);
    ASSERT_TRUE(data.isOk()) << data.status().message();
    EXPECT_EQ(data->kind, TokenizerKind::None);
    EXPECT_TRUE(data->tokens.empty());
  }
}

struct Refused {
  const char *name;
  ErrorCode code;
  const char *piece;
  std::function<GgufBuilder()> make;
};

void PrintTo(const Refused &kind, std::ostream *out) { *out << kind.name; }

/// A vocabulary of two tokens. It lacks an array that a vocabulary of this
/// `model` must have: the merges for "gpt2", or the scores for "llama".
GgufBuilder bare(const char *model) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", model)
      .texts("tokenizer.ggml.tokens", {"a", "b"});
  return builder;
}

constexpr ErrorCode kCorrupt = ErrorCode::Corrupt;

const Refused kRefused[] = {
    {"UnknownModel", ErrorCode::Unsupported,
     "'plamo2' is not supported; supported: 'llama' (SentencePiece), 'gpt2' "
     "(byte-level BPE), 'gemma4' (BPE), 'whitespace' (BPE), 't5' (Unigram), "
     "'bert' (WordPiece), 'rwkv' (RWKV World)",
     [] { return GgufBuilder().text("tokenizer.ggml.model", "plamo2"); }},
    {"CharsmapIsText", kCorrupt,
     "'tokenizer.ggml.precompiled_charsmap' is not an array of bytes",
     [] { return t5().text("tokenizer.ggml.precompiled_charsmap", "abc"); }},
    {"CharsmapIsWide", kCorrupt,
     "has the element 256; each element must be a byte, -128 to 255",
     [] {
       return t5().array<uint16_t>("tokenizer.ggml.precompiled_charsmap",
                                   {255, 256});
     }},
    {"UnigramScoresAreShort", kCorrupt, "has 2 entries",
     [] { return t5().array<float>("tokenizer.ggml.scores", {0, 0}); }},
    {"SepOutside", kCorrupt, "'tokenizer.ggml.seperator_token_id' is 4",
     [] {
       return bert().value<uint32_t>("tokenizer.ggml.seperator_token_id", 4);
     }},
    {"LowercaseIsNumber", kCorrupt,
     "'tokenizer.ggml.normalizer.lowercase' is not a boolean",
     [] {
       return bert().value<uint32_t>("tokenizer.ggml.normalizer.lowercase", 1);
     }},
    {"ModelIsNumber", kCorrupt, "'tokenizer.ggml.model' is not a string",
     [] { return GgufBuilder().value<uint32_t>("tokenizer.ggml.model", 1); }},
    {"TokensWithoutModel", kCorrupt, "no 'tokenizer.ggml.model'",
     [] { return GgufBuilder().texts("tokenizer.ggml.tokens", {"a"}); }},
    {"TokensMissing", kCorrupt, "'tokenizer.ggml.tokens' is missing",
     [] { return GgufBuilder().text("tokenizer.ggml.model", "llama"); }},
    {"TokensEmpty", kCorrupt, "missing or empty",
     [] {
       return GgufBuilder()
           .text("tokenizer.ggml.model", "gpt2")
           .texts("tokenizer.ggml.tokens", {});
     }},
    {"TokensAreNumbers", kCorrupt, "is not an array of strings",
     [] {
       return GgufBuilder()
           .text("tokenizer.ggml.model", "gpt2")
           .array<uint32_t>("tokenizer.ggml.tokens", {1});
     }},
    {"PieceTwice", kCorrupt, "has 'x' twice, as ids 0 and 2",
     [] {
       return GgufBuilder()
           .text("tokenizer.ggml.model", "gpt2")
           .texts("tokenizer.ggml.tokens", {"x", "a", "x"});
     }},
    {"TypesTooFew", kCorrupt,
     "token_type' has 1 entry, but the vocabulary has 2 tokens",
     [] {
       return bare("gpt2").array<int32_t>("tokenizer.ggml.token_type", {1});
     }},
    {"TypeUnknown", kCorrupt,
     "gives token 1 the type 7; types 0 to 6 are known",
     [] {
       return bare("gpt2").array<int32_t>("tokenizer.ggml.token_type", {1, 7});
     }},
    {"TypeNegative", kCorrupt, "gives token 0 the type -1",
     [] {
       return bare("gpt2").array<int32_t>("tokenizer.ggml.token_type", {-1, 1});
     }},
    {"TypesAreFloats", kCorrupt, "is not an array of integers",
     [] {
       return bare("gpt2").array<float>("tokenizer.ggml.token_type", {1, 1});
     }},
    {"ScoresAreTexts", kCorrupt, "is not an array of numbers",
     [] { return bare("llama").texts("tokenizer.ggml.scores", {"a", "b"}); }},
    {"EomOutside", kCorrupt, "'tokenizer.ggml.eom_token_id' is 5",
     [] { return spm().value<uint32_t>("tokenizer.ggml.eom_token_id", 5); }},
    {"ScoresTooFew", kCorrupt, "scores' has 1 entry",
     [] { return bare("llama").array<float>("tokenizer.ggml.scores", {1}); }},
    {"ScoreNan", kCorrupt, "gives token 1 the score NaN",
     [] {
       return bare("llama").array<float>("tokenizer.ggml.scores",
                                         {1, std::nanf("")});
     }},
    {"MergesMissing", kCorrupt, "'tokenizer.ggml.merges' is missing",
     [] { return bare("gpt2"); }},
    {"MergeWithoutSpace", kCorrupt, "entry 1 is 'ab', not two pieces",
     [] { return bare("gpt2").texts("tokenizer.ggml.merges", {"a b", "ab"}); }},
    {"MergeEmpty", kCorrupt, "entry 0 is ''",
     [] { return bare("gpt2").texts("tokenizer.ggml.merges", {""}); }},
    {"MergeOfOnePiece", kCorrupt, "entry 0 is 'a '",
     [] { return bare("gpt2").texts("tokenizer.ggml.merges", {"a "}); }},
    {"BosOutside", kCorrupt,
     "'tokenizer.ggml.bos_token_id' is 5, but the vocabulary has 5 tokens",
     [] { return spm().value<uint32_t>("tokenizer.ggml.bos_token_id", 5); }},
    {"EosHuge", kCorrupt, "is 18446744073709551615",
     [] {
       return spm().value<uint64_t>("tokenizer.ggml.eos_token_id", UINT64_MAX);
     }},
    {"EotNegative", kCorrupt, "'tokenizer.ggml.eot_token_id' is not a token id",
     [] { return spm().value<int32_t>("tokenizer.ggml.eot_token_id", -2); }},
    {"BosIsText", kCorrupt, "is not a token id",
     [] { return spm().text("tokenizer.ggml.bos_token_id", "<s>"); }},
    {"AddBosIsNumber", kCorrupt,
     "'tokenizer.ggml.add_bos_token' is not a boolean",
     [] { return spm().value<uint32_t>("tokenizer.ggml.add_bos_token", 1); }},
    {"AddBosWithoutBos", kCorrupt, "no 'tokenizer.ggml.bos_token_id'",
     [] {
       return bpe("qwen2").value<bool>("tokenizer.ggml.add_bos_token", true);
     }},
    {"AddEosWithoutEos", kCorrupt, "no 'tokenizer.ggml.eos_token_id'",
     [] {
       return bpe("qwen2").value<bool>("tokenizer.ggml.add_eos_token", true);
     }},
};

class GgufTokenizerRefuses : public testing::TestWithParam<Refused> {};

TEST_P(GgufTokenizerRefuses, WithAReason) {
  Result<TokenizerData> data = tokenizerOf(GetParam().make());
  ASSERT_FALSE(data.isOk());
  EXPECT_EQ(data.status().code(), GetParam().code) << data.status().message();
  EXPECT_NE(data.status().message().find(GetParam().piece), std::string::npos)
      << data.status().message();
  EXPECT_EQ(data.status().message().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Kinds, GgufTokenizerRefuses,
                         testing::ValuesIn(kRefused),
                         [](const auto &param) { return param.param.name; });

TEST(GgufTokenizer, TinyModels) {
  const std::string folder = std::string(AIR_TEST_INPUTS) + "/models/tiny/";
  struct Expected {
    const char *name;
    TokenizerKind kind;
    const char *pre;
    size_t tokens;
    size_t merges;
    int32_t bos;
    Ids ends;
    bool addBos;
  };
  const Expected kExpected[] = {
      {"llama2", TokenizerKind::Spm, "default", 512, 0, 1, {2}, true},
      {"llama3", TokenizerKind::Bpe, "llama-bpe", 768, 510, 0, {1}, true},
      {"qwen3", TokenizerKind::Bpe, "qwen2", 768, 510, 0, {1}, false},
  };
  for (const Expected &expected : kExpected) {
    Result<ModelSource> model = readGguf(folder + expected.name + ".gguf");
    ASSERT_TRUE(model.isOk()) << model.status().message();
    Result<TokenizerData> data = readGgufTokenizer(*model);
    ASSERT_TRUE(data.isOk()) << data.status().message();
    EXPECT_EQ(data->kind, expected.kind) << expected.name;
    EXPECT_EQ(data->pre, expected.pre);
    EXPECT_EQ(data->tokens.size(), expected.tokens);
    EXPECT_EQ(data->types.size(), expected.tokens);
    EXPECT_EQ(data->merges.size(), expected.merges);
    EXPECT_EQ(data->bos, expected.bos);
    EXPECT_EQ(data->endOfGeneration, expected.ends);
    EXPECT_EQ(data->addBos, expected.addBos);
  }
}

TEST(GgufTokenizer, PublishedVocabularies) {
  const char *vectors = std::getenv("AIR_VECTORS");
  if (vectors == nullptr) {
    GTEST_SKIP() << "AIR_VECTORS is not set; it names the folder with "
                    "tokenizers/vocab/*.gguf";
  }
  struct Expected {
    const char *name;
    TokenizerKind kind;
    size_t tokens;
    size_t merges;
    int32_t bos;
    int32_t eos;
    Ids ends;
    bool addBos;
  };
  const Expected kExpected[] = {
      {"gpt-2", TokenizerKind::Bpe, 50257, 50000, 50256, 50256, {50256}, false},
      {"llama-bpe",
       TokenizerKind::Bpe,
       128256,
       280147,
       128000,
       128001,
       {128001, 128009},
       true},
      {"llama-spm", TokenizerKind::Spm, 32000, 0, 1, 2, {2}, true},
      {"phi-3",
       TokenizerKind::Spm,
       32064,
       0,
       1,
       32000,
       {2, 32000, 32007},
       true},
      {"qwen2",
       TokenizerKind::Bpe,
       151936,
       151387,
       151643,
       151643,
       {151643, 151645},
       false},
  };
  for (const Expected &expected : kExpected) {
    Result<ModelSource> model = readGguf(
        std::string(vectors) + "/tokenizers/vocab/" + expected.name + ".gguf");
    ASSERT_TRUE(model.isOk()) << model.status().message();
    Result<TokenizerData> data = readGgufTokenizer(*model);
    ASSERT_TRUE(data.isOk()) << data.status().message();
    EXPECT_EQ(data->kind, expected.kind) << expected.name;
    EXPECT_EQ(data->tokens.size(), expected.tokens);
    EXPECT_EQ(data->merges.size(), expected.merges);
    EXPECT_EQ(data->bos, expected.bos);
    EXPECT_EQ(data->eos, expected.eos);
    EXPECT_EQ(data->endOfGeneration, expected.ends) << expected.name;
    EXPECT_EQ(data->addBos, expected.addBos);
  }
}

} // namespace
