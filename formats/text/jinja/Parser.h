//===- Parser.h - tokens to a program ---------------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_PARSER_H
#define AIRPACK_FORMATS_TEXT_JINJA_PARSER_H

#include "formats/text/jinja/Program.h"

namespace air::jinja {

/// Parses the grammar of Jinja 3.1 with loop controls and `generation` blocks.
/// Errors, with line and column: Corrupt for what no version of Jinja accepts,
/// and Unsupported for tags, filters and tests that are not known here, for
/// inheritance and imports, for the escape \N in a string, and for nesting
/// beyond 150 levels. As in Jinja, an unknown filter or test within an `if`
/// block or a conditional expression is an error only when it runs.
Result<Body> parseTemplate(std::string_view source);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_PARSER_H
