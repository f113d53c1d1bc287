//===- TokenizerErrorTest.cpp - vocabularies that are refused ---*- C++ -*-===//
#include "Vocabularies.h"
#include "formats/model/CheckTokenizer.h"

#include <cmath>
#include <gmock/gmock.h>

using namespace air;
using namespace air::rt;
using testing::HasSubstr;

namespace {

void expectRefused(TokenizerData data, ErrorCode code, const char *message) {
  Result<Tokenizer> tokenizer = Tokenizer::create(std::move(data));
  ASSERT_FALSE(tokenizer.isOk()) << message;
  EXPECT_EQ(tokenizer.status().code(), code);
  EXPECT_THAT(tokenizer.status().message(), HasSubstr(message));
}

TEST(TokenizerErrorTest, NoVocabulary) {
  TokenizerData data = smallBpe({});
  data.kind = TokenizerKind::None;
  expectRefused(data, ErrorCode::Unsupported, "no vocabulary");
  // A plan without a vocabulary has a default TokenizerData.
  expectRefused(TokenizerData(), ErrorCode::Unsupported, "no vocabulary");
  data = TokenizerData();
  data.kind = TokenizerKind::Bpe;
  expectRefused(data, ErrorCode::Corrupt, "0 tokens");
}

TEST(TokenizerErrorTest, SpecialTokensThatAreTooLong) {
  TokenizerData data = smallBpe({});
  appendToken(data, std::string(size_t{1} << 22, 'a'), TokenType::Control);
  appendToken(data, std::string(size_t{1} << 22, 'b'), TokenType::UserDefined);
  EXPECT_TRUE(checkTokenizer(data).isOk());
  appendToken(data, "c", TokenType::Control);
  expectRefused(data, ErrorCode::Unsupported,
                "the special tokens have 8388609 bytes in all; at most 8388608 "
                "are supported");
}

TEST(TokenizerErrorTest, UnknownPreTokenizer) {
  expectRefused(smallBpe({}, "nobody"), ErrorCode::Unsupported,
                "pre-tokenizer 'nobody' is not supported; supported: a.x-4.0, "
                "afmoe, bailingmoe, ");
  expectRefused(
      smallBpe({}, "nobody"), ErrorCode::Unsupported,
      ", viking, whitespace, youtu; if one of these is right, pack with --pre "
      "and its name");
  expectRefused(smallBpe({}, ""), ErrorCode::Unsupported,
                "('tokenizer.ggml.pre' is missing); supported: a.x-4.0, ");
}

TEST(TokenizerErrorTest, MessagesStayOnOneLine) {
  expectRefused(smallBpe({}, "a\nb\x7f"), ErrorCode::Unsupported,
                "pre-tokenizer 'a\\x0ab\\x7f' is");
}

TEST(TokenizerErrorTest, ArraysThatDisagree) {
  TokenizerData data = smallBpe({});
  data.types.pop_back();
  expectRefused(data, ErrorCode::Corrupt, "255 token types for 256 tokens");
  data = smallSpm({"a"});
  data.scores.push_back(1);
  expectRefused(data, ErrorCode::Corrupt, "261 scores for 260 tokens");
}

TEST(TokenizerErrorTest, IdsOutsideTheVocabulary) {
  TokenizerData data = smallBpe({});
  data.bos = 256;
  expectRefused(data, ErrorCode::Corrupt,
                "the bos id is 256, but the vocabulary has 256 tokens");
  data.bos = -2;
  expectRefused(data, ErrorCode::Corrupt, "the bos id is -2");
  data = smallBpe({});
  data.eos = 1000;
  expectRefused(data, ErrorCode::Corrupt, "the eos id is 1000");
  data = smallBpe({});
  data.unknown = 1000;
  expectRefused(data, ErrorCode::Corrupt, "the unknown id is 1000");
  data = smallBpe({});
  data.endOfGeneration = {3, 300};
  expectRefused(data, ErrorCode::Corrupt, "the end-of-generation id is 300");
  data.endOfGeneration = {-1};
  expectRefused(data, ErrorCode::Corrupt,
                "an end-of-generation id is -1, which is not a token id");
}

TEST(TokenizerErrorTest, AddedTokensMustExist) {
  TokenizerData data = smallBpe({});
  data.addBos = true;
  expectRefused(data, ErrorCode::Corrupt,
                "a BOS token must be added to every text, but the vocabulary "
                "has no such token");
  data = smallBpe({});
  data.addEos = true;
  expectRefused(data, ErrorCode::Corrupt,
                "an EOS token must be added to every text, but the vocabulary "
                "has no such token");
}

TEST(TokenizerErrorTest, Merges) {
  TokenizerData data = smallBpe({});
  for (const char *merge : {"", "a", "ab", "a ", " a", " "}) {
    data.merges = {"a b", merge};
    expectRefused(data, ErrorCode::Corrupt, "merge 1, '");
  }
}

TEST(TokenizerErrorTest, BytesOfNoOrdinaryTextMayBeMissing) {
  // Falcon's vocabulary has no token for some control characters and for 0xf2,
  // and StarCoder's has none for 0xf1. Hugging Face's `tokenizers` library
  // leaves such bytes out.
  TokenizerData data = smallBpe({});
  int missing = 0;
  for (std::string &token : data.tokens) {
    // The spellings of bytes 3, 11 and 0xf2.
    if (token == "\xc4\x83" || token == "\xc4\x8b" || token == "\xc3\xb2") {
      token = "no byte" + std::to_string(missing++);
    }
  }
  ASSERT_EQ(missing, 3);
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_EQ(tokenizer.encode("a\x03\x0b"
                             "b",
                             false, false),
            tokenizer.encode("ab", false, false));
  EXPECT_EQ(tokenizer.encode("\xf2\x80\x80\x80", false, false).size(), 3U);
}

TEST(TokenizerErrorTest, BytesThatCantBeExpressed) {
  TokenizerData data = smallBpe({});
  data.tokens['z' - 0x21] = "elsewhere";
  expectRefused(data, ErrorCode::Corrupt, "no token stands for byte 122");
  data = smallSpm({"a"});
  data.types[3] = TokenType::Normal;
  data.unknown = TokenizerData::kNoToken;
  expectRefused(data, ErrorCode::Corrupt, "some bytes have no token");
}

TEST(TokenizerErrorTest, SpmPieces) {
  TokenizerData data = smallSpm({"a"});
  data.scores[259] = NAN;
  expectRefused(data, ErrorCode::Corrupt, "the score of token 259");
  for (const char *name : {"<0x0G>", "<0x0>", "0x0A", "<0x0A> "}) {
    data = smallSpm({"a"});
    data.tokens[13] = name;
    expectRefused(data, ErrorCode::Corrupt,
                  "which does not have the form <0xHH>, such as <0x0A>");
  }
}

TEST(TokenizerErrorTest, OddButHarmless) {
  // A merge never applies if it contains a character that stands for no byte in
  // byte-level BPE. An empty token is never used, and of duplicate tokens only
  // the first is used.
  TokenizerData data = smallBpe({"a b"});
  data.merges.push_back("\xe4\xb8\xad x");
  appendToken(data, "", TokenType::Normal);
  appendToken(data, "", TokenType::Control);
  appendToken(data, "ab", TokenType::Normal);
  Result<Tokenizer> tokenizer = Tokenizer::create(data);
  ASSERT_TRUE(tokenizer.isOk()) << tokenizer.status().message();
  EXPECT_THAT(tokenizer->encode("ab", false, true), testing::ElementsAre(256));
}

} // namespace
