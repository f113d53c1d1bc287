//===- PreTokenizer.h - boundaries that BPE does not cross ------*- C++ -*-===//
//
// Each model family splits text by a published regular expression before it
// merges byte pairs. Here, every expression is a hand-written state machine
// over code points, with the expression in the comment above it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H

#include "runtime/exec/FunctionRef.h"

#include <cstddef>
#include <string_view>

namespace air::rt {

using PieceSink = FunctionRef<void(size_t)>;

struct PreTokenizer {
  std::string_view name; ///< the canonical name
  /// If true, a piece that is a token as a whole is encoded as that token,
  /// without merges.
  bool ignoreMerges;
  /// If true, text is converted to Unicode normalization form C before it is
  /// split. This is the normalizer "NFC" of tokenizer.json.
  bool composes;
  /// Calls `ends` with the end of each piece of `text`, in order. The last end
  /// is the size of `text`. `text` must be valid UTF-8.
  void (*split)(std::string_view text, PieceSink ends);
};

/// Finds a pre-tokeniser by any of its names
/// (formats/model/PreTokenizerNames.h). Returns nullptr if `pre` is not known.
const PreTokenizer *findPreTokenizer(std::string_view pre);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
