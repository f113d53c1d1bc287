//===- Tokenizer.h - text <-> token ids -------------------------*- C++ -*-===//
//
// A Tokenizer implements the algorithms of TokenizerKind. It is created from
// TokenizerData alone.
//
// Ownership: a Tokenizer owns its tables, and views from piece() are valid
// during its lifetime. Thread-safety: immutable after create(); any number of
// threads may call encode().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_TOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_TOKENIZER_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"
#include "formats/text/jinja/Text.h"
#include "runtime/exec/FunctionRef.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

class TokenOutput;

class Tokenizer {
public:
  /// Fails where checkTokenizer() fails. Also fails with Unsupported for
  /// TokenizerKind::None, if an expression is not supported, or if the
  /// normalizer makes the added tokens longer than kMostSpecialBytes in all.
  /// Fails with Corrupt if an expression or its compiled form is malformed, if
  /// a merge of a BPE vocabulary does not consist of two parts or, with a
  /// pipeline, if it needs a token that does not exist.
  static Result<Tokenizer> create(TokenizerData data);

  Tokenizer(Tokenizer &&) noexcept;
  Tokenizer &operator=(Tokenizer &&) noexcept;
  ~Tokenizer();

  /// The ids of `text`, which may contain any bytes, and must be shorter than 2
  /// GiB. A byte that is not valid UTF-8 becomes a byte token (SPM, RWKV) or
  /// U+FFFD (BPE, Unigram, and all vocabularies with a pipeline), or is left
  /// out (WordPiece). If a BPE vocabulary without a pipeline has no unknown
  /// token, a byte without a token is left out; checkTokenizer() allows this
  /// only for bytes that do not occur in ordinary text. An empty text yields no
  /// ids other than those that `addBos` adds.
  ///
  /// With `addBos`, BOS comes first and EOS last, if the vocabulary requires
  /// them, and beside them the tokens TokenizerData::afterBos and beforeEos.
  /// With `parseSpecial`, the text of a control token becomes its id; otherwise
  /// it is ordinary text. User-defined tokens are matched in both cases. At any
  /// position, the longest match is used.
  ///
  /// Returns no ids if, after normalisation, the text is too long to be encoded
  /// (kLongestStretch and kLongestMergedWord in Encoder.h).
  std::vector<int32_t> encode(std::string_view text, bool addBos,
                              bool parseSpecial) const;
  /// As encode(), but returns DoesNotFit if the text is too long to be encoded.
  /// Should be used for text that is not known to be short.
  Result<std::vector<int32_t>> tryEncode(std::string_view text, bool addBos,
                                         bool parseSpecial) const;

  /// Receives the next ids of a text.
  using TokenSink = FunctionRef<void(std::span<const int32_t> ids)>;
  /// As tryEncode(), but passes the ids to `sink` as they are found, so that
  /// those of a long text need not be in memory all at once. `sink` may have
  /// received ids before an error is returned. Encoding takes about as much
  /// memory as the normalised form of the text. It also takes some memory for
  /// each byte of the longest word: usually at most one byte, but up to 40 with
  /// some vocabularies. These are BPE and SPM vocabularies with very long
  /// pieces, and BPE vocabularies with a pipeline if their tokens have a prefix
  /// or a suffix, or if their merges join unknown tokens or byte tokens.
  Status tryEncode(std::string_view text, bool addBos, bool parseSpecial,
                   TokenSink sink) const;
  /// As tryEncode(), but takes `text`. With a vocabulary that has a pipeline,
  /// the memory of `text` is freed as soon as a step has changed the part after
  /// the last special token.
  Status consume(std::string text, bool addBos, bool parseSpecial,
                 TokenSink sink) const;

  /// The ids of a text that a chat template has rendered. As in encode() with
  /// `parseSpecial`, the text of a control token becomes its id, but only if
  /// none of its bytes lies in the ranges `tainted`. These are ascending and
  /// disjoint, and hold the data that the template was given, so data cannot
  /// become a control token. The ranges have no other effect; the bytes of an
  /// ordinary token may lie partly inside a range. No BOS or EOS is added, as
  /// templates contain them.
  std::vector<int32_t>
  encodeRendered(std::string_view text,
                 std::span<const jinja::TaintedSpan> tainted) const;
  /// As encodeRendered(), but returns DoesNotFit like tryEncode().
  Result<std::vector<int32_t>>
  tryEncodeRendered(std::string_view text,
                    std::span<const jinja::TaintedSpan> tainted) const;

  /// The bytes of token `id`, which need not be whole characters (see
  /// Detokenizer). They are empty for an id outside the vocabulary, and for
  /// control and unknown tokens unless `renderSpecial` is true.
  std::string_view piece(int32_t id, bool renderSpecial = false) const;

  int32_t vocabSize() const;
  /// bos() and eos() return TokenizerData::kNoToken if the vocabulary has no
  /// such token.
  int32_t bos() const;
  int32_t eos() const;
  bool addsBos() const;
  bool isEndOfGeneration(int32_t id) const;
  /// True if the first piece of a text begins with a space that is not part of
  /// the text.
  bool addsSpacePrefix() const;
  /// The number of bytes of the longest piece.
  size_t longestPiece() const;
  /// An upper bound, in bytes, of the text that one token represents. It is
  /// longestPiece(), or three times that if normalisation may shrink text. It
  /// does not cover runs of collapsed spaces and runs of unknown or removed
  /// characters, which may be longer. For a vocabulary with a pipeline, it is
  /// larger than any text.
  size_t longestText() const;
  /// The id of the control, unknown or user-defined token with exactly this
  /// text, or kNoToken if there is none.
  int32_t specialToken(std::string_view text) const;

private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  Status encodeTo(TokenOutput &out, std::string_view text, std::string *owned,
                  bool addBos, bool parseSpecial) const;

  std::unique_ptr<State> state;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_TOKENIZER_H
