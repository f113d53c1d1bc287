//===- EcmaPattern.h - expressions as JavaScript reads them -----*- C++ -*-===//
//
// The `pattern` of a JSON schema is an expression of ECMA-262. What our own
// regular expressions (formats/text/regex) read in another way is rewritten,
// namely \d \w \s . and sets. An expression is refused if it contains what
// ECMA-262 does not have, or what cannot be rewritten.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_ECMAPATTERN_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_ECMAPATTERN_H

#include "formats/support/Status.h"
#include "formats/text/regex/RegexSyntax.h"

#include <string_view>

namespace air::rt {

/// Errors: Corrupt for a syntax error, Unsupported for what is not supported,
/// each with the position in characters.
Result<RegexSyntax> parseEcmaPattern(std::string_view pattern);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_ECMAPATTERN_H
