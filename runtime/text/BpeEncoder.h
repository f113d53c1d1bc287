//===- BpeEncoder.h - byte-level byte-pair encoding -------------*- C++ -*-===//
//
// The encoder works on raw bytes. The vocabulary's printable spelling of bytes
// is decoded once, when the encoder is created. Within a pre-token, the pair
// with the lowest rank is merged first. If several pairs have this rank, the
// leftmost is merged (Sennrich et al. 2016; GPT-2's encoder.py). With a heap,
// the encoding of a pre-token of n bytes takes O(n log n) time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BPEENCODER_H
#define AIRPACK_RUNTIME_TEXT_BPEENCODER_H

#include "formats/support/Status.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class BpeEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer(). Returns Corrupt if a merge does not
  /// consist of two parts with a space between them.
  static Result<BpeEncoder> create(const TokenizerData &data,
                                   Vocabulary &vocabulary);

  /// Each ill-formed byte is encoded as U+FFFD.
  void encode(std::string_view text, Place place,
              std::vector<int32_t> &ids) const override;
  std::string normalisedForm(std::string_view text) const override;
  bool shrinksText() const override {
    return form || spelling() != TokenSpelling::Bytes;
  }

private:
  struct Symbol;
  struct Candidate;
  struct Scratch;
  struct KnownWord;

  BpeEncoder(const Vocabulary &words, PreTokenizer splitter, PairTable merges)
      : vocabulary(&words), preTokenizer(std::move(splitter)),
        pairs(std::move(merges)) {}

  /// How the vocabulary spells its tokens.
  TokenSpelling spelling() const { return preTokenizer.rules().spelling; }

  void encodeWord(std::string_view word, Scratch &scratch,
                  std::vector<int32_t> &ids) const;
  void encodeOnce(std::string_view word, Scratch &scratch,
                  std::vector<int32_t> &ids) const;
  void push(Scratch &scratch, int32_t left) const;
  void startWord(std::string_view word, Scratch &scratch) const;
  void mergeShort(Scratch &scratch) const;
  void mergeLong(Scratch &scratch) const;

  const Vocabulary *vocabulary;
  PreTokenizer preTokenizer;
  PairTable pairs;
  std::optional<NormalForm> form; ///< the form to which text is normalised
  SpacePrefix prefix = SpacePrefix::None;
  /// The symbol of each byte, or kAbsent if the byte alone is neither a token
  /// nor a part of a merge.
  std::array<int32_t, 256> byteSymbols{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BPEENCODER_H
