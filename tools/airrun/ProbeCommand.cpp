//===- ProbeCommand.cpp - this machine, measured ----------------*- C++ -*-===//
#include "tools/airrun/ProbeCommand.h"

#include "formats/machine/ProbeCache.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/hal/cpu/probe/CpuProbe.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/ProbeReport.h"
#include "tools/cli/OutputFile.h"
#include "tools/cli/ProbeFile.h"

namespace air {
namespace {

Result<MachineProfile> measuredHost(uint32_t threads, double seconds) {
  MachineProfile profile = hostProfile();
  rt::CpuProbeOptions options;
  options.threads = threads;
  options.memoryBytes = profile.memoryBytes;
  options.features = profile.features;
  options.seconds = seconds;
  AIR_ASSIGN_OR_RETURN(rt::CpuProbeResult result, rt::probeCpu(options));
  profile.cpu = std::move(result.rates);
  profile.memoryBandwidth = result.memoryBandwidth;
  profile.measured = true;
  return profile;
}

} // namespace

cli::Command probeCommand() {
  cli::Command command;
  command.name = "probe";
  command.summary =
      "Measure what decides between variants of kernels on this machine: the "
      "arithmetic of a core, ways of reading memory, tiles and barriers. Other "
      "programs that run at the same time disturb it.";
  cli::Option save;
  save.name = "--save";
  save.help = "Remember the profile in $XDG_CACHE_HOME/airpack/probe.json "
              "(~/.cache if that is unset). From then on airpack --target host "
              "chooses kernels by it.";
  cli::Option json;
  json.name = "--json";
  json.help = "Print the profile of the machine as JSON, for airpack --target, "
              "instead of tables.";
  cli::Option seconds;
  seconds.name = "--seconds";
  seconds.kind = cli::ValueKind::Number;
  seconds.valueName = "SECONDS";
  seconds.help = "Measure for about this long, but everything at least three "
                 "times.";
  seconds.defaultText = "12";
  seconds.minimum = 0;
  seconds.maximum = 3600;
  cli::Option threads = threadsOption();
  threads.help = "Number of threads that measure together.";
  threads.defaultText = "one per core";
  command.options = {{.name = "--output",
                      .shortName = "-o",
                      .kind = cli::ValueKind::String,
                      .valueName = "FILE",
                      .help = "Also write the profile as JSON to a file."},
                     save,
                     json,
                     seconds,
                     threads};
  command.examples = {"airrun probe --save", "airrun probe -o machine.json"};
  return command;
}

Status runProbe(const cli::Invocation &invocation) {
  AtomicFile file;
  const std::optional<std::string> path = invocation.text("--output");
  if (path) {
    AIR_ASSIGN_OR_RETURN(file, cli::openOutput(*path));
  }
  AtomicFile saved;
  if (invocation.has("--save") && invocation.has("--threads")) {
    return usageError("--save remembers how this machine performs with one "
                      "thread per core; leave out --threads");
  }
  if (invocation.has("--save")) {
    AIR_ASSIGN_OR_RETURN(saved, cli::openProbeFile());
  }
  const auto threads = static_cast<uint32_t>(
      invocation.integer("--threads").value_or(rt::cpuTopology().cores));
  const double seconds =
      invocation.number("--seconds").value_or(rt::CpuProbeOptions{}.seconds);
  AIR_ASSIGN_OR_RETURN(MachineProfile profile, measuredHost(threads, seconds));
  if (invocation.has("--threads")) {
    // What the profile states as the rates of all cores was measured with this
    // number of threads, so the profile must state as many cores.
    profile.cores = threads;
  }
  const std::string json = toJson(profile);
  if (path) {
    AIR_RETURN_IF_ERROR(file.reserve(json.size()));
    AIR_RETURN_IF_ERROR(file.writeAt(
        0, {reinterpret_cast<const uint8_t *>(json.data()), json.size()}));
    AIR_RETURN_IF_ERROR(file.commit(json.size()));
  }
  if (invocation.has("--save")) {
    AIR_RETURN_IF_ERROR(cli::saveProbe(saved, profile));
    cli::printNotes({"saved in '" + cli::oneLine(saved.path()) +
                     "'; airpack --target host uses it"});
  }
  return writeOut(
      invocation.has("--json") ? json : probeReport(profile, hostCpuModel()));
}

} // namespace air
