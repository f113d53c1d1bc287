//===- ProgramWriter.h - a program as words ---------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_PROGRAMWRITER_H
#define AIRPACK_FORMATS_TEXT_JINJA_PROGRAMWRITER_H

#include "formats/text/jinja/Program.h"
#include "formats/text/jinja/ProgramCode.h"

namespace air::jinja {

/// Returns the words and texts of a program that the parser has made. Equal
/// texts are stored once.
ProgramCode writeProgram(const Body &body);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_PROGRAMWRITER_H
