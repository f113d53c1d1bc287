//===- Detokenizer.h - ids in, whole characters out -------------*- C++ -*-===//
//
// A character may be spread over several tokens. The detokenizer holds its
// bytes back until it is whole, so that what it returns is always valid UTF-8.
// Bytes that can't become a character turn into U+FFFD, one for each maximal
// ill-formed part (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal
// Subparts").
//
// Ownership: refers to the Tokenizer, which must outlive it. feed() allocates
// nothing. Thread-safety: one sequence, one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_DETOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_DETOKENIZER_H

#include "runtime/text/Tokenizer.h"

namespace air::rt {

struct DetokenizerOptions {
  /// Text starts here: drop the space that an SPM vocabulary puts before its
  /// first piece. Leave false when continuing a prompt.
  bool atTextStart = false;
  /// Print control tokens as their text.
  bool renderSpecial = false;
};

class Detokenizer {
public:
  explicit Detokenizer(const Tokenizer &vocabulary,
                       DetokenizerOptions options = {});

  /// What `id` completes. The view is valid until the next call.
  std::string_view feed(int32_t id);

  /// The end: U+FFFD when an unfinished character is held, else "". Afterwards
  /// the detokenizer is as new.
  std::string_view finish();

private:
  const Tokenizer &tokenizer;
  DetokenizerOptions options;
  bool dropSpace;
  std::string pending; ///< an unfinished character's bytes, at most 3
  std::string output;
};

/// Appends to `out` the valid UTF-8 of `bytes`, U+FFFD for what is ill-formed.
/// Returns how many bytes at the end are an unfinished character and were left
/// out (0 to 3).
size_t appendValidUtf8(std::string_view bytes, std::string &out);

/// All of `ids` at once, as one text from its start.
std::string decode(const Tokenizer &tokenizer, const std::vector<int32_t> &ids,
                   bool renderSpecial = false);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_DETOKENIZER_H
