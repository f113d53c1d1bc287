//===- ProbeCommand.cpp - this machine, measured ----------------*- C++ -*-===//
#include "tools/airrun/ProbeCommand.h"

#include "formats/machine/MachineProfile.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/hal/cpu/ReadBandwidth.h"
#include "tools/airrun/Common.h"
#include "tools/cli/OutputFile.h"

namespace air {
cli::Command probeCommand() {
  cli::Command command;
  command.name = "probe";
  command.summary = "Measure this machine's memory bandwidth and print a "
                    "profile of the machine for airpack --target.";
  command.options = {
      {.name = "--output",
       .shortName = "-o",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Write the profile to a file instead of standard output."},
      threadsOption()};
  command.examples = {"airrun probe -o machine.json"};
  return command;
}

Status runProbe(const cli::Invocation &invocation) {
  AtomicFile file;
  const std::optional<std::string> path = invocation.text("--output");
  if (path) {
    AIR_ASSIGN_OR_RETURN(file, cli::openOutput(*path));
  }
  MachineProfile profile = hostProfile();
  uint32_t threads = static_cast<uint32_t>(
      invocation.integer("--threads").value_or(rt::cpuTopology().cores));
  AIR_ASSIGN_OR_RETURN(
      double bandwidth,
      rt::measureDramBandwidth(threads, profile.memoryBytes, 7, 20));
  profile.memoryBandwidth = static_cast<uint64_t>(bandwidth);
  profile.measured = true;
  std::string json = toJson(profile);
  if (!path) {
    return writeOut(json);
  }
  AIR_RETURN_IF_ERROR(file.reserve(json.size()));
  AIR_RETURN_IF_ERROR(file.writeAt(
      0, {reinterpret_cast<const uint8_t *>(json.data()), json.size()}));
  return file.commit(json.size());
}

} // namespace air
