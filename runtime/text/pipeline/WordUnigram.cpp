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
    // Adjacent unknown characters are encoded together.
    size_t begin = 0; // they are the bytes from here to `at`
    size_t at = 0;
    const auto addUnknown = [&] {
      if (begin < at) {
        appendUnknown(word.substr(begin, at - begin), ids);
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
  void appendUnknown(std::string_view text, std::vector<int32_t> &ids) const {
    const size_t before = ids.size();
    for (const char c : text) {
      const int32_t id = byteTokens[static_cast<uint8_t>(c)];
      if (id == TokenizerData::kNoToken) {
        ids.resize(before);
        ids.push_back(unknown);
        return;
      }
      ids.push_back(id);
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
