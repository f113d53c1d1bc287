//===- SchemaStrings.h - texts of JSON strings ------------------*- C++ -*-===//
//
// JSON can spell a character in several ways. If a string may contain any
// characters, its rule allows all spellings, unless delimiters are escaped. If
// the string must match a pattern, or differ from some texts, its rule allows
// only the spelling of compact JSON; otherwise, escapes could spell a text that
// must be excluded.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASTRINGS_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASTRINGS_H

#include "runtime/text/grammar/GrammarBuilder.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace air::rt {

class SchemaStrings {
public:
  /// With `marksEscaped`, strings are compact JSON in which < is written as
  /// \u003c, so that they cannot contain a delimiter such as </parameter>.
  explicit SchemaStrings(GrammarBuilder &made, bool marksEscaped = false)
      : builder(made), escapesMarks(marksEscaped) {}

  /// Returns `json` with every < as \u003c if delimiters are escaped.
  std::string spelled(std::string json) const;

  /// A string of `least` to `most` characters, with its quotes.
  GrammarSequence ofLength(uint32_t least, uint32_t most);
  /// Any string except `texts`, with its quotes.
  GrammarSymbol otherThan(const std::vector<std::string> &texts);
  /// A string that contains a match of a regular expression of ECMA-262.
  /// Errors: Corrupt or Unsupported, mostly with the position in the
  /// expression.
  Result<GrammarSequence> matching(std::string_view pattern);

private:
  /// One character of a set, written as compact JSON writes it.
  GrammarSymbol compact(const CodePointSet &characters);
  GrammarSymbol makeCompact(CodePointSet characters);
  Result<GrammarSequence> makeMatching(std::string_view pattern);
  /// Any character, written in any way that JSON allows or, if delimiters are
  /// escaped, as compact() writes it.
  GrammarSymbol any();

  GrammarBuilder &builder;
  bool escapesMarks;
  std::optional<GrammarSymbol> anyCharacter;
  /// The results of compact(). The key has the first and the last code point of
  /// each range of the set.
  std::map<std::vector<uint32_t>, GrammarSymbol> compacts;
  /// The results of matching(), by the pattern.
  std::map<std::string, GrammarSequence, std::less<>> matches;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASTRINGS_H
