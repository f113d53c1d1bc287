//===- ProgramReader.h - words to a program ---------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_PROGRAMREADER_H
#define AIRPACK_FORMATS_TEXT_JINJA_PROGRAMREADER_H

#include "formats/support/Status.h"
#include "formats/text/jinja/Program.h"
#include "formats/text/jinja/ProgramCode.h"

namespace air::jinja {

/// Builds the tree of a program. The words may come from a damaged or malicious
/// file: the result is a program that the interpreter can run, or the error
/// Corrupt, which names the word that is wrong.
Result<Body> readProgram(const ProgramCode &code);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_PROGRAMREADER_H
