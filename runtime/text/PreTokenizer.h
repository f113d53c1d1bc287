//===- PreTokenizer.h - where BPE may not merge across ----------*- C++ -*-===//
//
// Each family cuts text with a published regular expression before byte-pair
// merging. Here every expression is a hand-written state machine over code
// points; the expression stands in a comment above its machine.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

struct PreTokenizer {
  std::string_view name; ///< tokenizer.ggml.pre
  /// A piece that is a token as a whole is taken without merging.
  bool ignoreMerges;
  /// Appends to `ends` where each piece of `text` ends; the last is its size.
  /// `text` is valid UTF-8.
  void (*split)(std::string_view text, std::vector<size_t> &ends);
};

/// nullptr when `pre` is not known. "" is "default".
const PreTokenizer *findPreTokenizer(std::string_view pre);

/// "default, gpt-2, ...", for messages.
std::string preTokenizerNames();

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
