//===- SpecialCases.h - case mappings to several characters -----*- C++ -*-===//
//
// Simple case mappings replace one character by another. Full case mappings
// (SpecialCasing.txt of Unicode) also replace one character by several: the
// upper case of U+FB01 is "FI". This file has what full case mappings need in
// addition to simple ones and to general categories. make_case_tables.py
// generates the tables: the mappings from Python's str methods, and the
// properties from Unicode 16. All functions are thread-safe.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_UNICODE_SPECIALCASES_H
#define AIRPACK_FORMATS_TEXT_UNICODE_SPECIALCASES_H

#include <cstdint>
#include <span>

namespace air {

/// The full upper case of a character whose upper or title case has several
/// characters, whatever the characters around it are. Empty for all others,
/// whose simple upper case is also the full one.
std::span<const uint32_t> specialUpperCase(uint32_t codePoint);
/// The same for the title case.
std::span<const uint32_t> specialTitleCase(uint32_t codePoint);

/// The properties Other_Uppercase and Other_Lowercase. Characters with these
/// properties count as upper and lower case although their categories are not
/// Lu and Ll. U+2160, the Roman numeral one, is an example.
bool isOtherUppercase(uint32_t codePoint);
bool isOtherLowercase(uint32_t codePoint);

/// Whether a character has the property Case_Ignorable, although its category
/// is none of Mn, Me, Cf, Lm and Sk. All characters of these categories have
/// the property.
bool isOtherCaseIgnorable(uint32_t codePoint);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_UNICODE_SPECIALCASES_H
