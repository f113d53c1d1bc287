//===- ScoredMerges.cpp - a vocabulary of scores as ranked merges ---------===//
#include "runtime/text/ScoredMerges.h"

#include "formats/support/Utf8.h"

#include <algorithm>

namespace air::rt {
namespace {

/// The most bytes of a piece, and the most other pieces with which a piece may
/// begin. At each position, the matcher first tries the longest piece that the
/// rest of the text begins with, and then the shorter ones. If there are many
/// of these, a heap takes less time. In the vocabulary of Llama 2, the longest
/// piece has 27 bytes, and the piece that consists of 16 spaces begins with 15
/// other pieces.
constexpr size_t kLongestPiece = 128;
constexpr size_t kMostBeginnings = 64;

/// The most divisions that all pieces together may have. Making the tables
/// needs some 100 bytes of memory for each, so about 200 MiB at this limit. The
/// 31,741 pieces of Llama 2 have 61,249 divisions. Gemma, with eight times as
/// many pieces, would have about 490,000 at the same ratio.
constexpr size_t kMostDivisions = size_t{1} << 21;

/// The most steps that finding the divisions of all pieces may take. A piece of
/// n bytes takes n^2 steps. The pieces of Llama 2 take 1.6 million in all.
constexpr size_t kMostSteps = size_t{1} << 26;

/// The largest result of bytesOfUntimely() that is accepted. With more, the
/// matcher could be slow. For the vocabulary of Llama 2, the result is some 200
/// bytes: those of the pieces that consist of several spaces, whose scores are
/// all equal.
constexpr size_t kMostUntimely = size_t{1} << 14;

/// A way to divide a piece into two symbols.
struct Division {
  int32_t left;
  int32_t right;
  int32_t piece;
};

} // namespace

std::unique_ptr<const ScoredMerges>
ScoredMerges::create(const TokenTable &pieces, std::span<const float> scores) {
  std::unique_ptr<ScoredMerges> merges(new ScoredMerges());
  TokenTable &symbols = merges->symbols;
  std::vector<int32_t> merged;
  size_t steps = 0;
  for (int32_t id = 0; id < pieces.size(); ++id) {
    const std::string_view text = pieces[id];
    symbols.add(text);
    if (text.empty() || pieces.find(text) != id) {
      continue;
    }
    if (text.size() > kLongestPiece) {
      return nullptr;
    }
    steps += text.size() * text.size();
    if (steps > kMostSteps || !isWellFormed(text)) {
      return nullptr;
    }
    symbols.index(id);
    merged.push_back(id);
  }
  for (const int32_t id : merged) {
    for (std::string_view rest = pieces[id]; !rest.empty();) {
      const std::string_view character =
          rest.substr(0, decodeUtf8(rest).length);
      if (symbols.find(character) == TokenTable::kAbsent) {
        symbols.index(symbols.add(character));
      }
      rest.remove_prefix(character.size());
    }
  }
  // The highest score first.
  const auto scoreOf = [&](int32_t id) {
    return scores[static_cast<size_t>(id)];
  };
  std::ranges::sort(merged, [&](int32_t a, int32_t b) {
    return scoreOf(a) != scoreOf(b) ? scoreOf(a) > scoreOf(b) : a < b;
  });
  std::vector<Division> divisions;
  for (const int32_t id : merged) {
    const std::string_view text = pieces[id];
    size_t beginnings = 0;
    for (size_t at = decodeUtf8(text).length; at < text.size();
         at += decodeUtf8(text.substr(at)).length) {
      const Division each = {symbols.find(text.substr(0, at)),
                             symbols.find(text.substr(at)), id};
      beginnings += each.left != TokenTable::kAbsent ? 1 : 0;
      if (each.left != TokenTable::kAbsent &&
          each.right != TokenTable::kAbsent) {
        divisions.push_back(each);
      }
    }
    if (beginnings > kMostBeginnings || divisions.size() > kMostDivisions) {
      return nullptr;
    }
  }
  PairTable pairs(divisions.size());
  int32_t rank = 0;
  for (size_t i = 0; i < divisions.size(); ++i) {
    const Division &each = divisions[i];
    rank += i != 0 && scoreOf(each.piece) != scoreOf(divisions[i - 1].piece)
                ? 1
                : 0;
    pairs.insert(each.left, each.right, {rank, each.piece});
  }
  merges->bpe = BpeTables::ofText(symbols, std::move(pairs));
  merges->made = MergeMatcher::create(*merges->bpe);
  return merges->made && merges->made->bytesOfUntimely() <= kMostUntimely
             ? std::move(merges)
             : nullptr;
}

} // namespace air::rt
