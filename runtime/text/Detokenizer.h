//===- Detokenizer.h - from token ids to whole characters -------*- C++ -*-===//
//
// A character may be spread over several tokens. The detokenizer holds its
// bytes back until the character is complete, so that it always returns valid
// UTF-8. Bytes that cannot become a character are replaced by U+FFFD, one for
// each maximal ill-formed subsequence (Unicode 15, section 3.9, "U+FFFD
// Substitution of Maximal Subparts").
//
// Ownership: refers to the Tokenizer, which must outlive it and its copies.
// feed() does not allocate. Thread-safety: use one object per sequence, from
// one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_DETOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_DETOKENIZER_H

#include "runtime/text/Reserved.h"
#include "runtime/text/Tokenizer.h"

#include <vector>

namespace air::rt {

struct DetokenizerOptions {
  /// True if the first token begins a text, so that the space that some
  /// vocabularies put before a text (Tokenizer::addsSpacePrefix) is dropped.
  /// False if the tokens continue a prompt.
  bool atTextStart = false;
  /// If true, control and unknown tokens are rendered as their text. Otherwise
  /// they are rendered as nothing.
  bool renderSpecial = false;
  /// Control tokens that are rendered even if renderSpecial is false, in
  /// ascending order.
  std::vector<int32_t> shownTokens = {};
};

class Detokenizer {
public:
  explicit Detokenizer(const Tokenizer &vocabulary,
                       DetokenizerOptions options = {});

  /// The characters that `id` completes. The view is valid until the next call.
  std::string_view feed(int32_t id);

  /// Ends the text. Returns U+FFFD if the last character is incomplete,
  /// otherwise "". Afterwards the detokenizer can be used for a new text.
  std::string_view finish();

private:
  const Tokenizer &tokenizer;
  DetokenizerOptions options;
  bool dropSpace;
  /// Between calls: the bytes of an incomplete character.
  Reserved<std::string> pending;
  Reserved<std::string> output;
};

/// Appends `bytes` to `out` as valid UTF-8, with U+FFFD for ill-formed parts.
/// The bytes of an incomplete character at the end are left out; returns their
/// number (0 to 3).
size_t appendValidUtf8(std::string_view bytes, std::string &out);

/// Decodes all of `ids` with a new Detokenizer whose `atTextStart` is true.
std::string decode(const Tokenizer &tokenizer, const std::vector<int32_t> &ids,
                   bool renderSpecial = false);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_DETOKENIZER_H
