//===- RegexCode.h - a compiled expression as words -------------*- C++ -*-===//
//
// A plan contains the expressions of its pre-tokenizer in this form, so that
// airrun does not compile them. docs/plan-format.md lists the words.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEXCODE_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEXCODE_H

#include "formats/text/regex/RegexProgram.h"

#include <span>
#include <vector>

namespace air {

/// Returns the words of a program that compileRegex() has made.
std::vector<uint32_t> writeRegex(const RegexProgram &program);

/// Decodes a program from words, which may come from a damaged or malicious
/// file. The result is a program with which the matcher reads nothing outside
/// the program and the text, and ends in time linear in the length of the text
/// (RegexCheck.h). Corrupt if the words are not such a program; the message is
/// one line that says what is wrong.
Result<RegexProgram> readRegex(std::span<const uint32_t> words);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEXCODE_H
