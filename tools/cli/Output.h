//===- Output.h - text to standard output -----------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_OUTPUT_H
#define AIRPACK_TOOLS_CLI_OUTPUT_H

#include "formats/support/Status.h"

#include <string>
#include <string_view>
#include <vector>

namespace air::cli {

/// Writes and flushes; Io with the system's reason when that fails.
Status writeOut(std::string_view text);

/// One line "note: ..." each on standard error.
void printNotes(const std::vector<std::string> &notes);

/// printf into a string of any length.
std::string format(const char *pattern, ...)
    __attribute__((format(printf, 1, 2)));

/// `text` as printable() of formats/support has it, cut after 16 KiB: names
/// from files and the command line break no line and send the terminal no
/// commands.
std::string oneLine(std::string_view text);

/// Opens standard streams that the caller closed in such a way that using them
/// fails: else the next file opened would take their place, and messages would
/// end up in it.
void occupyStandardStreams();

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_OUTPUT_H
