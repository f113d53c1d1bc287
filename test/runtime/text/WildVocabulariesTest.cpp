//===- WildVocabulariesTest.cpp - malformed vocabularies --------*- C++ -*-===//
//
// The files of test/Inputs/models/wild have vocabularies with missing or wrong
// types, integer scores, or ids out of range. The same vocabulary without these
// defects must give the same ids.
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"

#include "runtime/text/Detokenizer.h"

#include <gmock/gmock.h>

using namespace air;
using namespace air::rt;
using testing::ElementsAre;

namespace {

Tokenizer wild(const std::string &name) {
  return tokenizerOf(vocabularyOf(inputs("models/wild/" + name + ".gguf")));
}

class WildSpmTest : public testing::TestWithParam<const char *> {};

TEST_P(WildSpmTest, BytesAreBytes) {
  Tokenizer tokenizer = wild(GetParam());
  const std::string text = "\xc3\xa9\xe6\xbc\xa2\nhello";
  std::vector<int32_t> ids = tokenizer.encode(text, true, true);
  EXPECT_THAT(ids,
              ElementsAre(1, 456, 198, 172, 233, 191, 165, 13, 260, 284, 460));
  EXPECT_EQ(decode(tokenizer, {ids.begin() + 1, ids.end()}), text);
}

INSTANTIATE_TEST_SUITE_P(Wild, WildSpmTest,
                         testing::Values("no-types", "bytes-typed-normal",
                                         "scores-int32", "pad-512-of-512"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(WildVocabulariesTest, AKnownEndOfTurnIsAControlToken) {
  Tokenizer tokenizer = wild("im-end-normal");
  EXPECT_THAT(tokenizer.encode("x<|im_end|>", true, true),
              ElementsAre(89, 701));
  EXPECT_TRUE(tokenizer.isEndOfGeneration(701));
  EXPECT_EQ(tokenizer.piece(701), "");
}

TEST(WildVocabulariesTest, AMissingByteIsOnlyThatBytesUnknown) {
  TokenizerData data = smallSpm({"\xe2\x96\x81", "a"});
  constexpr int32_t kFirstByte = 3;
  data.tokens[kFirstByte + 0xa9] = "gone";
  data.types[kFirstByte + 0xa9] = TokenType::Normal;
  Tokenizer tokenizer = tokenizerOf(data);
  EXPECT_THAT(tokenizer.encode("\xc3\xa9\xc3\xa9\xc3\xa8", false, false),
              ElementsAre(259, kFirstByte + 0xc3, 0, kFirstByte + 0xc3, 0,
                          kFirstByte + 0xc3, kFirstByte + 0xa8));
  // Without any byte tokens, adjacent unknown characters become one <unk>, as
  // they do in sentencepiece.
  for (int byte = 0; byte < 256; ++byte) {
    data.tokens[kFirstByte + byte] = "gone " + std::to_string(byte);
    data.types[kFirstByte + byte] = TokenType::Normal;
  }
  EXPECT_THAT(tokenizerOf(data).encode("\xc3\xa9\xc3\xa9"
                                       "a",
                                       false, false),
              ElementsAre(259, 0, 260));
}

} // namespace
