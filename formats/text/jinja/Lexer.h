//===- Lexer.h - a template as tokens ---------------------------*- C++ -*-===//
//
// Splits a template into the text between tags and the tokens inside tags,
// according to the rules of Jinja 3.1 with the options that chat templates are
// written for. trim_blocks removes the line break right after a {% %} or {# #}
// tag. lstrip_blocks removes the white space before such a tag if nothing else
// precedes the tag on its line. A '-' inside either end of a tag, as in {%- or
// -}}, removes all white space on that side; a '+' keeps the white space that
// the options would remove. One line break at the end of the template is always
// dropped.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_LEXER_H
#define AIRPACK_FORMATS_TEXT_JINJA_LEXER_H

#include "formats/support/Status.h"
#include "formats/text/jinja/Value.h"

namespace air::jinja {

struct Place {
  uint32_t line = 1;
  uint32_t column = 1; ///< in characters, from 1
};

/// The place of the first character after `before`, which is the beginning of
/// a template.
Place placeAfter(std::string_view before);
/// "line 3, column 7"
std::string placeName(Place place);
/// "line 3, column 7: MESSAGE"
std::string atPlace(Place place, const std::string &message);

/// The most decimal digits of an integer: Python's default for
/// sys.set_int_max_str_digits.
inline constexpr size_t kMostDigits = 4300;

struct Token {
  enum Kind : uint8_t {
    Data, ///< text of the template
    OutputBegin,
    OutputEnd,
    TagBegin,
    TagEnd,
    Name,
    String,
    Number,
    Operator,
    End,
  };
  Kind kind = End;
  Place place;
  std::string name; ///< the text of a Name or an Operator
  Value value;      ///< the value of Data, a String or a Number
};

/// Returns the tokens of the template `source`. The last one is an End token.
/// Errors: Corrupt for a syntax error and for bytes that are not UTF-8;
/// Unsupported for the escape \N{...}. The message gives the line and column.
Result<std::vector<Token>> tokenize(std::string_view source);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_LEXER_H
