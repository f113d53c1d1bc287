//===- Explain.cpp - airpack MODEL --explain ------------------------------===//
#include "tools/airpack/Explain.h"

#include "compiler/planner/Explain.h"
#include "tools/airpack/Commands.h"
#include "tools/airpack/ExplainText.h"
#include "tools/airpack/HostGpu.h"
#include "tools/cli/ByteSize.h"
#include "tools/cli/Output.h"
#include "tools/cli/ProbeFile.h"

#include <optional>
#include <utility>

namespace air {
namespace {

constexpr const char *kOnlyWithExplain[] = {"--cpu"};
constexpr const char *kNotWithExplain[] = {
    "--codec",    "--output", "--emit",       "--stop-after",
    "--tune",     "--times",  "--weightless", "--reference",
    "--threads",  "--pin",    "--progress",   "--dump-kernels",
    "--separate", "--from",   "--ptx",        "--kernel-cache"};

/// The machine that --target names, changed as the other options say.
Result<MachineProfile> machineFor(const cli::Invocation &invocation,
                                  const std::string &target) {
  const bool isSaved = target == "host" && !invocation.has("--no-probe-cache");
  // --explain must describe the plan that airpack would make, so a GPU is left
  // out here if airpack would not make a plan for it.
  const auto check = [&](const GpuProfile &gpu) {
    return canPlanForHostGpu(invocation, gpu);
  };
  AIR_ASSIGN_OR_RETURN(MachineProfile machine,
                       isSaved ? cli::resolveTarget(target, check)
                               : resolveMachine(target));
  if (const std::optional<std::string> cpu = invocation.text("--cpu")) {
    if (machine.gpus.empty()) {
      return usageError("--cpu replaces the CPU of a machine that has a GPU, "
                        "but target '" +
                        target + "' has no GPU; name the CPU with --target");
    }
    Result<MachineProfile> changed = withCpu(machine, *cpu);
    if (!changed) {
      return changed.status().withContext("--cpu");
    }
    if (*cpu == "host" && !invocation.has("--no-probe-cache")) {
      AIR_ASSIGN_OR_RETURN(changed, cli::resolveTarget(*cpu));
      changed->name = machine.name;
      changed->gpus = machine.gpus;
    }
    machine = std::move(*changed);
  }
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ram,
                       cli::ramOf(invocation));
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> vram,
                       cli::byteSizeOf(invocation, "--vram"));
  machine.memoryBytes = ram.value_or(machine.memoryBytes);
  const bool asksForCpu = vram == uint64_t{0} && target == "host";
  if (vram && !asksForCpu) {
    if (machine.gpus.empty()) {
      return usageError("--vram is the memory of a GPU, but target '" + target +
                        "' has no GPU; leave out --vram");
    }
    machine.gpus.front().memoryBytes = *vram;
  }
  return machine;
}

/// Makes `options` those of a plan for the CPU of the machine. `noPlan` says
/// why there is no plan for the GPU. If --cpu-layers was given, adds to
/// `noPlan` that this option has no effect.
void leaveOutGpu(compiler::CompileOptions &options, std::string &noPlan) {
  if (options.cpuLayers != 0 || options.choosesCpuLayers) {
    noPlan += "; --cpu-layers has no effect";
  }
  options.cpuLayers = 0;
  options.choosesCpuLayers = false;
  options.machine->gpus.clear();
}

} // namespace

std::vector<cli::Option> explainOptions() {
  using cli::ValueKind;
  return {
      makeOption(
          "--explain", "", ValueKind::Flag, "",
          "Write no plan, but report how the model would run on the target: "
          "what lies in VRAM, in RAM and on the disk, how many bytes are read "
          "or copied for each token, the speed and what limits it, and the "
          "largest context. If airpack makes plans for the target, the report "
          "shows the placement and the prediction of the plan that it would "
          "write with the same options and --codec none. Only the headers of "
          "the model are read. The target may also be a GPU for which there "
          "are no kernels yet."),
      makeOption(
          "--vram", "", ValueKind::String, "SIZE",
          "With a target that has a GPU: the size of the GPU's whole memory. "
          "1 GiB of it is reserved for the driver. SIZE is written as for "
          "--ram. With --target host, a size above 0 asks for a plan for the "
          "GPU, and 0 for a plan for the CPU.",
          "that of the target's GPU"),
      makeOption(
          "--cpu", "", ValueKind::String, "NAME|FILE",
          "With --explain and a GPU: the computer that contains the GPU. The "
          "names 'desktop', 'laptop', 'server' and 'host', and a file with a "
          "JSON profile, replace all of the target except its GPU: the CPU, "
          "the number of cores, the RAM and the disk. The name of any other "
          "built-in profile replaces only the CPU and the speed of the RAM.",
          "desktop or server, depending on the GPU"),
  };
}

Status checkExplainOptions(const cli::Invocation &invocation) {
  if (!invocation.has("--explain")) {
    for (const char *option : kOnlyWithExplain) {
      if (invocation.has(option)) {
        return usageError(std::string(option) +
                          " needs --explain, because a plan can only be made "
                          "for the machine that --target names; add --explain "
                          "or leave out " +
                          option);
      }
    }
    return Status::ok();
  }
  for (const char *option : kNotWithExplain) {
    if (invocation.has(option)) {
      return usageError(std::string(option) +
                        " cannot be combined with --explain, which neither "
                        "compiles kernels nor writes a plan; leave out one of "
                        "them");
    }
  }
  return Status::ok();
}

Status runExplain(const cli::Invocation &invocation,
                  compiler::CompileOptions options) {
  AIR_ASSIGN_OR_RETURN(const MachineProfile machine,
                       machineFor(invocation, options.target));
  AIR_RETURN_IF_ERROR(checkCpuLayers(options, machine));
  compiler::ExplainOptions choices;
  choices.isRamBudget = invocation.has("--ram");
  AIR_ASSIGN_OR_RETURN(choices.disk, cli::byteSizeOf(invocation, "--disk"));
  options.machine = machine;
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ram,
                       cli::ramOf(invocation));
  options.ram = ram.value_or(0);
  options.disk = choices.disk != uint64_t{0};
  // The choice of codecs would read samples of the weights, but only the header
  // of the model is read here.
  options.codec = "none";
  std::string noPlan;
  if (!machine.gpus.empty()) {
    noPlan = noPlanFor(machine.gpus.front());
    if (noPlan.empty() && invocation.has("--vram")) {
      options.vram = machine.gpus.front().memoryBytes;
      AIR_RETURN_IF_ERROR(checkVram(options.vram));
    }
  }
  if (!noPlan.empty()) {
    leaveOutGpu(options, noPlan);
  }
  AIR_ASSIGN_OR_RETURN(compiler::Compiler compiler,
                       compiler::Compiler::load(options));
  cli::printNotes(compiler.notes());
  Status passes = chooseCpuLayers(compiler, options);
  passes = passes.isOk() ? compiler.run("schedule-reads") : passes;
  if (passes.code() == ErrorCode::Unsupported &&
      !options.machine->gpus.empty()) {
    // No plan of this model can be made for this GPU, so the explanation
    // describes the plan for the CPU.
    noPlan = "none for this model: " + passes.message();
    leaveOutGpu(options, noPlan);
    AIR_ASSIGN_OR_RETURN(compiler, compiler.again(options));
    passes = compiler.run("schedule-reads");
  }
  AIR_RETURN_IF_ERROR(passes);
  AIR_ASSIGN_OR_RETURN(const compiler::ModelNeeds needs, compiler.needs());
  AIR_ASSIGN_OR_RETURN(const compiler::Explanation explanation,
                       compiler::explain(needs, machine, choices));
  const ModelSource &source = compiler.source();
  const ExplainSubject subject = {
      source.getString("general.name").value_or(""),
      source.getString("general.architecture").value_or(""), needs, machine,
      noPlan};
  return cli::writeOut(invocation.has("--json")
                           ? explanationJson(subject, explanation)
                           : explanationText(subject, explanation));
}

} // namespace air
