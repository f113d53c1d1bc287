//===- OutputFile.h - the file that -o names --------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_OUTPUTFILE_H
#define AIRPACK_TOOLS_CLI_OUTPUTFILE_H

#include "formats/support/AtomicFile.h"

#include <string>

namespace air::cli {

/// Calls AtomicFile::create and prints its notes on standard error. Call it
/// before the work whose result goes into the file, so that an output that
/// cannot be written is refused early.
Result<AtomicFile> openOutput(const std::string &path);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_OUTPUTFILE_H
