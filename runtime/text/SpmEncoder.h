//===- SpmEncoder.h - sentencepiece's BPE model -----------------*- C++ -*-===//
//
// Text becomes characters; of all neighbours whose concatenation is a piece the
// pair with the highest score is merged first, the leftmost of equals
// (https://github.com/google/sentencepiece/blob/master/src/bpe_model.cc). A
// character that is no piece falls back to its bytes' tokens, and a byte
// without one to the unknown token. U+2581 stands for a space in the
// vocabulary; here pieces are kept with the space itself.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SPMENCODER_H
#define AIRPACK_RUNTIME_TEXT_SPMENCODER_H

#include "formats/support/Status.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class SpmEncoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// passes checkTokenizer().
  static SpmEncoder create(const TokenizerData &data, Vocabulary &vocabulary);

  /// Appends the ids of `text`, with a space before it if `addSpace`.
  void encode(std::string_view text, bool addSpace,
              std::vector<int32_t> &ids) const;

private:
  struct Symbol;
  struct Candidate;
  struct Scratch;

  explicit SpmEncoder(const Vocabulary &words) : vocabulary(&words) {}

  /// Where the first stretch of `text` ends: no merge crosses that place. Long
  /// text is normalised a stretch at a time, which keeps memory small.
  size_t stretchEnd(std::string_view text) const;
  void encodeStretch(std::string_view text, bool addSpace, Scratch &scratch,
                     std::vector<int32_t> &ids) const;
  std::string normalized(std::string_view text, bool addSpace) const;
  void encodeRun(std::string_view run, Scratch &scratch,
                 std::vector<int32_t> &ids) const;
  void push(std::string_view run, Scratch &scratch, int32_t left) const;
  void emit(std::string_view character, std::vector<int32_t> &ids) const;

  const Vocabulary *vocabulary;
  std::vector<float> scores;
  size_t longest = 0; ///< bytes of the longest piece that text may become
  bool removeExtraSpaces = false;
  /// No piece holds a space after another character, so that no merge crosses
  /// the place where a space follows something else.
  bool spacesOnlyLead = true;
  /// Characters that are no piece become byte tokens, as far as there are some.
  bool hasBytes = false;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPMENCODER_H
