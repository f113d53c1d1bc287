//===- PreTokenizerTest.cpp -------------------------------------*- C++ -*-===//
#include "runtime/text/PreTokenizer.h"

#include "Vocabularies.h"
#include "formats/model/PreTokenizerNames.h"
#include "runtime/text/CharClass.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace air::rt;
using nlohmann::json;
using testing::ElementsAre;

namespace {

using Pieces = std::vector<std::string>;

Pieces cut(const char *name, const std::string &text) {
  std::vector<size_t> ends;
  findPreTokenizer(name)->split(text, [&](size_t end) { ends.push_back(end); });
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

TEST(PreTokenizerTest, AgreesWithTheExpressions) {
  json cases =
      json::parse(slurp(inputs("tokenizers/pretokens.json")), nullptr, false);
  ASSERT_EQ(cases.size(), 400U);
  for (const json &each : cases) {
    for (const char *name : {"default", "gpt-2", "llama-bpe", "qwen2"}) {
      std::vector<size_t> lengths;
      for (const std::string &piece :
           cut(name, each["text"].get<std::string>())) {
        lengths.push_back(piece.size());
      }
      EXPECT_EQ(lengths, each[name].get<std::vector<size_t>>())
          << name << " " << each["text"];
    }
  }
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

TEST(PreTokenizerTest, EveryNameHasAnExpression) {
  for (const air::PreTokenizerName &known : air::preTokenizerNames()) {
    const PreTokenizer *found = findPreTokenizer(known.name);
    ASSERT_NE(found, nullptr) << known.name;
    EXPECT_EQ(found, findPreTokenizer(known.canonical));
  }
}

TEST(PreTokenizerTest, NamesAndAliases) {
  EXPECT_EQ(findPreTokenizer("llama3"), findPreTokenizer("llama-bpe"));
  EXPECT_EQ(findPreTokenizer("falcon3"), findPreTokenizer("llama-bpe"));
  EXPECT_EQ(findPreTokenizer("megrez"), findPreTokenizer("qwen2"));
  EXPECT_NE(findPreTokenizer("qwen2"), findPreTokenizer("llama-bpe"));
  EXPECT_EQ(findPreTokenizer(""), nullptr);
  EXPECT_EQ(findPreTokenizer("tekken"), nullptr);
  EXPECT_EQ(findPreTokenizer("GPT-2"), nullptr);
  EXPECT_TRUE(findPreTokenizer("llama-bpe")->ignoreMerges);
  EXPECT_FALSE(findPreTokenizer("gpt-2")->ignoreMerges);
  EXPECT_TRUE(findPreTokenizer("qwen2")->composes);
  EXPECT_FALSE(findPreTokenizer("llama-bpe")->composes);
}

TEST(CharClassTest, OneOfEach) {
  EXPECT_EQ(classOf('z'), kLetter);
  EXPECT_EQ(classOf('0'), kNumber);
  EXPECT_EQ(classOf(' '), kSpace);
  EXPECT_EQ(classOf('\n'), kSpace | kLineEnd);
  EXPECT_EQ(classOf('\x0b'), kSpace);
  EXPECT_EQ(classOf('_'), kPunctuation);
  EXPECT_EQ(classOf('$'), 0);
  EXPECT_EQ(classOf(0x1f), 0);
  EXPECT_EQ(classOf(0x7f), 0);
  EXPECT_EQ(classOf(0x4e2d), kLetter);
  EXPECT_EQ(classOf(0x2167), kNumber); // ROMAN NUMERAL EIGHT
  EXPECT_EQ(classOf(0xbd), kNumber);   // ONE HALF
  EXPECT_EQ(classOf(0x3000), kSpace);  // IDEOGRAPHIC SPACE
  EXPECT_EQ(classOf(0x85), kSpace);    // NEXT LINE, a control character
  EXPECT_EQ(classOf(0x200b), 0);       // ZERO WIDTH SPACE, not a space
  EXPECT_EQ(classOf(0x180e), 0);       // MONGOLIAN VOWEL SEPARATOR, not a space
  EXPECT_EQ(classOf(0x301), 0);        // a combining mark is not a letter
  EXPECT_EQ(classOf(0x2019), kPunctuation); // RIGHT SINGLE QUOTATION MARK
  EXPECT_EQ(classOf(0x1f600), 0);
}

} // namespace
