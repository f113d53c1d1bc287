//===- GpuDemand.cpp - the memory that a plan on a GPU needs --------------===//
#include "compiler/transforms/GpuDemand.h"

#include "compiler/dialect/plan/PlanDialect.h"
#include "compiler/transforms/RamDemand.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

namespace {

VramDemand vramDemandOf(ModuleOp module) {
  VramDemand demand;
  demand.segments = weightProblemOf(module);
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    (segment.getKind() == SegmentKind::Kernels ? demand.kernels
                                               : demand.weights) +=
        alignUp(segment.getRawBytes(), kDeviceAlignment);
  }
  const uint64_t kernels = llvm::range_size(module.getOps<ExecutableOp>());
  demand.kernels = std::max(demand.kernels, kernels * kGpuKernelBytes);
  for (LimitsOp limits : module.getOps<LimitsOp>()) {
    demand.activations = limits.getArenaBytes().value_or(0);
    demand.tokens = limits.getMaxTokens();
    demand.outputs = limits.getMaxOutputs();
  }
  for (KvOp kv : module.getOps<KvOp>()) {
    demand.kvPageBytes = static_cast<uint64_t>(kv.getPageBytes());
    demand.kvPageTokens = kv.getPageTokens();
    demand.context = kv.getContext();
    demand.slots = kv.getSlots();
  }
  return demand;
}

/// The size in bytes of the logits of the largest batch.
uint64_t logitsBytesOf(ModuleOp module) {
  uint64_t bytes = 0;
  for (BufferOp buffer : module.getOps<BufferOp>()) {
    if (buffer.getIsOutput()) {
      bytes += buffer.getBytes().value_or(0);
    }
  }
  return bytes;
}

} // namespace

GpuDemand gpuDemandOf(ModuleOp module, uint64_t vocabularyBytes) {
  return {vramDemandOf(module), processBytesOf(module, vocabularyBytes),
          logitsBytesOf(module)};
}

VramLimit vramLimitOf(uint64_t vram, const MachineProfile &profile) {
  if (vram != 0) {
    return {vram, "--vram gives"};
  }
  return {profile.gpus.front().memoryBytes,
          "target '" + profile.name + "' has"};
}

Status checkGpuOptions(int pin, llvm::StringRef codec, bool reference) {
  if (pin >= 0) {
    return unsupportedError("--pin has no effect, because a plan for a "
                            "GPU keeps as many weights as fit in the GPU's "
                            "memory; leave the option out");
  }
  if (codec == "planes" || codec == "zstd") {
    return unsupportedError("--codec " + codec.str() +
                            ": weights for a GPU cannot be stored with a "
                            "codec; leave the option out");
  }
  if (reference) {
    return unsupportedError("--reference: the matrices of a plan for a GPU "
                            "must be stored in the plan; leave the option "
                            "out");
  }
  return Status::ok();
}

} // namespace air::compiler
