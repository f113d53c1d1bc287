//===- BestCpuLayers.cpp - compares predictions of several plans ----------===//
#include "compiler/driver/BestCpuLayers.h"

#include "compiler/planner/CpuLayers.h"
#include "formats/support/CountText.h"

#include <optional>
#include <utility>

namespace air::compiler {
namespace {

/// Compiles the model with this number of layers on the CPU up to the pass
/// schedule-reads. Returns what the plan needs: the memory, and the traffic and
/// arithmetic of a pass.
Result<ModelNeeds> needsWith(const Compiler &loaded, CompileOptions options,
                             uint64_t cpuLayers) {
  options.cpuLayers = cpuLayers;
  if (cpuLayers == 0) {
    // The option --activations is refused if the GPU computes all layers. It is
    // left out here, because this plan only serves to find the number of layers
    // that the CPU should compute.
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

PassPrediction predict(const GpuNeeds &gpu, const GpuPlacement &placement,
                       const MachineProfile &machine) {
  GpuPassBytes pass = passOf(gpu);
  setPlacement(pass, placement);
  return predictGpuPass(pass, machine);
}

/// What the profile does not state, although the time of a pass depends on it.
std::string unknownRates(const PassPrediction &prediction) {
  std::string names;
  for (const LinkLoad &load : prediction.links) {
    if (load.bytesPerPass == 0 || load.bandwidth != 0) {
      continue;
    }
    names += names.empty() ? "" : ", ";
    names += load.link == "vram"   ? "the bandwidth of VRAM"
             : load.link == "pcie" ? "the rate of copies to the GPU"
             : load.link == "dram" ? "the bandwidth of RAM"
             : load.link == "disk" ? "the bandwidth of the disk"
                                   : "the arithmetic rate of the CPU";
  }
  return names;
}

BestCpuLayers allOnGpu(const std::string &why) {
  return {0, "--cpu-layers auto: the GPU computes all layers, because " + why};
}

BestCpuLayers rateIsUnknown(const PassPrediction &prediction) {
  return allOnGpu("the time of a pass cannot be predicted: the target does not "
                  "state " +
                  unknownRates(prediction) +
                  "; give a number of layers, or a profile of airrun probe");
}

} // namespace

Result<BestCpuLayers> bestCpuLayers(const Compiler &loaded,
                                    CompileOptions options) {
  const MachineProfile &machine = *options.machine;
  AIR_ASSIGN_OR_RETURN(const ModelNeeds all, needsWith(loaded, options, 0));
  const Result<GpuPlacement> onGpu = planGpu(all.gpu->demand, all.gpu->limits);
  if (all.layers < 2 || (onGpu && onGpu->copiedBytes() == 0)) {
    return BestCpuLayers();
  }
  const Result<ModelNeeds> one = needsWith(loaded, options, 1);
  if (one.status().code() == ErrorCode::Unsupported) {
    return allOnGpu("the CPU cannot compute the first one: " +
                    one.status().message());
  }
  AIR_RETURN_IF_ERROR(one.status());
  const std::optional<CpuLayerChoice> choice =
      chooseCpuLayers({one->gpu->demand, one->gpu->limits,
                       one->gpu->weightLayers, one->layers, passOf(*one->gpu)},
                      machine);
  if (!choice) {
    // By the estimates, no plan with layers on the CPU fits. If the plan with
    // all layers on the GPU does not fit either, no note is needed: the caller
    // compiles that plan, and the error says what is missing.
    return onGpu ? allOnGpu("with no number of layers on the CPU does the plan "
                            "fit into VRAM and RAM")
                 : BestCpuLayers();
  }
  if (choice->prediction.nanoseconds == 0) {
    return rateIsUnknown(choice->prediction);
  }
  // chooseCpuLayers() assumes that a layer takes as many bytes on the CPU as on
  // the GPU. The sizes on the CPU are computed here, and decide whether the
  // chosen number is used.
  const Result<ModelNeeds> chosen = needsWith(loaded, options, choice->layers);
  const std::string number =
      countOf(choice->layers, "layer") + " on the CPU would be fastest, but ";
  if (chosen.status().code() == ErrorCode::Unsupported) {
    return allOnGpu(
        number + "the CPU cannot compute them: " + chosen.status().message());
  }
  AIR_RETURN_IF_ERROR(chosen.status());
  const Result<GpuPlacement> placement =
      planGpu(chosen->gpu->demand, chosen->gpu->limits);
  if (!placement) {
    return allOnGpu(number +
                    "they do not fit: " + placement.status().message());
  }
  const PassPrediction split = predict(*chosen->gpu, *placement, machine);
  if (!onGpu) {
    return BestCpuLayers{choice->layers, ""};
  }
  const PassPrediction alone = predict(*all.gpu, *onGpu, machine);
  if (split.nanoseconds == 0 || alone.nanoseconds == 0) {
    return rateIsUnknown(split.nanoseconds == 0 ? split : alone);
  }
  return BestCpuLayers{
      split.nanoseconds < alone.nanoseconds ? choice->layers : 0, ""};
}

} // namespace air::compiler
