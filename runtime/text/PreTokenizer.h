//===- PreTokenizer.h - where BPE may not merge across ----------*- C++ -*-===//
//
// Each family cuts text with a published regular expression before byte-pair
// merging. Here every expression is a hand-written state machine over code
// points; the expression stands in a comment above its machine.
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
  std::string_view name; ///< the canonical one
  /// A piece that is a token as a whole is taken without merging.
  bool ignoreMerges;
  /// Text is brought into Unicode's form C before it is cut: tokenizer.json's
  /// normalizer "NFC".
  bool composes;
  /// Tells `ends` where each piece of `text` ends, in order; the last is its
  /// size. `text` is valid UTF-8.
  void (*split)(std::string_view text, PieceSink ends);
};

/// By any of its names (formats/model/PreTokenizerNames.h); nullptr when `pre`
/// is not known.
const PreTokenizer *findPreTokenizer(std::string_view pre);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
