//===- TokenizerTest.cpp - SPM and BPE on small examples --------*- C++ -*-===//
#include "runtime/text/Tokenizer.h"

#include "Vocabularies.h"
#include "runtime/text/Detokenizer.h"

#include <gmock/gmock.h>

using namespace air;
using namespace air::rt;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

using Pieces = std::vector<std::string>;

Pieces piecesOf(const Tokenizer &tokenizer, std::string_view text,
                bool parseSpecial = false) {
  Pieces pieces;
  for (int32_t id : tokenizer.encode(text, false, parseSpecial)) {
    pieces.emplace_back(tokenizer.piece(id, true));
  }
  return pieces;
}

constexpr int32_t kFirstByte = 3; ///< the token of byte 0 in smallSpm()

TEST(BpeTest, LowestRankFirstLeftmostOfEquals) {
  Tokenizer tokenizer =
      tokenizerOf(smallBpe({"b c", "a b", "a a", "aa a", "bc d"}));
  EXPECT_THAT(piecesOf(tokenizer, "abcd"), ElementsAre("a", "bcd"));
  EXPECT_THAT(piecesOf(tokenizer, "abd"), ElementsAre("ab", "d"));
  EXPECT_THAT(piecesOf(tokenizer, "aaa"), ElementsAre("aaa"));
  EXPECT_THAT(piecesOf(tokenizer, "aaaa"), ElementsAre("aa", "aa"));
  EXPECT_THAT(piecesOf(tokenizer, "aaaaa"), ElementsAre("aa", "aaa"));
}

TEST(BpeTest, MergesStayWithinAPreToken) {
  Tokenizer tokenizer = tokenizerOf(smallBpe({"a \xc4\xa0", "\xc4\xa0 b"}));
  EXPECT_THAT(piecesOf(tokenizer, "a b"), ElementsAre("a", " b"));
}

TEST(BpeTest, AMergeMayPassThroughBytesThatAreNotAToken) {
  TokenizerData data = smallBpe({"a b", "ab c"});
  data.tokens[data.tokens.size() - 2] = "elsewhere";
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_THAT(piecesOf(tokenizer, "abc"), ElementsAre("abc"));
  EXPECT_THAT(piecesOf(tokenizer, "abd"), ElementsAre("a", "b", "d"));
}

TEST(BpeTest, IgnoringMergesTakesWholeWords) {
  TokenizerData data = smallBpe({"a b"}, "llama-bpe");
  appendToken(data, "abc", TokenType::Normal);
  EXPECT_THAT(piecesOf(tokenizerOf(data), "abc"), ElementsAre("abc"));
  data.pre = "qwen2";
  EXPECT_THAT(piecesOf(tokenizerOf(data), "abc"), ElementsAre("ab", "c"));
}

TEST(BpeTest, ControlTokensAreOutOfReachOfPlainText) {
  TokenizerData data = smallBpe({}, "llama-bpe");
  int32_t control = appendToken(data, "stop", TokenType::Control);
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_THAT(piecesOf(tokenizer, "stop"), ElementsAre("s", "t", "o", "p"));
  EXPECT_THAT(tokenizer.encode("stop", false, true), ElementsAre(control));
}

TEST(BpeTest, IllFormedUtf8BecomesReplacements) {
  Tokenizer tokenizer = tokenizerOf(smallBpe({}));
  auto through = [&](std::string_view text) {
    return decode(tokenizer, tokenizer.encode(text, false, false));
  };
  EXPECT_EQ(through("a\xff"
                    "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(through("\xe4\xb8"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(through("\xed\xa0\x80"), // a surrogate
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(through("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd"); // overlong NUL
  EXPECT_EQ(through(std::string_view("a\0b", 3)), std::string_view("a\0b", 3));
}

TEST(BpeTest, AnUnknownTokenStandsForMissingBytes) {
  TokenizerData data = smallBpe({});
  data.tokens['z' - 0x21] = "elsewhere";
  data.unknown = appendToken(data, "<unk>", TokenType::Unknown);
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_THAT(piecesOf(tokenizer, "azb"), ElementsAre("a", "<unk>", "b"));
}

TEST(SpmTest, HighestScoreFirstLeftmostOfEquals) {
  Tokenizer tokenizer = tokenizerOf(smallSpm({"\xe2\x96\x81", "bc", "ab",
                                              "\xe2\x96\x81"
                                              "a",
                                              "a", "b", "c", "aa"}));
  EXPECT_THAT(piecesOf(tokenizer, "abc"), ElementsAre(" a", "bc"));
  EXPECT_THAT(piecesOf(tokenizer, "xab"), ElementsAre(" ", "x", "ab"));
  EXPECT_THAT(piecesOf(tokenizer, "caaa"), ElementsAre(" ", "c", "aa", "a"));
}

TEST(SpmTest, CharactersThatAreNotPiecesBecomeBytes) {
  Tokenizer tokenizer = tokenizerOf(smallSpm({"\xe2\x96\x81", "a"}));
  EXPECT_THAT(tokenizer.encode("\xc3\xa9\xff", false, false),
              ElementsAre(259, kFirstByte + 0xc3, kFirstByte + 0xa9,
                          kFirstByte + 0xff));
  // If there is no token for the space, the byte tokens of U+2581 represent it.
  EXPECT_THAT(tokenizerOf(smallSpm({"a"})).encode("a", false, false),
              ElementsAre(kFirstByte + 0xe2, kFirstByte + 0x96,
                          kFirstByte + 0x81, 259));
}

TEST(SpmTest, UnknownCharactersWithoutByteTokens) {
  TokenizerData data;
  data.kind = TokenizerKind::Spm;
  data.unknown = appendToken(data, "<unk>", TokenType::Unknown);
  appendToken(data, "\xe2\x96\x81", TokenType::Normal);
  appendToken(data, "a", TokenType::Normal);
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_THAT(tokenizer.encode("axya", false, false), ElementsAre(1, 2, 0, 2));
}

TEST(SpmTest, SpacePrefix) {
  TokenizerData data = smallSpm({"\xe2\x96\x81", "a"});
  EXPECT_THAT(piecesOf(tokenizerOf(data), ""), IsEmpty());
  EXPECT_THAT(piecesOf(tokenizerOf(data), " "), ElementsAre(" ", " "));
  EXPECT_THAT(piecesOf(tokenizerOf(data), "a"), ElementsAre(" ", "a"));
  data.addSpacePrefix = false;
  EXPECT_THAT(piecesOf(tokenizerOf(data), "a"), ElementsAre("a"));
}

TEST(SpmTest, ExtraSpacesAreRemovedIfTheVocabularySaysSo) {
  TokenizerData data = smallSpm({"\xe2\x96\x81", "a"});
  EXPECT_THAT(piecesOf(tokenizerOf(data), " a  a "),
              ElementsAre(" ", " ", "a", " ", " ", "a", " "));
  data.removeExtraWhitespaces = true;
  EXPECT_THAT(piecesOf(tokenizerOf(data), " a  a "),
              ElementsAre(" ", "a", " ", "a"));
  EXPECT_THAT(piecesOf(tokenizerOf(data), "   "), IsEmpty());
  data.addSpacePrefix = false;
  EXPECT_THAT(piecesOf(tokenizerOf(data), "  a a"), ElementsAre("a", " ", "a"));
}

TEST(SpmTest, PiecesMayHoldInnerSpaces) {
  // The piece "a a" has a space in the middle, so merging must not stop where a
  // space follows a letter.
  Tokenizer tokenizer =
      tokenizerOf(smallSpm({"a\xe2\x96\x81"
                            "a",
                            "a\xe2\x96\x81", "\xe2\x96\x81", "a"}));
  EXPECT_THAT(piecesOf(tokenizer, "a a"), ElementsAre(" ", "a a"));
}

TEST(SpecialTokensTest, ControlTokensOnlyWhenParsed) {
  Tokenizer tokenizer = tokenizerOf(smallSpm({"\xe2\x96\x81", "a"}));
  EXPECT_THAT(tokenizer.encode("a</s>a", false, true),
              ElementsAre(259, 260, 2, 259, 260));
  std::vector<int32_t> plain = tokenizer.encode("a</s>a", false, false);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), 2), 0);
  EXPECT_EQ(decode(tokenizer, plain), "a</s>a");
}

TEST(SpecialTokensTest, UserDefinedTokensAlways) {
  TokenizerData data = smallBpe({"a b"});
  int32_t shorter = appendToken(data, "b  ", TokenType::UserDefined);
  int32_t longer = appendToken(data, "b  c", TokenType::UserDefined);
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_THAT(piecesOf(tokenizer, "ab  "), ElementsAre("a", "b  "));
  EXPECT_EQ(tokenizer.encode("ab  d", false, false)[1], shorter);
  EXPECT_EQ(tokenizer.encode("ab  c", false, true)[1], longer);
  EXPECT_EQ(tokenizer.piece(longer), "b  c");
}

TEST(SpecialTokensTest, BosAndEosIfTheVocabularyRequiresThem) {
  TokenizerData data = smallSpm({"\xe2\x96\x81", "a"});
  EXPECT_THAT(tokenizerOf(data).encode("a", true, false),
              ElementsAre(1, 259, 260));
  EXPECT_THAT(tokenizerOf(data).encode("", true, false), ElementsAre(1));
  EXPECT_THAT(tokenizerOf(data).encode("a", false, false),
              ElementsAre(259, 260));
  data.addBos = false;
  data.addEos = true;
  EXPECT_THAT(tokenizerOf(data).encode("a", true, false),
              ElementsAre(259, 260, 2));
  EXPECT_FALSE(tokenizerOf(data).addsBos());
}

TEST(TokenizerTest, Properties) {
  TokenizerData data = smallSpm({"\xe2\x96\x81the", "a"});
  data.endOfGeneration = {2, 1};
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_EQ(tokenizer.vocabSize(), 261);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.isEndOfGeneration(1));
  EXPECT_TRUE(tokenizer.isEndOfGeneration(2));
  EXPECT_FALSE(tokenizer.isEndOfGeneration(3));
  EXPECT_EQ(tokenizer.longestPiece(), 5U);
  EXPECT_EQ(tokenizer.piece(259), " the");
  EXPECT_EQ(tokenizer.piece(kFirstByte + 0xc3), "\xc3");
  EXPECT_EQ(tokenizer.piece(2), "");
  EXPECT_EQ(tokenizer.piece(2, true), "</s>");
  EXPECT_EQ(tokenizer.piece(0, true), "<unk>");
  EXPECT_EQ(tokenizer.piece(-1, true), "");
  EXPECT_EQ(tokenizer.piece(261, true), "");
  EXPECT_EQ(tokenizer.piece(INT32_MAX, true), "");
}

/// A BPE vocabulary whose tokens are plain text. Ids 3 to 258 are byte tokens.
TokenizerData textBpe(const std::string &pre) {
  const std::string mark = "\xe2\x96\x81";
  TokenizerData data = smallSpm({mark, "a", "b", "\xc3\xa9", "ab", mark + "ab",
                                 "\n", "\n\n"}); // ids 259 to 266
  data.kind = TokenizerKind::Bpe;
  data.pre = pre;
  data.scores.clear();
  data.addBos = false;
  data.merges = {"a b", mark + " ab"};
  return data;
}

TEST(TokenizerTest, BpeOfTokensSpelledAsText) {
  Tokenizer gemma = tokenizerOf(textBpe("gemma4"));
  auto ids = [&](const std::string &text) {
    return gemma.encode(text, true, false);
  };
  EXPECT_THAT(ids("ab ab"), ElementsAre(263, 264));
  EXPECT_THAT(ids(" b\xc3\xa9"), ElementsAre(259, 261, 262));
  // U+2581 means a space, and a character without a token becomes bytes.
  EXPECT_THAT(ids("\xe2\x96\x81"
                  "ab"),
              ElementsAre(264));
  EXPECT_THAT(ids("\xe4\xb8\xad"), ElementsAre(3 + 0xe4, 3 + 0xb8, 3 + 0xad));
  // A run of line feeds that is a token is encoded as this token.
  EXPECT_THAT(ids("a\n\nb\n"), ElementsAre(260, 266, 261, 265));
  EXPECT_THAT(ids("\n\n\n"), ElementsAre(265, 265, 265));
  EXPECT_EQ(decode(gemma, ids("ab \xc3\xa9\xe4\xb8\xad\n\n b")),
            "ab \xc3\xa9\xe4\xb8\xad\n\n b");
  Tokenizer sarvam = tokenizerOf(textBpe("sarvam-moe"));
  EXPECT_THAT(sarvam.encode("a\n\nb", true, false),
              ElementsAre(260, 265, 265, 261));
  TokenizerData data = textBpe("gemma4");
  data.types[3] = TokenType::Normal;
  data.unknown = TokenizerData::kNoToken;
  EXPECT_EQ(Tokenizer::create(data).status().message(),
            "tokenizer: some bytes have no token and there is no unknown "
            "token, so some text could not be encoded");
}

} // namespace
