//===- WordModel.h - from a word to ids -------------------------*- C++ -*-===//
//
// The models of Hugging Face's `tokenizers` library. They get the words that
// the steps of a pipeline have made, and look them up as they are, so tokens
// are spelled as in tokenizer.json.
//
// Control tokens are no pieces of words, so text becomes one only if it is
// found by the search for these tokens. The library differs if a normalizer
// makes the text of such a token, or if single_word excludes a match of it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_WORDMODEL_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_WORDMODEL_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"
#include "runtime/text/MergeLattice.h"
#include "runtime/text/PairMerger.h"
#include "runtime/text/TokenOutput.h"
#include "runtime/text/UnigramLattice.h"

#include <memory>
#include <optional>

namespace air::rt {

/// Immutable once made; any number of threads may encode words.
class WordModel {
public:
  /// The memory of one thread.
  struct Scratch {
    std::optional<PairMerger> merger;
    std::vector<int32_t> symbols;
    UnigramLattice::Scratch lattice;
    MergeLattice::Scratch merges; ///< of long words
    std::string text;
  };

  virtual ~WordModel() = default;
  /// Appends the ids of `word`, which is not empty, and valid UTF-8.
  virtual void encode(std::string_view word, Scratch &scratch,
                      TokenOutput &out) const = 0;
};

/// Makes the model of a vocabulary that has a pipeline and has passed
/// checkTokenizer(). Returns Corrupt if a merge needs a token that does not
/// exist.
Result<std::unique_ptr<WordModel>> makeWordModel(const TokenizerData &data);

/// Whether token `id` may be a piece of a word.
inline bool isWordPiece(const TokenizerData &data, size_t id) {
  return !isSpecial(data.types[id]) ||
         (data.types[id] == TokenType::UserDefined && !data.matching.empty() &&
          (data.matching[id] & match_flags::kPiece) != 0);
}

/// In shorter words, merging with a heap takes less time than with a lattice.
constexpr size_t kLongWord = size_t{1} << 16;

/// Parts of makeWordModel(). The ids do not depend on `longWord`: words of more
/// bytes are encoded in less memory.
Result<std::unique_ptr<WordModel>> makeWordBpe(const TokenizerData &data,
                                               size_t longWord = kLongWord);
std::unique_ptr<WordModel> makeWordUnigram(const TokenizerData &data);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_WORDMODEL_H
