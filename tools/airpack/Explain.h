//===- Explain.h - airpack MODEL --explain ----------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_EXPLAIN_H
#define AIRPACK_TOOLS_AIRPACK_EXPLAIN_H

#include "compiler/driver/Compiler.h"
#include "tools/cli/CommandLine.h"

#include <vector>

namespace air {

/// The options --explain, --vram and --cpu.
std::vector<cli::Option> explainOptions();

/// Refuses options that need --explain if it was not given, and options that
/// have no meaning together with it.
Status checkExplainOptions(const cli::Invocation &invocation);

/// Prints how the model would run on the target. The value of options.machine
/// is not used. The weights are not read, and no file is written.
Status runExplain(const cli::Invocation &invocation,
                  compiler::CompileOptions options);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_EXPLAIN_H
