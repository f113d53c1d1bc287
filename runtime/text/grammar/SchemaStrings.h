//===- SchemaStrings.h - texts of JSON strings ------------------*- C++ -*-===//
//
// Two ways to write a character: in any way that JSON has, and in the one way
// of compact JSON. The latter is used where some texts must be left out, so
// that they cannot be written in another way.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASTRINGS_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASTRINGS_H

#include "runtime/text/grammar/GrammarBuilder.h"

#include <optional>
#include <string>
#include <vector>

namespace air::rt {

class SchemaStrings {
public:
  explicit SchemaStrings(GrammarBuilder &made) : builder(made) {}

  /// A string of `least` to `most` characters, with its quotes.
  GrammarSequence ofLength(uint32_t least, uint32_t most);
  /// A string other than `texts`, with its quotes.
  GrammarSymbol otherThan(const std::vector<std::string> &texts);
  /// A string with a match of a regular expression of ECMA-262. Errors:
  /// Corrupt or Unsupported, with the position in the expression.
  Result<GrammarSequence> matching(std::string_view pattern);

  /// The expression of a `format`, or null if the format is not known.
  static const char *patternOfFormat(std::string_view name);

private:
  /// One character of a set, in the one way of compact JSON.
  GrammarSymbol compact(CodePointSet characters);
  /// Any character, in any way.
  GrammarSymbol any();

  GrammarBuilder &builder;
  std::optional<GrammarSymbol> anyCharacter;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMASTRINGS_H
