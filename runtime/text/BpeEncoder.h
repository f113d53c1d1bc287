//===- BpeEncoder.h - byte-level byte-pair encoding -------------*- C++ -*-===//
//
// The encoder works on raw bytes. The vocabulary's printable spelling of bytes
// is decoded once, when the encoder is created. Within a pre-token, the pair
// with the lowest rank is merged first, and of several such pairs the leftmost
// (Sennrich et al. 2016; GPT-2's encoder.py). A heap makes this O(n log n) for
// a pre-token of any length.
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
  /// must have passed checkTokenizer(). Corrupt if a merge is not "LEFT RIGHT".
  static Result<BpeEncoder> create(const TokenizerData &data,
                                   Vocabulary &vocabulary);

  /// Appends the ids of `text`. Each ill-formed byte is encoded as U+FFFD.
  void encode(std::string_view text, std::vector<int32_t> &ids) const;

  /// True if text is converted to normalization form C first.
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
  /// The symbol of each byte, or kAbsent if neither a token nor a merge is this
  /// byte.
  std::array<int32_t, 256> byteSymbols{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BPEENCODER_H
