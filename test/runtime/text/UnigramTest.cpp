//===- UnigramTest.cpp - unusual vocabularies of unigram models -----------===//
#include "Vocabularies.h"
#include "formats/support/Utf8.h"
#include "runtime/text/UnigramEncoder.h"
#include "runtime/text/UnigramLattice.h"

#include <gmock/gmock.h>
#include <map>
#include <random>

using namespace air;
using namespace air::rt;
using testing::ElementsAre;
using testing::ElementsAreArray;

namespace {

using Sums = UnigramLattice::Sums;
constexpr int32_t kNoPiece = UnigramLattice::kNoPiece;

struct Division {
  std::vector<std::string> pieces;
  std::vector<int32_t> ids;
  double sum = 0;
};

Division divide(const UnigramLattice &lattice, std::string_view run) {
  Division found;
  UnigramLattice::Scratch scratch;
  lattice.divide(run, scratch, found.sum,
                 [&](std::string_view piece, int32_t id) {
                   found.pieces.emplace_back(piece);
                   found.ids.push_back(id);
                 });
  return found;
}

/// In single precision, the sum of two such scores is infinite, and no further
/// score changes it. Each text has one division only.
TEST(UnigramTest, SumsThatOverflow) {
  for (const float score : {-3e38F, 3e38F}) {
    for (const Sums sums : {Sums::Single, Sums::Double}) {
      const UnigramLattice lattice({{"a", 0}, {"b", 1}}, {score, -1},
                                   std::min(score, -1.0F), sums);
      EXPECT_THAT(divide(lattice, "aab").ids, ElementsAre(0, 0, 1));
      EXPECT_THAT(divide(lattice, "aa\u20aca").ids,
                  ElementsAre(0, 0, kNoPiece, 0));
    }
  }
}

/// The highest sum of scores over all divisions of `text` into pieces and
/// single characters. The text is divided only between characters, and a
/// character that is no piece has the score `unknown`.
double bestSum(std::string_view text,
               const std::map<std::string, double, std::less<>> &scores,
               double unknown) {
  std::vector<size_t> ends = {0};
  while (ends.back() < text.size()) {
    ends.push_back(ends.back() + decodeUtf8(text.substr(ends.back())).length);
  }
  std::vector<double> best = {0};
  for (size_t end = 1; end < ends.size(); ++end) {
    double sum = -1e9;
    for (size_t begin = 0; begin < end; ++begin) {
      const auto found =
          scores.find(text.substr(ends[begin], ends[end] - ends[begin]));
      if (found != scores.end()) {
        sum = std::max(sum, best[begin] + found->second);
      } else if (begin + 1 == end) {
        sum = std::max(sum, best[begin] + unknown);
      }
    }
    best.push_back(sum);
  }
  return best.back();
}

/// Pieces that may begin and end inside characters. All scores are small
/// integers, so no sum is rounded.
TEST(UnigramTest, PiecesThatEndInsideCharacters) {
  std::mt19937 random(8);
  const std::vector<std::string> parts = {
      "a",    "b",    "\u00e9",   "\u20ac",     "\xe2\x82", "\x82\xac",
      "\xe2", "\xac", "\xf0\x9f", "\U0001f600", "\x98\x80", "\xc3"};
  const auto some = [&](size_t most, size_t kinds) {
    std::string text;
    for (size_t n = 1 + random() % most; n > 0; --n) {
      text += parts[random() % kinds];
    }
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, double, std::less<>> scoreOf;
    for (size_t n = 1 + random() % 12; n > 0; --n) {
      scoreOf[some(3, parts.size())] = -static_cast<double>(random() % 30);
    }
    std::vector<ByteTrie::Piece> pieces;
    std::vector<float> scores;
    float lowest = 0;
    for (const auto &[text, score] : scoreOf) {
      pieces.push_back({text, static_cast<int32_t>(pieces.size())});
      scores.push_back(static_cast<float>(score));
      lowest = std::min(lowest, scores.back());
    }
    for (const Sums sums : {Sums::Single, Sums::Double}) {
      const UnigramLattice lattice(pieces, scores, lowest, sums);
      for (int i = 0; i < 10; ++i) {
        // The first four parts are whole characters.
        const std::string text = some(40, i % 3 == 0 ? parts.size() : 4);
        const Division found = divide(lattice, text);
        EXPECT_EQ(found.sum, bestSum(text, scoreOf, lowest - 10));
        std::string all;
        double sum = 0;
        for (size_t at = 0; at < found.ids.size(); ++at) {
          const int32_t id = found.ids[at];
          all += found.pieces[at];
          if (id == kNoPiece) {
            EXPECT_FALSE(scoreOf.contains(found.pieces[at]));
            sum += lowest - 10;
          } else {
            EXPECT_EQ(pieces[static_cast<size_t>(id)].text, found.pieces[at]);
            sum += scores[static_cast<size_t>(id)];
          }
        }
        EXPECT_EQ(all, text);
        EXPECT_EQ(sum, found.sum);
      }
    }
  }
}

/// A vocabulary as in a tokenizer.json, with the token "a" and one token for
/// each byte below `bytes`. The token of byte b has the id 2 + b.
Tokenizer withByteTokens(int bytes) {
  TokenizerData data;
  data.kind = TokenizerKind::Unigram;
  data.rules.isSet = true;
  data.rules.pipeline.isSet = true;
  data.unknown = appendToken(data, "<unk>", TokenType::Unknown);
  appendToken(data, "a", TokenType::Normal);
  for (int byte = 0; byte < bytes; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    appendToken(data, text, TokenType::Byte);
  }
  data.scores.assign(data.tokens.size(), -1);
  return tokenizerOf(std::move(data));
}

/// The unknown characters of a word are encoded together. The ids of their
/// bytes need not be in memory all at once.
TEST(UnigramTest, LongUnknownWords) {
  const auto idsOf = [](const Tokenizer &tokenizer, std::string_view text,
                        size_t most) {
    std::vector<int32_t> all;
    EXPECT_TRUE(tokenizer
                    .tryEncode(text, false, true,
                               [&](std::span<const int32_t> ids) {
                                 EXPECT_LE(ids.size(), most);
                                 all.insert(all.end(), ids.begin(), ids.end());
                               })
                    .isOk());
    EXPECT_EQ(tokenizer.encode(text, false, true), all);
    return all;
  };
  const std::string unknown(50'000, 'x');
  std::vector<int32_t> expected(unknown.size(), 2 + 'x');
  expected.insert(expected.begin(), 1);
  expected.push_back(1);
  EXPECT_THAT(idsOf(withByteTokens(256), "a" + unknown + "a", 8192),
              ElementsAreArray(expected));
  // A single character whose bytes have no tokens, here U+00E9, turns all
  // adjacent unknown characters into one unknown token.
  EXPECT_THAT(idsOf(withByteTokens(128), "a" + unknown + "\u00e9", 2),
              ElementsAre(1, 0));
}

/// A rule of the charsmap replaces each "a" by 1024 times "x", and more than
/// 1 MiB is too long for the encoder. So 1024 times "a" is just short enough.
TEST(UnigramTest, TextThatGrowsTooLong) {
  // The trie of CharsmapTest.OneRule.
  std::vector<uint32_t> units(0x64);
  units[0x61] = (2U << 10) | 0x100 | 'a';
  units[0x63] = 1U << 31;
  TokenizerData data;
  data.kind = TokenizerKind::Unigram;
  const auto size = static_cast<uint32_t>(4 * units.size());
  data.charsmap.append(reinterpret_cast<const char *>(&size), 4);
  data.charsmap.append(reinterpret_cast<const char *>(units.data()), size);
  data.charsmap += std::string(1024, 'x') + '\0';
  data.unknown = appendToken(data, "<unk>", TokenType::Unknown);
  appendToken(data, "y", TokenType::Normal);
  const std::string most(1024, 'a');
  // If no piece has a space in the middle, words are encoded one at a time, and
  // the limit applies to each word. Otherwise, it applies to the whole text.
  for (const std::string piece : {"z", "x y"}) {
    const bool hasWords = piece == "z";
    appendToken(data, piece, TokenType::Normal);
    data.scores.assign(data.tokens.size(), -1);
    Vocabulary vocabulary;
    vocabulary.unknown = data.unknown;
    Result<UnigramEncoder> encoder =
        UnigramEncoder::create(data, vocabulary, size_t{1} << 20);
    ASSERT_TRUE(encoder.isOk());
    const auto isShort = [&](const std::string &text) {
      TokenOutput out;
      return encoder->encode(text, Place::AfterToken, nullptr, out);
    };
    EXPECT_TRUE(isShort(most));
    EXPECT_FALSE(isShort(most + "y"));
    EXPECT_FALSE(isShort(most + "a"));
    const std::string word(400, 'a');
    EXPECT_EQ(isShort(word + " " + word + " " + word), hasWords) << piece;
  }
}

} // namespace
