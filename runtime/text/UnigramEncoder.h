//===- UnigramEncoder.h - sentencepiece's unigram model ---------*- C++ -*-===//
//
// A text is divided into the pieces with the largest sum of scores
// (UnigramLattice.h). A character that is not a piece is encoded as the tokens
// of its bytes if the vocabulary has byte tokens. Otherwise, a run of such
// characters becomes one unknown token.
//
// Before the text is divided, the rules of the model's Charsmap are applied to
// it. Then, if the vocabulary requires it, runs of spaces are collapsed, and a
// space is put before the text or before each of its words. The vocabulary
// spells a space as U+2581, but pieces here contain a real space.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_UNIGRAMENCODER_H
#define AIRPACK_RUNTIME_TEXT_UNIGRAMENCODER_H

#include "formats/model/Charsmap.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/UnigramLattice.h"
#include "runtime/text/Vocabulary.h"

#include <optional>

namespace air::rt {

class UnigramEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer(). encode() returns false if a stretch
  /// of the text becomes longer than `limit` bytes.
  static Result<UnigramEncoder> create(const TokenizerData &data,
                                       Vocabulary &vocabulary,
                                       size_t limit = kLongestStretch);

  /// An ill-formed byte is read as U+FFFD.
  bool encode(std::string_view text, Place place, Scratch *scratch,
              TokenOutput &out) const override;
  bool shrinksText() const override { return true; }

private:
  explicit UnigramEncoder(const Vocabulary &words) : vocabulary(&words) {}

  struct State;
  void map(std::string_view &text, size_t bytes, std::string &out) const;
  void normalise(std::string &text, std::optional<Place> place,
                 bool isLast) const;
  void encodeMapped(std::string_view text, State &state,
                    TokenOutput &out) const;
  void emitUnknown(std::string_view character, std::vector<int32_t> &ids,
                   bool &afterUnknown) const;

  const Vocabulary *vocabulary;
  size_t longestStretch = kLongestStretch;
  UnigramLattice lattice;
  Charsmap charsmap;
  bool removeExtraSpaces = false;
  SpacePrefix prefix = SpacePrefix::None;
  bool hasBytes = false;
  /// True if no piece contains a space after a character other than a space, so
  /// that words can be encoded one at a time.
  bool spacesOnlyLead = true;
  /// True if every space begins a word, even after another space.
  bool everySpaceBegins = false;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_UNIGRAMENCODER_H
