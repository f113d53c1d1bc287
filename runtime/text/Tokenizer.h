//===- Tokenizer.h - text <-> token ids -------------------------*- C++ -*-===//
//
// One class over the two algorithms that today's vocabularies ask for: SPM
// (sentencepiece's BPE model with byte fallback) and byte-level BPE with its
// family's pre-tokeniser. Everything comes from TokenizerData.
//
// Ownership: a Tokenizer keeps its own flat tables; views from piece() live as
// long as it does. Thread-safety: immutable after create(); encode() may run on
// any number of threads.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_TOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_TOKENIZER_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

class Tokenizer {
public:
  /// Errors: those of checkTokenizer(); Unsupported for kind None; Corrupt when
  /// a merge is not "LEFT RIGHT".
  static Result<Tokenizer> create(TokenizerData data);

  Tokenizer(Tokenizer &&) noexcept;
  Tokenizer &operator=(Tokenizer &&) noexcept;
  ~Tokenizer();

  /// Ids of `text`, which may hold any bytes: bytes that are no UTF-8 become
  /// byte tokens (SPM) or U+FFFD each (BPE). "" gives no ids.
  ///
  /// `addBos` puts BOS first and EOS last where the vocabulary asks for them.
  /// `parseSpecial` turns the text of control tokens into their ids; without it
  /// they are ordinary text. User-defined tokens are matched either way. At any
  /// place the longest match wins.
  std::vector<int32_t> encode(std::string_view text, bool addBos,
                              bool parseSpecial) const;

  /// The bytes that `id` stands for; not always whole characters (see
  /// Detokenizer). Control and unknown tokens render as nothing unless
  /// `renderSpecial`. An id outside the vocabulary renders as nothing.
  std::string_view piece(int32_t id, bool renderSpecial = false) const;

  int32_t vocabSize() const;
  /// TokenizerData::kNoToken when the vocabulary has none.
  int32_t bos() const;
  int32_t eos() const;
  bool addsBos() const;
  bool isEndOfGeneration(int32_t id) const;
  /// True when encode() puts a space before the text's first piece (SPM).
  bool addsSpacePrefix() const;
  /// Bytes of the longest piece.
  size_t longestPiece() const;
  /// Bytes of text that one token stands for at most: normalisation makes at
  /// most a third of them. (Runs of spaces that a vocabulary drops, and of
  /// characters that it does not know, are not counted.)
  size_t longestText() const;
  /// The control, unknown or user-defined token with exactly this text;
  /// kNoToken when there is none.
  int32_t specialToken(std::string_view text) const;

private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_TOKENIZER_H
