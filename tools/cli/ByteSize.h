//===- ByteSize.h - sizes on the command line -------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_BYTESIZE_H
#define AIRPACK_TOOLS_CLI_BYTESIZE_H

#include "formats/support/Status.h"
#include "tools/cli/CommandLine.h"

#include <cstdint>
#include <optional>
#include <string>

namespace air::cli {

/// Parses a number of bytes: a whole number, alone or directly followed by KiB,
/// MiB or GiB (2^10, 2^20, 2^30 bytes). The result is at most 2^63 - 1. A Usage
/// error quotes the text, and states what is accepted.
Result<uint64_t> parseByteSize(const std::string &text);

/// Returns the size that an option was given, or nullopt if it was not given.
/// Errors start with the option's name.
Result<std::optional<uint64_t>> byteSizeOf(const Invocation &invocation,
                                           const std::string &option);

/// Returns the size that --ram was given, or nullopt if it was not given. In
/// addition to the errors of byteSizeOf(), 0 is a Usage error.
Result<std::optional<uint64_t>> ramOf(const Invocation &invocation);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_BYTESIZE_H
