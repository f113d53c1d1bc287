//===- SpmEncoder.h - sentencepiece's BPE model -----------------*- C++ -*-===//
//
// Text is split into characters. Neighbours that together are a piece are
// merged, the pair whose piece has the highest score first. Pairs with equal
// scores are merged from left to right
// (https://github.com/google/sentencepiece/blob/master/src/bpe_model.cc). A
// character that is not a piece is encoded as the tokens of its bytes, and a
// byte without a token as the unknown token. If the vocabulary has no byte
// tokens at all, a run of such characters becomes one unknown token. The
// vocabulary spells a space as U+2581; here, pieces contain the space itself.
//
// If no piece contains a space after a character other than a space, words are
// encoded one by one. If the vocabulary also has byte tokens, the ids of the
// short words of a long text (4 KiB or more) are remembered (WordCache.h).
// Once 256 KiB of long texts have been merged, tables are made with which
// merging takes less time (ScoredMerges.h). Without these tables, mergeRun()
// merges each run (a word, or a text that is not divided into words) with a
// heap, which needs some 40 bytes of memory for each byte of the run. So runs
// of more than 64 KiB are divided by a MergeLattice instead, unless a piece has
// more than 256 bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SPMENCODER_H
#define AIRPACK_RUNTIME_TEXT_SPMENCODER_H

#include "formats/support/Status.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class MergeLattice;

class SpmEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer(). Tests choose a lower limit for words
  /// than kLongestMergedWord.
  static SpmEncoder create(const TokenizerData &data, Vocabulary &vocabulary,
                           size_t longestWord = kLongestMergedWord);

  bool encode(std::string_view text, Place place, Scratch *scratch,
              TokenOutput &out) const override;
  std::unique_ptr<Scratch> makeScratch(size_t bytes) const override;
  bool shrinksText() const override { return true; }

  SpmEncoder(SpmEncoder &&) noexcept;
  ~SpmEncoder() override;

private:
  struct Symbol;
  struct Candidate;
  struct Memory;
  struct Lattice;
  struct Merges;

  explicit SpmEncoder(const Vocabulary &words);

  /// The position at which the first stretch of `text` ends. No merge crosses
  /// the end of a stretch. Long text is normalised one stretch at a time, which
  /// limits the memory that it needs.
  size_t stretchEnd(std::string_view text) const;
  bool encodeStretch(std::string_view text, bool addSpace, Memory &memory,
                     TokenOutput &out) const;
  std::string normalized(std::string_view text, bool addSpace) const;
  void encodeWord(std::string_view word, Memory &memory,
                  TokenOutput &out) const;
  void encodeRun(std::string_view run, Memory &memory, TokenOutput &out) const;
  bool matchRun(std::string_view run, Memory &memory, TokenOutput &out) const;
  void mergeRun(std::string_view run, Memory &memory) const;
  const MergeLattice &latticeOf(Memory &memory) const;
  bool staysDivided(std::string_view text, size_t border, Memory &memory) const;
  void push(std::string_view run, Memory &memory, int32_t left) const;
  void emit(std::string_view character, std::vector<int32_t> &ids) const;

  const Vocabulary *vocabulary;
  std::vector<float> scores;
  size_t longest = 0; ///< bytes of the longest piece that is indexed
  size_t longestWord = kLongestMergedWord;
  bool addSpacePrefix = false;
  bool removeExtraSpaces = false;
  /// True if no piece contains a space after a character other than a space. In
  /// that case, no merge crosses a position where a space follows another
  /// character.
  bool spacesOnlyLead = true;
  /// True if the vocabulary has byte tokens, which encode characters that are
  /// not pieces.
  bool hasBytes = false;
  std::unique_ptr<Lattice> lattice; ///< for long runs without `merges`
  std::unique_ptr<Merges> merges;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPMENCODER_H
