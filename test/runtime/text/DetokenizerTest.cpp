//===- DetokenizerTest.cpp - turns ids into text ----------------*- C++ -*-===//
#include "runtime/text/Detokenizer.h"

#include "Vocabularies.h"
#include "formats/support/Utf8.h"

#include <gmock/gmock.h>

using namespace air;
using namespace air::rt;
using testing::ElementsAre;

namespace {

constexpr const char *kBad = "\xef\xbf\xbd";

/// Returns the ids of the byte tokens of `text` in the vocabulary smallSpm().
std::vector<int32_t> bytes(std::string_view text) {
  std::vector<int32_t> ids;
  for (char c : text) {
    ids.push_back(3 + static_cast<uint8_t>(c));
  }
  return ids;
}

std::vector<std::string> fed(Detokenizer &detokenizer,
                             const std::vector<int32_t> &ids) {
  std::vector<std::string> parts;
  for (int32_t id : ids) {
    parts.emplace_back(detokenizer.feed(id));
  }
  parts.emplace_back(detokenizer.finish());
  return parts;
}

class DetokenizerTest : public testing::Test {
protected:
  Tokenizer tokenizer = tokenizerOf(
      smallSpm({"\xe2\x96\x81the", "a\xe4\xb8\xad", "\xe2\x96\x81"}));
  static constexpr int32_t kThe = 259;
  static constexpr int32_t kMixed = 260;
  static constexpr int32_t kSpace = 261;
};

TEST_F(DetokenizerTest, HoldsBackUnfinishedCharacters) {
  Detokenizer detokenizer(tokenizer);
  EXPECT_THAT(fed(detokenizer, bytes("\xf0\x9f\x98\x80!")),
              ElementsAre("", "", "", "\xf0\x9f\x98\x80", "!", ""));
}

TEST_F(DetokenizerTest, FlushesTheRestAsOneReplacement) {
  Detokenizer detokenizer(tokenizer);
  EXPECT_THAT(fed(detokenizer, bytes("a\xf0\x9f\x98")),
              ElementsAre("a", "", "", "", kBad));
  EXPECT_THAT(fed(detokenizer, bytes("b")), ElementsAre("b", ""));
}

TEST_F(DetokenizerTest, BrokenCharactersAreReplacedAtOnce) {
  Detokenizer detokenizer(tokenizer);
  EXPECT_THAT(fed(detokenizer, bytes("\x80")), ElementsAre(kBad, ""));
  EXPECT_THAT(fed(detokenizer, bytes("\xe4\xb8"
                                     "a")),
              ElementsAre("", "", std::string(kBad) + "a", ""));
  std::vector<int32_t> ids = bytes("\xe4");
  ids.push_back(kMixed);
  EXPECT_THAT(fed(detokenizer, ids),
              ElementsAre("", std::string(kBad) + "a\xe4\xb8\xad", ""));
}

TEST_F(DetokenizerTest, LeadingSpace) {
  Detokenizer start(tokenizer, {true, false});
  EXPECT_THAT(fed(start, {kThe, kThe}), ElementsAre("the", " the", ""));
  // finish() resets the detokenizer.
  EXPECT_THAT(fed(start, {kSpace, kThe}), ElementsAre("", " the", ""));
  // A control token prints nothing, so the next token still starts the text.
  EXPECT_THAT(fed(start, {1, kThe}), ElementsAre("", "the", ""));
  EXPECT_THAT(fed(start, {kMixed, kThe}),
              ElementsAre("a\xe4\xb8\xad", " the", ""));
  Detokenizer middle(tokenizer);
  EXPECT_THAT(fed(middle, {kThe}), ElementsAre(" the", ""));
}

TEST_F(DetokenizerTest, ByteLevelVocabulariesKeepTheirSpace) {
  Tokenizer bpe = tokenizerOf(smallBpe({"\xc4\xa0 a"}));
  EXPECT_EQ(decode(bpe, {256}), " a");
}

TEST_F(DetokenizerTest, SpecialTokensOnRequest) {
  EXPECT_EQ(decode(tokenizer, {1, kThe, 2}), "the");
  EXPECT_EQ(decode(tokenizer, {1, kThe, 2}, true), "<s> the</s>");
}

TEST_F(DetokenizerTest, IdsOutsideTheVocabularyRenderNothing) {
  EXPECT_EQ(decode(tokenizer, {-1, kThe, 99999}), "the");
}

TEST(Utf8Test, MaximalSubparts) {
  // The cases are the examples in table 3-8 of Unicode 15 and in the text
  // around that table.
  auto repaired = [](std::string_view text) {
    std::string out;
    size_t left = appendValidUtf8(text, out);
    return out + std::to_string(left);
  };
  auto bad = [](int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += kBad;
    }
    return out;
  };
  EXPECT_EQ(repaired("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
                     "A"),
            bad(8) + "A0");
  EXPECT_EQ(repaired("\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
                     "A"),
            bad(8) + "A0");
  EXPECT_EQ(repaired("\xf4\x91\x92\x93\xff"
                     "A\x80\xbf"
                     "B"),
            bad(5) + "A" + bad(2) + "B0");
  EXPECT_EQ(repaired("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
                     "A"),
            bad(4) + "A0");
  EXPECT_EQ(repaired("a\xf1\x80\x80"), "a3");
  EXPECT_EQ(repaired("a\xc3"), "a1");
}

TEST(Utf8Test, EveryCodePointDecodes) {
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) {
      continue;
    }
    char text[4];
    uint8_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    uint32_t rest = c;
    for (int i = length - 1; i > 0; --i, rest >>= 6) {
      text[i] = static_cast<char>(0x80 | (rest & 0x3f));
    }
    text[0] =
        static_cast<char>(length == 1 ? c : ((0xf00U >> length) & 0xff) | rest);
    Utf8Step step = decodeUtf8({text, length});
    ASSERT_EQ(step.kind, Utf8Step::Whole) << c;
    ASSERT_EQ(step.length, length) << c;
    ASSERT_EQ(step.codePoint, c);
    if (length > 1) {
      step = decodeUtf8({text, size_t{length} - 1});
      ASSERT_EQ(step.kind, Utf8Step::Unfinished) << c;
    }
  }
}

} // namespace
