//===- RegexCheck.h - checks that matching takes linear time ----*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEXCHECK_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEXCHECK_H

#include "formats/support/Status.h"
#include "formats/text/regex/RegexProgram.h"

namespace air {

/// Checks that for every text, the matcher terminates in time linear in the
/// length of the text and needs only a bounded stack. The caller must have
/// checked that all rows, instructions and sets of positions that `program`
/// refers to exist. The check takes time linear in the size of the program.
/// Errors: Corrupt; the message is one line.
Status checkRegex(const RegexProgram &program);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEXCHECK_H
