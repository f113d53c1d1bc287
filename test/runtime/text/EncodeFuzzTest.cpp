//===- EncodeFuzzTest.cpp - encodes random text and decodes it --*- C++ -*-===//
#include "Vocabularies.h"
#include "formats/text/unicode/Normalize.h"
#include "runtime/text/BpeEncoder.h"
#include "runtime/text/Detokenizer.h"

#include <random>

/// The entry point of the fuzz target. It aborts when a property is violated.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

using namespace air;
using namespace air::rt;

namespace {

class EncodeFuzzTest : public testing::Test {
protected:
  std::mt19937 random{20250101};

  std::string randomBytes(size_t longest) {
    std::string text;
    for (size_t i = random() % (longest + 1); i > 0; --i) {
      text += static_cast<char>(random());
    }
    return text;
  }

  /// Returns mostly words, spaces and digits, with some arbitrary code points.
  std::string randomText(size_t longest) {
    std::string text;
    for (size_t i = random() % (longest + 1); i > 0; --i) {
      uint32_t c = random() % 4 == 0 ? random() % 0x110000
                                     : "the ing of\n'12 !"[random() % 16];
      std::string utf8;
      if (c < 0x80) {
        utf8 = {static_cast<char>(c)};
      } else if (c < 0x800) {
        utf8 = {static_cast<char>(0xc0 | (c >> 6)),
                static_cast<char>(0x80 | (c & 63))};
      } else if (c < 0x10000) {
        utf8 = {static_cast<char>(0xe0 | (c >> 12)),
                static_cast<char>(0x80 | ((c >> 6) & 63)),
                static_cast<char>(0x80 | (c & 63))};
      } else {
        utf8 = {static_cast<char>(0xf0 | (c >> 18)),
                static_cast<char>(0x80 | ((c >> 12) & 63)),
                static_cast<char>(0x80 | ((c >> 6) & 63)),
                static_cast<char>(0x80 | (c & 63))};
      }
      appendValidUtf8(utf8, text); // surrogates become U+FFFD
    }
    return text;
  }

  void expectRoundTrips(const char *name, bool composes = false) {
    Tokenizer tokenizer = tokenizerOf(
        vocabularyOf(inputs(std::string("models/tiny/") + name + ".gguf")));
    for (int round = 0; round < 2000; ++round) {
      std::string text = randomText(60);
      if (tokenizer.addsSpacePrefix() &&
          text.find("\xe2\x96\x81") != std::string::npos) {
        continue;
      }
      std::vector<int32_t> ids = tokenizer.encode(text, false, false);
      ASSERT_EQ(decode(tokenizer, ids),
                composes ? normalized(text, NormalForm::C) : text);
    }
    for (int round = 0; round < 2000; ++round) {
      std::string text = randomBytes(60);
      for (int32_t id : tokenizer.encode(text, true, true)) {
        ASSERT_GE(id, 0);
        ASSERT_LT(id, tokenizer.vocabSize());
      }
    }
  }
};

TEST_F(EncodeFuzzTest, Llama2) { expectRoundTrips("llama2"); }
TEST_F(EncodeFuzzTest, Llama3) { expectRoundTrips("llama3"); }
TEST_F(EncodeFuzzTest, Qwen2) { expectRoundTrips("qwen2", true); }

TEST_F(EncodeFuzzTest, BpeAgreesWithTheDefinition) {
  for (int round = 0; round < 300; ++round) {
    // Each merge joins two random words: letters, or results of earlier merges.
    std::vector<std::string> words = {"a", "b", "c"};
    std::vector<std::pair<std::string, std::string>> merges;
    std::vector<std::string> lines;
    while (merges.size() < 12) {
      std::string left = words[random() % words.size()];
      std::string right = words[random() % words.size()];
      std::string both = left + right;
      if (std::find(words.begin(), words.end(), both) == words.end()) {
        merges.emplace_back(left, right);
        lines.push_back(left + " " + right);
        words.push_back(both);
      }
    }
    Tokenizer tokenizer = tokenizerOf(smallBpe(lines));
    for (int i = 0; i < 20; ++i) {
      std::string word;
      for (size_t n = random() % 40; n > 0; --n) {
        word += static_cast<char>('a' + random() % 3);
      }
      std::vector<std::string> pieces;
      for (int32_t id : tokenizer.encode(word, false, false)) {
        pieces.emplace_back(tokenizer.piece(id));
      }
      ASSERT_EQ(pieces, mergedByDefinition(word, merges)) << word;
    }
  }
}

TEST_F(EncodeFuzzTest, LongWordsTakeNoQuadraticTime) {
  // If merging took quadratic time, a million bytes would take hours.
  Tokenizer bpe = tokenizerOf(smallBpe({"a a", "aa aa", "aaaa aaaa"}));
  EXPECT_EQ(bpe.encode(std::string(1 << 20, 'a'), false, true).size(),
            size_t{1} << 17);
  Tokenizer spm = tokenizerOf(smallSpm({"\xe2\x96\x81", "aaaa", "aa", "a"}));
  EXPECT_EQ(spm.encode(std::string(1 << 20, 'a'), false, true).size(),
            (size_t{1} << 18) + 1);
}

TEST_F(EncodeFuzzTest, MuchTextDoesNotChangeTheIdsOfLaterText) {
  // A tokenizer counts the bytes that it has merged in texts of at least 4 KiB.
  // When the total over all such texts reaches 256 KiB, MergeMatcher replaces
  // PairMerger. The 20 texts together stay below this total, and the text of
  // 512 KiB exceeds it.
  for (const char *name : {"llama3", "qwen2"}) {
    Tokenizer tokenizer = tokenizerOf(
        vocabularyOf(inputs(std::string("models/tiny/") + name + ".gguf")));
    std::vector<std::string> texts(20);
    std::vector<std::vector<int32_t>> before;
    for (std::string &text : texts) {
      while (text.size() < 4096) {
        text += randomText(200);
      }
      before.push_back(tokenizer.encode(text, true, true));
    }
    tokenizer.encode(std::string(1 << 19, 'a'), true, true);
    for (size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(tokenizer.encode(texts[i], true, true), before[i]) << texts[i];
    }
  }
}

TEST_F(EncodeFuzzTest, LongTextIsEncodedAsItsWhole) {
  const std::string mark = "\xe2\x96\x81";
  std::vector<std::string> pieces = {mark, mark + mark, "a", "b", mark + "a",
                                     "ab", mark + "ab", "\n"};
  const std::vector<std::string> kAtoms = {"a", "b", "ab", "\n", " ",
                                           " ", " ", "  ", mark, "\xc3\xa9"};
  std::string text;
  while (text.size() < 300000) {
    text += kAtoms[random() % kAtoms.size()];
  }
  for (bool removeSpaces : {false, true}) {
    TokenizerData data = smallSpm(pieces);
    data.removeExtraWhitespaces = removeSpaces;
    Tokenizer inStretches = tokenizerOf(data);
    // No merge produces this piece, so both tokenizers must return the same
    // ids. A vocabulary with a space inside a piece makes `atOnce` merge the
    // whole text at once, whereas `inStretches` splits the text at spaces
    // first.
    appendToken(data, "z" + mark + "z", TokenType::Normal);
    Tokenizer atOnce = tokenizerOf(data);
    EXPECT_EQ(inStretches.encode(text, true, true),
              atOnce.encode(text, true, true));
  }
}

TEST_F(EncodeFuzzTest, SeedsAndTheirMutations) {
  for (const char *name : {"bpe", "spm"}) {
    std::string seed = slurp(inputs(std::string("fuzz/encode/") + name));
    ASSERT_GT(seed.size(), 10U);
    for (int round = 0; round < 1000; ++round) {
      std::string input = seed;
      for (int change = 0; change < round % 8; ++change) {
        input[random() % input.size()] = static_cast<char>(random());
      }
      EXPECT_EQ(
          LLVMFuzzerTestOneInput(
              reinterpret_cast<const uint8_t *>(input.data()), input.size()),
          0);
    }
  }
}

} // namespace
