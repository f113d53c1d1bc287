//===- BestCpuLayers.cpp - compares predictions of several plans ----------===//
#include "compiler/driver/BestCpuLayers.h"

#include "compiler/planner/CpuLayers.h"

#include <optional>
#include <utility>

namespace air::compiler {
namespace {

/// The needs of the plan with this number of layers on the CPU.
Result<ModelNeeds> needsWith(const Compiler &loaded, CompileOptions options,
                             uint64_t cpuLayers) {
  options.cpuLayers = cpuLayers;
  if (cpuLayers == 0) {
    // A plan in which the GPU computes all layers is refused if this option is
    // set. Here, the plan only serves to find the number of layers.
    options.activations.clear();
  }
  AIR_ASSIGN_OR_RETURN(Compiler compiler, loaded.again(std::move(options)));
  AIR_RETURN_IF_ERROR(compiler.run("schedule-reads"));
  return compiler.needs();
}

GpuPassBytes passOf(const GpuNeeds &gpu) {
  return {.weights = gpu.decodeBytes,
          .onCpu = gpu.cpuDecodeBytes,
          .operands = gpu.cpuOperands,
          .operandRate = gpu.cpuOperandRate};
}

/// The predicted nanoseconds of a decode pass; 0 if they are not known.
uint64_t nanosecondsOf(const GpuNeeds &gpu, const GpuPlacement &placement,
                       const MachineProfile &machine) {
  GpuPassBytes pass = passOf(gpu);
  setPlacement(pass, placement);
  return predictGpuPass(pass, machine).nanoseconds;
}

} // namespace

Result<uint64_t> bestCpuLayers(const Compiler &loaded, CompileOptions options) {
  const MachineProfile &machine = *options.machine;
  AIR_ASSIGN_OR_RETURN(const ModelNeeds all, needsWith(loaded, options, 0));
  const Result<GpuPlacement> onGpu = planGpu(all.gpu->demand, all.gpu->limits);
  if (all.layers < 2 || (onGpu && onGpu->copiedBytes() == 0)) {
    return uint64_t{0};
  }
  const Result<ModelNeeds> one = needsWith(loaded, options, 1);
  if (one.status().code() == ErrorCode::Unsupported) {
    // The CPU cannot compute the first layer.
    return uint64_t{0};
  }
  AIR_RETURN_IF_ERROR(one.status());
  const std::optional<CpuLayerChoice> choice =
      chooseCpuLayers({one->gpu->demand, one->gpu->limits,
                       one->gpu->weightLayers, one->layers, passOf(*one->gpu)},
                      machine);
  if (!choice) {
    return uint64_t{0};
  }
  // The choice assumes the sizes of layers on the GPU. The real sizes decide.
  const Result<ModelNeeds> chosen = needsWith(loaded, options, choice->layers);
  if (chosen.status().code() == ErrorCode::Unsupported) {
    // The CPU cannot compute one of these layers.
    return uint64_t{0};
  }
  AIR_RETURN_IF_ERROR(chosen.status());
  const Result<GpuPlacement> placement =
      planGpu(chosen->gpu->demand, chosen->gpu->limits);
  if (!placement) {
    return uint64_t{0};
  }
  const uint64_t split = nanosecondsOf(*chosen->gpu, *placement, machine);
  const uint64_t alone =
      onGpu ? nanosecondsOf(*all.gpu, *onGpu, machine) : UINT64_MAX;
  return split != 0 && alone != 0 && split < alone ? choice->layers
                                                   : uint64_t{0};
}

} // namespace air::compiler
