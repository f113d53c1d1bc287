//===- Commands.h - the commands of airpack ---------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_COMMANDS_H
#define AIRPACK_TOOLS_AIRPACK_COMMANDS_H

#include "tools/cli/CommandLine.h"

namespace air::compiler {
struct CompileOptions;
} // namespace air::compiler

namespace air {

struct MachineProfile;

/// The command `airpack MODEL --target ...`.
cli::Command packCommand();
/// The value of --pin, in percent, with which all weights stay in RAM.
inline constexpr int64_t kAllPercent = 100;
Status runPack(const cli::Invocation &invocation);

/// The command `airpack inspect PLAN|MODEL`.
cli::Command inspectCommand();
Status runInspect(const cli::Invocation &invocation);

/// The command `airpack verify PLAN`.
cli::Command verifyCommand();
Status runVerify(const cli::Invocation &invocation);

/// Refuses --vram 0.
Status checkVram(uint64_t bytes);

/// Reads --cpu-layers into `options`, whose target is set. Returns Usage for
/// anything but `auto` and a number from 0 to 65535, and, if the target is
/// "host", for layers on the CPU together with --vram 0.
Status readCpuLayers(const cli::Invocation &invocation,
                     compiler::CompileOptions &options);

/// Refuses --cpu-layers if `machine`, the target of `options`, has no GPU.
Status checkCpuLayers(const compiler::CompileOptions &options,
                      const MachineProfile &machine);

cli::Option makeOption(std::string name, std::string shortName,
                       cli::ValueKind kind, std::string valueName,
                       std::string help, std::string defaultText = "");

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_COMMANDS_H
