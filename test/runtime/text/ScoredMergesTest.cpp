//===- ScoredMergesTest.cpp - matching gives what scores say --------------===//
#include "runtime/text/ScoredMerges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <unordered_set>

using namespace air::rt;

namespace {

struct Piece {
  std::string text;
  float score;
};

/// Merges `word` as sentencepiece's BPE model is defined: as long as some
/// neighbours together are a piece, merges the pair whose piece has the highest
/// score. Of several such pairs, merges the leftmost.
std::vector<std::string> mergedByScore(std::string_view word,
                                       const std::vector<Piece> &pieces) {
  std::vector<std::string> parts;
  for (const char c : word) {
    parts.emplace_back(1, c);
  }
  while (true) {
    const Piece *best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found =
          std::ranges::find(pieces, parts[i] + parts[i + 1], &Piece::text);
      if (found != pieces.end() &&
          (best == nullptr || found->score > best->score)) {
        best = &*found;
        at = i;
      }
    }
    if (best == nullptr) {
      return parts;
    }
    parts[at] = best->text;
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

TokenTable tableOf(const std::vector<Piece> &pieces) {
  TokenTable table;
  for (const Piece &piece : pieces) {
    table.index(table.add(piece.text));
  }
  return table;
}

std::vector<float> scoresOf(const std::vector<Piece> &pieces) {
  std::vector<float> scores;
  for (const Piece &piece : pieces) {
    scores.push_back(piece.score);
  }
  return scores;
}

/// Random pieces, some of which no merges produce. Some characters of the
/// pieces are not pieces themselves, and no piece contains the "x" of the text.
TEST(ScoredMergesTest, AgreesWithTheDefinition) {
  std::mt19937 random(30);
  const auto word = [&](size_t least, size_t most, std::string_view letters) {
    std::string text;
    for (size_t n = least + random() % (most - least + 1); n > 0; --n) {
      text += letters[random() % letters.size()];
    }
    return text;
  };
  for (size_t round = 0; round < 400; ++round) {
    std::vector<Piece> pieces;
    const size_t count = 2 + random() % 20;
    // In one half of the vocabularies, many scores are equal.
    const size_t scores = round % 2 == 0 ? 1000 : 4;
    while (pieces.size() < count) {
      const std::string text = word(1, 5, "abc");
      if (std::ranges::find(pieces, text, &Piece::text) == pieces.end()) {
        pieces.push_back({text, -static_cast<float>(random() % scores)});
      }
    }
    const TokenTable table = tableOf(pieces);
    const auto merges = ScoredMerges::create(table, scoresOf(pieces));
    ASSERT_NE(merges, nullptr);
    MergeMatcher::Scratch scratch(merges->tables());
    for (int i = 0; i < 20; ++i) {
      const std::string text = word(1, 30, "abcx");
      std::vector<int32_t> symbols;
      ASSERT_TRUE(merges->matcher().match(text, scratch, symbols)) << text;
      std::vector<std::string> found;
      size_t at = 0;
      for (const int32_t symbol : symbols) {
        found.emplace_back(symbol == TokenTable::kAbsent
                               ? std::string_view(text).substr(at, 1)
                               : merges->tables().symbols()[symbol]);
        at += found.back().size();
      }
      ASSERT_EQ(found, mergedByScore(text, pieces)) << text;
    }
  }
}

TEST(ScoredMergesTest, WhatIsLeftToOtherAlgorithms) {
  const auto isMade = [](const std::vector<Piece> &pieces) {
    return ScoredMerges::create(tableOf(pieces), scoresOf(pieces)) != nullptr;
  };
  EXPECT_TRUE(isMade({{"a", 0}, {"aa", -1}}));
  EXPECT_FALSE(isMade({{"a", 0}, {"a\xff", -1}}));
  EXPECT_TRUE(isMade({{"a", 0}, {std::string(128, 'a'), -1}}));
  EXPECT_FALSE(isMade({{"a", 0}, {std::string(129, 'a'), -1}}));
  // Up to 64 other pieces may be prefixes of the same piece, but not 65.
  std::vector<Piece> runs;
  for (size_t length = 1; length <= 65; ++length) {
    runs.push_back({std::string(length, 'a'), -static_cast<float>(length)});
  }
  EXPECT_TRUE(isMade(runs));
  runs.push_back({std::string(66, 'a'), -66});
  EXPECT_FALSE(isMade(runs));
  // Pieces of equal scores.
  std::vector<Piece> equal;
  for (char c = 'a'; c <= 'j'; ++c) {
    for (size_t length = 1; length <= 64; ++length) {
      equal.push_back({std::string(length, c), length == 1 ? 0.0F : -1.0F});
    }
  }
  EXPECT_FALSE(isMade(equal));
  equal.resize(64);
  EXPECT_TRUE(isMade(equal));
}

// The sum of the squares of the lengths of all pieces is at most 2^26, which
// 4096 pieces of 128 bytes reach. No two of these pieces are equal, and none
// can be divided into two pieces.
TEST(ScoredMergesTest, StepsHaveALimit) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < 4096; ++i) {
    std::string text = std::to_string(i);
    text.resize(128, 'x');
    pieces.push_back({text, -static_cast<float>(i)});
  }
  EXPECT_NE(ScoredMerges::create(tableOf(pieces), scoresOf(pieces)), nullptr);
  pieces.push_back({std::string(1, 'x'), -4096});
  EXPECT_EQ(ScoredMerges::create(tableOf(pieces), scoresOf(pieces)), nullptr);
}

/// The pieces are all substrings of up to `length` letters of a random text of
/// `size` letters. So every piece can be divided into two pieces between any
/// two letters, which are about size * length^2 / 2 divisions in all.
TEST(ScoredMergesTest, DivisionsHaveALimit) {
  const auto isMade = [](size_t size, size_t length) {
    std::mt19937 random(31);
    std::string text;
    while (text.size() < size) {
      text += static_cast<char>('a' + random() % 26);
    }
    std::vector<Piece> pieces;
    std::unordered_set<std::string_view> known;
    size_t squares = 0;
    for (size_t bytes = 1; bytes <= length; ++bytes) {
      for (size_t at = 0; at + bytes <= size; ++at) {
        const std::string_view each = std::string_view(text).substr(at, bytes);
        if (known.insert(each).second) {
          pieces.push_back(
              {std::string(each), -static_cast<float>(pieces.size())});
          squares += bytes * bytes;
        }
      }
    }
    EXPECT_LE(squares, size_t{1} << 26); // so this limit is not exceeded
    return ScoredMerges::create(tableOf(pieces), scoresOf(pieces)) != nullptr;
  };
  EXPECT_TRUE(isMade(200, 40));
  // The pieces have 2.14 million divisions, but at most 2^21 (2.1 million) are
  // allowed.
  EXPECT_FALSE(isMade(2750, 40));
}

} // namespace
