//===- EcmaPattern.h - expressions as JavaScript reads them -----*- C++ -*-===//
//
// The `pattern` of a JSON schema is an expression of ECMA-262. Our own regular
// expressions (formats/text/regex) read \d \w \s . and sets in another way, so
// these are rewritten. An expression is refused if a part of it is not in
// ECMA-262 or cannot be rewritten.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_ECMAPATTERN_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_ECMAPATTERN_H

#include "formats/support/Status.h"
#include "formats/text/regex/RegexSyntax.h"

#include <string_view>

namespace air::rt {

/// Errors: Corrupt for a syntax error, Unsupported for what is not supported,
/// mostly with the position of a character of `pattern`, counted from 1.
Result<RegexSyntax> parseEcmaPattern(std::string_view pattern);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_ECMAPATTERN_H
