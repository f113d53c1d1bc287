//===- Regex.h - regular expressions in linear time -------------*- C++ -*-===//
//
// Regular expressions, in the syntax that published pre-tokenizers use. An
// expression is compiled once; RegexMatcher.h finds its matches, in time
// proportional to the length of the text.
//
// Syntax, with the meaning that it has in Hugging Face's `tokenizers` library
// and in the regex module of Python:
//   XY  X|Y               X, then Y; X, or Y if X does not lead to a match
//   X* X+ X? X{m} X{m,} X{m,n}   may be followed by ? (lazy) or + (possessive;
//                         only where X is one character)
//   (?:X) (X)             groups; nothing is captured
//   (?i:X) (?i)           ignores case, by simple case folding
//   (?=X) (?!X)           look-ahead
//   .                     any character but \n
//   [...] [^...]          ranges, escapes, nested classes, && (intersection)
//   \p{P} \pP \P{P} \p{^P}   categories and scripts of Unicode 16
//   \s \S \d \D \w \W     White_Space, Nd, and word characters (Unicode.h)
//   \b \B \A \z ^ $       see RegexAnchors
//   \n \r \t \f \v \a \e \xHH \x{H} \uHHHH, and \ before punctuation
//
// Look-behind, back-references, atomic and conditional groups, other flags, and
// unlimited repetitions of what may match the empty text are Unsupported.
//
// Thread-safety: a Regex is immutable and may be shared.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEX_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEX_H

#include "formats/support/Status.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace air {

struct RegexProgram;

/// What ^ and $ mean.
enum class RegexAnchors : uint8_t {
  Text,  ///< ^ is \A, and $ matches at the end and before a final \n
  Lines, ///< they match at the beginning and at the end of each line
};

class Regex {
public:
  /// Compiles an expression in UTF-8. Errors, mostly with a position in
  /// characters: Corrupt for a syntax error, Unsupported for syntax that is not
  /// listed above, and for an expression that is too large.
  static Result<Regex> compile(std::string_view pattern,
                               RegexAnchors anchors = RegexAnchors::Text);

  /// Creates an expression, without compiling, from the `words` that code() of
  /// a compiled expression has returned. It finds the same matches. Corrupt if
  /// the words are not those of an expression; they may come from a damaged or
  /// malicious file.
  static Result<Regex> load(std::span<const uint32_t> words);

  const RegexProgram &program() const { return *compiled; }
  /// The compiled expression as words (RegexCode.h).
  std::vector<uint32_t> code() const;

private:
  explicit Regex(std::shared_ptr<const RegexProgram> made)
      : compiled(std::move(made)) {}
  std::shared_ptr<const RegexProgram> compiled;
};

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEX_H
