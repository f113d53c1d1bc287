//===- RegexCoverage.h - whether matches leave text out ---------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEXCOVERAGE_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEXCOVERAGE_H

#include "formats/text/regex/Regex.h"

namespace air {

/// Whether every text is a sequence of matches without gaps. To find out, the
/// function tries all texts of up to three characters, with one character for
/// each class of characters that the expression distinguishes. Also false if
/// there is a look-ahead at more than one character, or if there are more than
/// 48 classes.
bool matchesAllText(const Regex &regex);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEXCOVERAGE_H
