//===- BpeEncoder.h - byte-pair encoding ------------------------*- C++ -*-===//
//
// The encoder merges bytes or, if the vocabulary spells its tokens as text,
// characters. If the vocabulary spells bytes as printable characters, this
// spelling is decoded once, when the encoder is created. PairMerger.h says
// which pairs of a pre-token are merged. After some long texts, MergeMatcher is
// used, which finds the same result in linear time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BPEENCODER_H
#define AIRPACK_RUNTIME_TEXT_BPEENCODER_H

#include "formats/support/Status.h"
#include "runtime/text/BpeTables.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/PreTokenizer.h"

#include <memory>

namespace air::rt {

class BpeEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer(). Errors: those of
  /// PreTokenizer::create(); Corrupt if a merge does not consist of two parts
  /// with a space between them. Tests choose a lower limit for words than
  /// kLongestMergedWord.
  static Result<BpeEncoder> create(const TokenizerData &data,
                                   Vocabulary &vocabulary,
                                   size_t longestWord = kLongestMergedWord);

  /// Each byte of `text` that is not part of well-formed UTF-8 is encoded like
  /// U+FFFD.
  bool encode(std::string_view text, Place place, Scratch *scratch,
              TokenOutput &out) const override;
  std::unique_ptr<Scratch> makeScratch(size_t bytes) const override;
  std::string normalisedForm(std::string text) const override;
  bool shrinksText() const override {
    return form || lowercase || spelling() != TokenSpelling::Bytes;
  }

  BpeEncoder(BpeEncoder &&) noexcept;
  ~BpeEncoder() override;

private:
  struct Memory;
  struct Matcher;

  BpeEncoder(const Vocabulary &words, PreTokenizer splitter, BpeTables merges);

  TokenSpelling spelling() const { return preTokenizer.rules().spelling; }

  void encodeWord(std::string_view word, Memory &memory,
                  TokenOutput &out) const;
  void merge(std::string_view word, Memory &memory,
             FunctionRef<void(int32_t symbol)> sink) const;
  void appendWithoutToken(std::string_view text, bool &isUnknown,
                          std::vector<int32_t> &ids) const;

  const Vocabulary *vocabulary;
  PreTokenizer preTokenizer;
  std::unique_ptr<const BpeTables> tables;
  std::unique_ptr<Matcher> matcher;
  std::optional<NormalForm> form; ///< the form to which text is normalised
  bool lowercase = false;         ///< whether text is then put into lower case
  SpacePrefix prefix = SpacePrefix::None;
  bool fusesUnknown = false;           ///< match_flags::kFused
  size_t longest = kLongestMergedWord; ///< bytes of the longest word allowed
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BPEENCODER_H
