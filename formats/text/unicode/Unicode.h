//===- Unicode.h - properties of code points --------------------*- C++ -*-===//
//
// The properties of Unicode 16 that regular expressions ask for, from tables
// that make_tables.py generates. All functions are thread-safe.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_UNICODE_UNICODE_H
#define AIRPACK_FORMATS_TEXT_UNICODE_UNICODE_H

#include "formats/text/unicode/CodePointSet.h"

#include <optional>
#include <string>
#include <string_view>

namespace air {

/// The code points with a property that is written \p{NAME} in an expression: a
/// general category ("Lu"), a group of categories ("L"), or a script ("Han").
/// Names are case-sensitive. Returns nothing if the name is not known.
std::optional<CodePointSet> codePointsWith(std::string_view property);

/// The names that codePointsWith() knows, for messages: "C, Cc, ...".
std::string propertyList();

/// The characters that \s matches: the property White_Space.
const CodePointSet &whiteSpace();
/// The characters that \w stands for in Hugging Face's `tokenizers`
/// library: mainly letters, marks, digits, and connecting punctuation.
const CodePointSet &wordCharacters();

/// Adds all code points that differ only in case from a code point of the set,
/// such as U+017F (long s) if the set has "s". This is simple case folding
/// (CaseFolding.txt, status C and S), in which a code point never corresponds
/// to several: U+00DF does not count as "ss".
void addCaseVariants(CodePointSet &set);

/// The lower case of a character, whatever the characters around it are
/// (UnicodeData.txt, Simple_Lowercase_Mapping). The full mapping differs only
/// for kCapitalIWithDot, whose lower case is "i" and then kDotAbove.
uint32_t lowerCase(uint32_t codePoint);
inline constexpr uint32_t kCapitalIWithDot = 0x130;
inline constexpr uint32_t kDotAbove = 0x307;

/// Returns `text`, which must be valid UTF-8, with the full lower case of each
/// character, whatever the characters around it are.
std::string lowerCased(std::string_view text);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_UNICODE_UNICODE_H
