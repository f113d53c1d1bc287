//===- Lexer.h - a template as tokens ---------------------------*- C++ -*-===//
//
// Splits a template into the text between tags and the tokens inside tags. It
// applies the options that chat templates are written for: trim_blocks removes
// the line break after a tag, lstrip_blocks the white space before a tag that
// begins its line, and one line break at the end of the template is dropped.
// '-' and '+' at the sides of a tag override this. The rules are those of Jinja
// 3.1.
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

/// Errors, with line and column: Corrupt for a syntax error and for bytes that
/// are not UTF-8.
Result<std::vector<Token>> tokenize(std::string_view source);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_LEXER_H
