//===- Render.h - texts for --help, man pages and errors --------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_RENDER_H
#define AIRPACK_TOOLS_CLI_RENDER_H

#include "tools/cli/CommandLine.h"

namespace air::cli {

/// The shortest decimal text that reads back as `value`: "0.5", "4096".
/// Integers between -10^18 and 10^18 are written without an exponent, even if
/// the text would be shorter with one.
std::string formatNumber(double value);

/// The name of the option's value, such as "N". If the table has none, this is
/// the choices joined by '|', or "VALUE" if there are no choices either.
std::string valueNameOf(const Option &option);

/// The names of the option and of its value, such as "-n, --max-tokens N".
std::string optionHeading(const Option &option);

/// The range of the option's values, such as "1 to 64", "at least 1" or "at
/// most 64"; "" if there is no range.
std::string rangeText(const Option &option);

/// The option's help with its range and default: "... (1 to 64; default 4)".
std::string optionHelp(const Option &option);

/// The usage of a command, such as "airrun tokenize PLAN|MODEL [OPTIONS]".
std::string usageLine(const Tool &tool, const Command &command);

/// The options that every tool has: --help, --version and --completion.
const std::vector<Option> &commonOptions();

struct ExitCode {
  int code;
  const char *meaning;
};
const std::vector<ExitCode> &exitCodes();

/// The tool's name and version, such as "airrun 0.1.0".
std::string versionText(const Tool &tool);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_RENDER_H
