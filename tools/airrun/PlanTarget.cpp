//===- PlanTarget.cpp - the target that airrun runs -------------*- C++ -*-===//
#include "tools/airrun/PlanTarget.h"

#include "formats/machine/MachineProfile.h"
#include "formats/plan/PlanConvert.h"
#include "runtime/exec/TargetChoice.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <vector>

namespace air {

namespace {

/// How well a target fits a GPU; a larger value is better.
using Fit = std::tuple<bool, uint32_t, bool, int64_t>;

/// The number in the name of an architecture, such as 90 in "sm_90a".
uint32_t numberOf(std::string_view arch) {
  uint32_t number = 0;
  const size_t digits = arch.find_first_of("0123456789");
  if (digits != std::string_view::npos) {
    std::from_chars(arch.data() + digits, arch.data() + arch.size(), number);
  }
  return number;
}

/// Returns how well the target fits the GPU, or nullopt if the GPU cannot run
/// it.
Result<std::optional<Fit>> fitOf(const GpuTarget &target,
                                 const rt::CudaFacts &gpu) {
  std::string_view arch = target.arch;
  AIR_ASSIGN_OR_RETURN(const bool runsCode,
                       rt::cudaRunsCode(gpu.capability, arch));
  if (!runsCode) {
    if (target.ptxArch.empty()) {
      return std::optional<Fit>();
    }
    arch = target.ptxArch;
    AIR_ASSIGN_OR_RETURN(const bool runsPtx,
                         rt::cudaRunsCode(gpu.capability, arch));
    if (!runsPtx) {
      return std::optional<Fit>();
    }
  }
  const int64_t difference =
      int64_t{target.multiprocessors} - int64_t{gpu.multiprocessors};
  return std::optional<Fit>(Fit(runsCode, numberOf(arch), arch.ends_with('a'),
                                difference < 0 ? difference : -difference));
}

/// Whether the target has kernels for the CPU.
bool usesCpu(const plan::Plan &target) {
  return std::ranges::any_of(*target.executables(),
                             [](const plan::Executable *executable) {
                               return executable->device() == 0;
                             });
}

/// Returns the targets for GPUs. If such a target also has kernels for the CPU,
/// and this machine's CPU cannot run them, the target is left out. `lacks` is
/// set to the reason for the first target that is left out.
std::vector<GpuTarget> gpuTargets(const PlanFile &file, Status &lacks) {
  std::vector<GpuTarget> targets;
  const MachineProfile host = hostProfile();
  for (uint32_t i = 0; i < file.targets(); ++i) {
    const plan::Plan &target = file.target(i);
    const plan::Device *gpu = rt::gpuOf(target);
    if (gpu == nullptr) {
      continue;
    }
    if (usesCpu(target)) {
      const Status runs = checkRunsOn(fromPlan(*target.machine()), host);
      if (!runs.isOk()) {
        lacks = lacks.isOk() ? runs : lacks;
        continue;
      }
    }
    targets.push_back({i, gpu->arch()->str(),
                       gpu->ptx_arch() == nullptr ? "" : gpu->ptx_arch()->str(),
                       gpu->multiprocessors()});
  }
  return targets;
}

} // namespace

Result<std::optional<uint32_t>>
chooseGpuTarget(std::span<const GpuTarget> targets,
                std::span<const rt::CudaFacts> gpus) {
  std::optional<uint32_t> best;
  Fit bestFit;
  for (const GpuTarget &target : targets) {
    std::optional<Fit> fit;
    for (const rt::CudaFacts &gpu : gpus) {
      AIR_ASSIGN_OR_RETURN(const std::optional<Fit> one, fitOf(target, gpu));
      // A session uses the first GPU that can run the kernels and has as many
      // multiprocessors as they were made for, or else the first GPU that can
      // run them.
      const bool isBetter =
          one && (!fit || (std::get<3>(*one) == 0 && std::get<3>(*fit) != 0));
      fit = isBetter ? one : fit;
    }
    if (fit && (!best || *fit > bestFit)) {
      best = target.target;
      bestFit = *fit;
    }
  }
  return best;
}

Result<uint32_t> chooseTarget(const PlanFile &file, const std::string &device) {
  Status lacks = Status::ok();
  const std::vector<GpuTarget> forGpus = gpuTargets(file, lacks);
  if (device == kCpuDevice || (device.empty() && forGpus.empty())) {
    Result<uint32_t> cpu = rt::chooseCpuTarget(file, hostProfile());
    if (cpu || lacks.isOk() || device == kCpuDevice) {
      return cpu;
    }
    return lacks.withContext("this machine's CPU can run none of the plan's "
                             "targets, which are " +
                             rt::targetList(file));
  }
  Result<std::vector<rt::CudaFacts>> gpus = rt::CudaDriver::listGpus(device);
  if (!gpus) {
    if (!device.empty()) {
      return gpus.status();
    }
    // Without a driver or a GPU, the plan can still run if it has a target for
    // the CPU.
    Result<uint32_t> cpu = rt::chooseCpuTarget(file, hostProfile());
    return cpu ? cpu
               : Result<uint32_t>(
                     cpu.status().withContext(gpus.status().message()));
  }
  AIR_ASSIGN_OR_RETURN(const std::optional<uint32_t> target,
                       chooseGpuTarget(forGpus, *gpus));
  if (target) {
    return *target;
  }
  std::string names;
  for (const rt::CudaFacts &gpu : *gpus) {
    names += (names.empty() ? "" : ", ") + rt::gpuLabel(gpu);
  }
  const std::string which =
      "GPU " + names + " can run none of the plan's targets, which are " +
      rt::targetList(file) + (lacks.isOk() ? "" : "; " + lacks.message());
  if (!device.empty()) {
    return mismatchError(
        which + (lacks.isOk() ? "; choose another --device, or pack the model "
                                "with the --target of the GPU that is to run "
                                "it"
                              : ""));
  }
  Result<uint32_t> cpu = rt::chooseCpuTarget(file, hostProfile());
  return cpu ? cpu : Result<uint32_t>(cpu.status().withContext(which));
}

} // namespace air
