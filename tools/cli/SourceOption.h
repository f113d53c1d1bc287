//===- SourceOption.h - the option --source ---------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_CLI_SOURCEOPTION_H
#define AIRPACK_TOOLS_CLI_SOURCEOPTION_H

#include "formats/support/Status.h"
#include "tools/cli/CommandLine.h"

#include <string>

namespace air::cli {

/// The option that states where to find the model files that a plan refers to.
Option sourceOption();

/// The error if --source is given for the plan `path`, which contains its
/// weights.
Status noSourceNeeded(const std::string &path);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_SOURCEOPTION_H
