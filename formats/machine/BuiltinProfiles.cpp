//===- BuiltinProfiles.cpp - the built-in machine profiles ----------------===//
#include "formats/machine/GpuTable.h"
#include "formats/machine/MachineProfile.h"
#include "formats/machine/Microarchitecture.h"
#include "formats/support/CountText.h"
#include "formats/support/MappedFile.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace air {

namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

struct Builtin {
  const char *name;
  const char *arch;
  std::vector<std::string> features;
};

/// The x86-64 profiles are levels 3 and 4 of the psABI (only the features that
/// kernels use), a variant of each with dot products of bytes, a variant of
/// level 4 with dot products of bytes and of bfloat16, and a variant of level 4
/// that has tile registers as well. The aarch64 profiles are Armv8.0, Armv8.2
/// with dot products of bytes, and Armv8.6 with matrix multiplication of bytes.
/// The profiles in this list stand for no particular CPU, so they have no
/// CpuRates, and they assume two channels of DDR4-3200. All built-in profiles,
/// including those of CPUs (Microarchitecture.h), describe a machine of nominal
/// size: eight cores, 16 GiB of RAM and an NVMe disk.
const std::vector<Builtin> &builtins() {
  static const std::vector<Builtin> kBuiltins = {
      {"aarch64-dotprod", "aarch64", {"dotprod", "neon"}},
      {"aarch64-i8mm", "aarch64", {"dotprod", "i8mm", "neon"}},
      {"aarch64-neon", "aarch64", {"neon"}},
      {"x86-64-v3", "x86_64", {"avx2", "bmi2", "f16c", "fma"}},
      {"x86-64-v3-vnni", "x86_64", {"avx2", "avxvnni", "bmi2", "f16c", "fma"}},
      {"x86-64-v4",
       "x86_64",
       {"avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl",
        "bmi2", "f16c", "fma"}},
      {"x86-64-v4-amx",
       "x86_64",
       {"amx-bf16", "amx-int8", "amx-tile", "avx2", "avx512bf16", "avx512bw",
        "avx512cd", "avx512dq", "avx512f", "avx512vbmi", "avx512vl",
        "avx512vnni", "bmi2", "f16c", "fma"}},
      {"x86-64-v4-bf16",
       "x86_64",
       {"avx2", "avx512bf16", "avx512bw", "avx512cd", "avx512dq", "avx512f",
        "avx512vl", "avx512vnni", "bmi2", "f16c", "fma"}},
      {"x86-64-v4-vnni",
       "x86_64",
       {"avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl",
        "avx512vnni", "bmi2", "f16c", "fma"}},
  };
  return kBuiltins;
}

constexpr uint32_t kNominalCores = 8;
constexpr uint64_t kNominalMemory = 16 * kGiB;
constexpr uint64_t kNominalDisk = 3'000'000'000;

MachineProfile nominalMachine(const std::string &name, const std::string &arch,
                              const std::vector<std::string> &features) {
  MachineProfile profile;
  profile.name = name;
  profile.arch = arch;
  profile.features = features;
  profile.cores = kNominalCores;
  profile.memoryBytes = kNominalMemory;
  profile.memoryBandwidth = kNominalHostBandwidth;
  profile.diskBandwidth = kNominalDisk;
  return profile;
}

std::string join(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names) {
    text += text.empty() ? name : ", " + name;
  }
  return text;
}

/// The built-in profile called `name`; nullopt if there is none. In a profile
/// of a microarchitecture, the memory bandwidth is the one that `cores` cores
/// reach. `cores` has no effect on the number of cores in the profile.
std::optional<MachineProfile> builtinProfile(const std::string &name,
                                             uint32_t cores) {
  for (const Builtin &builtin : builtins()) {
    if (name == builtin.name) {
      return nominalMachine(builtin.name, builtin.arch, builtin.features);
    }
  }
  for (const Microarchitecture &cpu : microarchitectures()) {
    if (name == cpu.name) {
      MachineProfile profile = nominalMachine(cpu.name, cpu.arch, cpu.features);
      profile.memoryBandwidth =
          std::min(cores * cpu.rates.readBandwidth, cpu.memoryBandwidth);
      profile.cpu = cpu.rates;
      return profile;
    }
  }
  return std::nullopt;
}

std::string knownTargets() {
  return "CPU targets: host, " + join(builtinProfiles()) +
         ", or the path of a .json profile";
}

std::string gpuNames() {
  std::vector<std::string> names;
  for (const GpuProfile &gpu : builtinGpus()) {
    names.push_back(gpu.name);
  }
  return join(names);
}

/// The largest size in bytes of a file that is read as a machine profile. Even
/// a profile with as many rates as are allowed takes less than half of this, so
/// a larger file is something else.
constexpr uint64_t kMaxProfileBytes = uint64_t{1} << 20;

} // namespace

std::vector<std::string> builtinProfiles() {
  std::vector<std::string> names;
  for (const Builtin &builtin : builtins()) {
    names.emplace_back(builtin.name);
  }
  for (const Microarchitecture &cpu : microarchitectures()) {
    names.push_back(cpu.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<MachineProfile> resolveMachine(const std::string &spec) {
  if (spec == "host") {
    return hostProfile();
  }
  if (std::optional<MachineProfile> profile =
          builtinProfile(spec, kNominalCores)) {
    return std::move(*profile);
  }
  if (std::optional<MachineProfile> machine = machineWithGpu(spec)) {
    return std::move(*machine);
  }
  if (spec.ends_with(".json") || spec.find('/') != std::string::npos) {
    AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(spec));
    if (file.bytes().size() > kMaxProfileBytes) {
      return corruptError("'" + spec + "' has " +
                          std::to_string(file.bytes().size()) +
                          " bytes; a machine profile may have at most " +
                          std::to_string(kMaxProfileBytes));
    }
    return parseProfile(std::string(file.bytes().begin(), file.bytes().end()),
                        spec);
  }
  if (spec == "v100") {
    return unsupportedError(
        "target 'v100' is not supported: there are no kernels for GPUs of "
        "the Volta architecture, and none are planned; " +
        knownTargets());
  }
  return unsupportedError(
      "target '" + spec + "' is not known; " + knownTargets() + "; GPUs: " +
      gpuNames() + " (GPUs of AMD and Intel can only be used with --explain)");
}

Result<MachineProfile> resolveProfile(const std::string &spec) {
  AIR_ASSIGN_OR_RETURN(MachineProfile machine, resolveMachine(spec));
  if (machine.gpus.empty()) {
    return machine;
  }
  const GpuProfile &gpu = machine.gpus.front();
  if (gpu.backend != GpuBackend::Cuda) {
    return unsupportedError("target '" + spec + "' needs the " +
                            std::string(backendTitle(gpu.backend)) +
                            " backend, which this version does not have, so "
                            "this target can only be used with --explain; " +
                            knownTargets());
  }
  if (!canPlanFor(gpu)) {
    return unsupportedError(
        "target '" + spec + "' has a GPU with arch '" + gpu.arch + "' and " +
        countOf(gpu.multiprocessors, "multiprocessor") +
        "; kernels can only be made if the profile states an "
        "arch such as sm_86 and at least 1 multiprocessor; add what is missing "
        "to the profile");
  }
  return machine;
}

Result<MachineProfile> withCpu(const MachineProfile &machine,
                               const std::string &spec) {
  MachineProfile changed = machine;
  if (const std::optional<MachineProfile> cpu =
          builtinProfile(spec, machine.cores)) {
    changed.arch = cpu->arch;
    changed.features = cpu->features;
    changed.cpu = cpu->cpu;
    changed.memoryBandwidth = cpu->memoryBandwidth;
    changed.diskBeside = 0;
    changed.memoryBeside = 0;
    changed.measured = false;
    return changed;
  }
  if (std::optional<MachineProfile> host = hostClass(spec)) {
    changed = std::move(*host);
  } else {
    AIR_ASSIGN_OR_RETURN(changed, resolveMachine(spec));
    if (!changed.gpus.empty()) {
      return unsupportedError("'" + spec +
                              "' names a machine with a GPU, but a CPU is "
                              "needed here; " +
                              knownTargets());
    }
  }
  changed.name = machine.name;
  changed.gpus = machine.gpus;
  return changed;
}

KeptShares keptShares(const MachineProfile &machine) {
  return {keptShare(machine.diskBeside, machine.diskBandwidth),
          keptShare(machine.memoryBeside, machine.memoryBandwidth)};
}

Status checkRunsOn(const MachineProfile &plan, const MachineProfile &host) {
  auto differ = [](const std::string &field, const std::string &needs,
                   const std::string &has) {
    return mismatchError(field + ": the plan needs " + needs +
                         ", but this machine has " + has +
                         "; pack the model on this machine with --target host");
  };
  if (plan.arch != host.arch) {
    return differ("arch", plan.arch, host.arch);
  }
  std::vector<std::string> lacking;
  for (const std::string &feature : plan.features) {
    if (std::find(host.features.begin(), host.features.end(), feature) ==
        host.features.end()) {
      lacking.push_back(feature);
    }
  }
  return lacking.empty()
             ? Status::ok()
             : differ("features", join(lacking),
                      host.features.empty() ? "none" : join(host.features));
}

} // namespace air
