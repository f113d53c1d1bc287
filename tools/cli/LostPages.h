//===- LostPages.h - a mapped file that changes while in use ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_LOSTPAGES_H
#define AIRPACK_TOOLS_CLI_LOSTPAGES_H

#include <string>

namespace air::cli {

/// After this call, reading a page of a MappedFile that is gone ends the
/// process. (A page is gone if the file was truncated or its disk has failed.)
/// The process removes temporary files of unfinished outputs, prints one line
/// "TOOL: ..." to standard error, and ends with the exit code of ErrorCode::Io.
/// A SIGBUS with any other cause is handled as before the call. This function
/// is called once, by runTool().
void endOnLostPages(const std::string &toolName);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_LOSTPAGES_H
