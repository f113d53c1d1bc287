//===- Text.h - characters that remember where they came from ---*- C++ -*-===//
//
// Templates handle text as Python does, as a sequence of code points. Each
// character also carries a mark, the taint, that says whether it came from the
// caller's data rather than from the template. Because the mark is a bit of
// the character, every operation on text preserves it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_TEXT_H
#define AIRPACK_FORMATS_TEXT_JINJA_TEXT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air::jinja {

using Text = std::u32string;
using TextView = std::u32string_view;

inline constexpr char32_t kTaint = 0x80000000U; ///< the mark of a character
inline constexpr char32_t codeOf(char32_t c) { return c & ~kTaint; }

/// The bytes [begin, end) of a UTF-8 text. All of them are tainted.
struct TaintedSpan {
  size_t begin;
  size_t end;
  bool operator==(const TaintedSpan &) const = default;
};

/// Decodes UTF-8. Each maximal ill-formed part becomes U+FFFD.
Text toText(std::string_view utf8, bool tainted = false);
/// Encodes the characters as UTF-8. The result does not say which of them were
/// tainted.
std::string toUtf8(TextView text);
/// Encodes the characters and lists the tainted bytes, ascending and disjoint.
std::string toUtf8(TextView text, std::vector<TaintedSpan> &tainted);
Text plain(TextView text); ///< the text without taint

// These functions compare code points and ignore which of them are tainted.
int compareText(TextView a, TextView b);
bool equalText(TextView a, TextView b);
bool equalText(TextView a, std::string_view ascii);
size_t findText(TextView text, TextView part, size_t from = 0);
size_t findLastText(TextView text, TextView part); ///< npos if there is none

// Whether str.isspace, isalpha, ... of Python return True for the character.
// For a few digits and numbers, the answer differs (docs/chat-templates.md).
bool isSpace(char32_t c);
bool isAlpha(char32_t c);
bool isDigit(char32_t c);   ///< also superscripts and circled digits
bool isDecimal(char32_t c); ///< category Nd
bool isNumeric(char32_t c); ///< categories Nd, Nl and No
bool isPrintable(char32_t c);

// The properties Uppercase, Lowercase and Cased of Unicode, and the category
// Lt.
bool isUpper(char32_t c);
bool isLower(char32_t c);
bool isTitle(char32_t c);
bool isCased(char32_t c);
// str.isupper and str.islower of Python.
bool isUpperText(TextView text);
bool isLowerText(TextView text);

// These functions append one to three characters, the full case mapping of
// Unicode (SpecialCasing.txt), as Python's str methods do.
void appendUpper(char32_t c, Text &out);
void appendTitle(char32_t c, Text &out);
void appendFolded(char32_t c, Text &out); ///< as str.casefold
/// Appends the lower case of text[at]. That of U+03A3, the Greek capital sigma,
/// depends on whether it is the last letter of a word in `text`.
void appendLower(TextView text, size_t at, Text &out);
Text lowered(TextView text); ///< as str.lower

/// Strips white space, or the characters of `set` if it is given.
TextView strip(TextView text, bool left, bool right,
               const TextView *set = nullptr);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_TEXT_H
