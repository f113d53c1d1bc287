//===- WordModel.h - from a word to ids -------------------------*- C++ -*-===//
//
// The models of Hugging Face's `tokenizers` library. A model gets the words
// that the steps of a pipeline have made, and looks their parts up in the
// vocabulary without respelling them. TokenizerData must therefore spell tokens
// as tokenizer.json does.
//
// A model never encodes a word, or a part of one, as a control token. Text thus
// becomes a control token only where the search for special tokens finds it,
// which happens before the text is divided into words. The library's models, in
// contrast, may encode a part of a word as a control token. A word can contain
// the text of such a token if a normalizer has turned other text into it, or if
// the search has skipped it because of the token's flag single_word.
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
  /// Appends the ids of `word` to `out`. The word must be valid UTF-8 and must
  /// not be empty.
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

/// Words of at most this number of bytes are merged by a PairMerger. If the
/// vocabulary allows it, longer ones are divided by a MergeLattice, which would
/// be slower for short words.
constexpr size_t kLongWord = size_t{1} << 16;

/// Parts of makeWordModel(). To encode a word of more than `longWord` bytes,
/// the BPE model uses an algorithm that needs less memory, if the vocabulary
/// allows it (WordBpe.cpp). The ids are the same.
Result<std::unique_ptr<WordModel>> makeWordBpe(const TokenizerData &data,
                                               size_t longWord = kLongWord);
std::unique_ptr<WordModel> makeWordUnigram(const TokenizerData &data);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_WORDMODEL_H
