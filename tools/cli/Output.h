//===- Output.h - text to standard output -----------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_OUTPUT_H
#define AIRPACK_TOOLS_CLI_OUTPUT_H

#include "formats/support/Status.h"

#include <string>
#include <string_view>
#include <vector>

namespace air::cli {

/// Writes to standard output and flushes it. Returns an Io error with the
/// system's reason on failure.
Status writeOut(std::string_view text);

/// Prints each note as a line "note: ..." on standard error.
void printNotes(const std::vector<std::string> &notes);

/// printf into a string of any length.
std::string format(const char *pattern, ...)
    __attribute__((format(printf, 1, 2)));

/// `text`, escaped by printable() of formats/support and truncated after 16
/// KiB. Names from files and from the command line can then neither break the
/// line nor send commands to the terminal.
std::string oneLine(std::string_view text);

/// Reopens each standard stream that the parent process closed, such that every
/// use of it fails. Otherwise the next file to be opened would get the stream's
/// descriptor, and messages would end up in that file.
void occupyStandardStreams();

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_OUTPUT_H
