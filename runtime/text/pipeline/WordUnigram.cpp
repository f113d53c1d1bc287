//===- WordUnigram.cpp - the unigram model of a word ----------------------===//
#include "runtime/text/pipeline/WordModel.h"

#include "formats/model/KnownPieces.h"
#include "runtime/text/WordCache.h"

#include <algorithm>
#include <array>

namespace air::rt {
namespace {

class WordUnigram final : public WordModel {
public:
  explicit WordUnigram(const TokenizerData &data) : unknown(data.unknown) {
    byteTokens.fill(TokenizerData::kNoToken);
    std::vector<ByteTrie::Piece> pieces;
    float lowest = 0;
    for (size_t i = 0; i < data.tokens.size(); ++i) {
      const auto id = static_cast<int32_t>(i);
      if (data.types[i] == TokenType::Byte) {
        byteTokens[byteOfPiece(data.tokens[i]).value_or(0)] = id;
      }
      lowest = i == 0 ? data.scores[i] : std::min(lowest, data.scores[i]);
      if (isWordPiece(data, i)) {
        pieces.push_back({data.tokens[i], id});
      }
    }
    lattice = UnigramLattice(std::move(pieces), data.scores, lowest,
                             UnigramLattice::Sums::Double);
  }

  void encode(std::string_view word, Scratch &scratch,
              TokenOutput &out) const override {
    std::vector<int32_t> &ids = out.ids;
    const bool isLong = word.size() > WordCache::kLongestWord;
    // One call of appendUnknown() encodes a whole run of adjacent unknown
    // characters. The current run is the bytes of `word` from `begin` to `at`.
    size_t begin = 0;
    size_t at = 0;
    const auto addUnknown = [&] {
      if (begin < at) {
        appendUnknown(word.substr(begin, at - begin), isLong, out);
      }
    };
    double sum = 0;
    lattice.divide(word, scratch.lattice, sum,
                   [&](std::string_view piece, int32_t id) {
                     if (id != UnigramLattice::kNoPiece && id != unknown) {
                       addUnknown();
                       ids.push_back(id);
                       begin = at + piece.size();
                       if (isLong) {
                         out.passOn();
                       }
                     }
                     at += piece.size();
                   });
    addUnknown();
  }

private:
  /// Appends the tokens of the bytes of `text`, or the unknown token if one of
  /// them has no token. `isLong` is true if `text` is a part of a long word.
  void appendUnknown(std::string_view text, bool isLong,
                     TokenOutput &out) const {
    const auto tokenOf = [&](char c) {
      return byteTokens[static_cast<uint8_t>(c)];
    };
    if (std::ranges::find(text, TokenizerData::kNoToken, tokenOf) !=
        text.end()) {
      out.ids.push_back(unknown);
      return;
    }
    for (const char c : text) {
      out.ids.push_back(tokenOf(c));
      if (isLong) {
        out.passOn();
      }
    }
  }

  UnigramLattice lattice;
  std::array<int32_t, 256> byteTokens{};
  int32_t unknown;
};

} // namespace

std::unique_ptr<WordModel> makeWordUnigram(const TokenizerData &data) {
  return std::make_unique<WordUnigram>(data);
}

} // namespace air::rt
