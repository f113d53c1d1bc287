//===- Render.h - pieces that help, man page and errors share ---*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_RENDER_H
#define AIRPACK_TOOLS_CLI_RENDER_H

#include "tools/cli/CommandLine.h"

namespace air::cli {

/// The shortest decimal text that reads back as `value`: "0.5", "4096".
std::string formatNumber(double value);

/// "N", or the choices joined by '|', or "VALUE" if the table has neither.
std::string valueNameOf(const Option &option);

/// "-n, --predict N".
std::string optionHeading(const Option &option);

/// "1 to 64", "at least 1", "at most 64", or "" without a range.
std::string rangeText(const Option &option);

/// The option's help with its range and default: "... (1 to 64; default 4)".
std::string optionHelp(const Option &option);

/// "airrun tokenize PLAN|MODEL [OPTIONS]".
std::string usageLine(const Tool &tool, const Command &command);

/// The options of every tool: --help and --version.
const std::vector<Option> &commonOptions();

struct ExitCode {
  int code;
  const char *meaning;
};
const std::vector<ExitCode> &exitCodes();

/// "NAME 0.1.0".
std::string versionText(const Tool &tool);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_RENDER_H
