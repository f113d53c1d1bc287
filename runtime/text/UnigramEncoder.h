//===- UnigramEncoder.h - sentencepiece's unigram model ---------*- C++ -*-===//
//
// A text is divided into the pieces with the largest sum of scores
// (UnigramLattice.h). A character that is not a piece is encoded as the tokens
// of its bytes if the vocabulary has byte tokens. Otherwise, a run of such
// characters becomes one unknown token.
//
// Before the text is divided, the rules of the model's Charsmap are applied to
// the text, spaces are collapsed if the vocabulary says so, and a space is put
// before the text. The vocabulary spells a space as U+2581, but pieces here
// contain a real space.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_UNIGRAMENCODER_H
#define AIRPACK_RUNTIME_TEXT_UNIGRAMENCODER_H

#include "formats/model/Charsmap.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/UnigramLattice.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class UnigramEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer().
  static Result<UnigramEncoder> create(const TokenizerData &data,
                                       Vocabulary &vocabulary);

  /// An ill-formed byte is read as U+FFFD.
  void encode(std::string_view text, Place place,
              std::vector<int32_t> &ids) const override;
  bool shrinksText() const override { return true; }

private:
  explicit UnigramEncoder(const Vocabulary &words) : vocabulary(&words) {}

  /// The text after the rules of the Charsmap have been applied.
  std::string mapped(std::string_view text) const;
  std::string normalised(std::string_view text, Place place) const;
  void encodeRun(std::string_view run, std::vector<UnigramLattice::Node> &nodes,
                 std::vector<int32_t> &ids, bool &afterUnknown) const;
  void emitUnknown(std::string_view character, std::vector<int32_t> &ids,
                   bool &afterUnknown) const;

  const Vocabulary *vocabulary;
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
