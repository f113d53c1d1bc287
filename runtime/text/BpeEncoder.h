//===- BpeEncoder.h - byte-level byte-pair encoding -------------*- C++ -*-===//
//
// Works on raw bytes: the vocabulary's printable spelling is undone once, when
// it is built. Within a pre-token the pair of lowest rank is merged first, the
// leftmost of equals (Sennrich et al. 2016; GPT-2's encoder.py). A heap makes
// that O(n log n) for a pre-token of any length.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BPEENCODER_H
#define AIRPACK_RUNTIME_TEXT_BPEENCODER_H

#include "formats/support/Status.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class BpeEncoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// passes checkTokenizer(). Corrupt when a merge is not "LEFT RIGHT".
  static Result<BpeEncoder> create(const TokenizerData &data,
                                   Vocabulary &vocabulary);

  /// Appends the ids of `text`. Ill-formed bytes count as U+FFFD each.
  void encode(std::string_view text, std::vector<int32_t> &ids) const;

  /// True when text is brought into normalization form C first.
  bool composes() const { return preTokenizer->composes; }

private:
  struct Symbol;
  struct Candidate;
  struct Scratch;

  BpeEncoder(const Vocabulary &words, const PreTokenizer &splitter,
             PairTable merges)
      : vocabulary(&words), preTokenizer(&splitter), pairs(std::move(merges)) {}

  void encodeWord(std::string_view word, Scratch &scratch,
                  std::vector<int32_t> &ids) const;
  void push(Scratch &scratch, int32_t left) const;

  const Vocabulary *vocabulary;
  const PreTokenizer *preTokenizer;
  PairTable pairs;
  /// The symbol of each byte; kAbsent when neither a token nor a merge has it.
  std::array<int32_t, 256> byteSymbols{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BPEENCODER_H
