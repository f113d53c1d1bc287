//===- GpuDemand.cpp - the memory that a plan on a GPU needs --------------===//
#include "compiler/transforms/GpuDemand.h"

#include "compiler/dialect/plan/PlanDialect.h"
#include "compiler/transforms/KernelBuild.h"
#include "compiler/transforms/RamDemand.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

namespace {

/// The weights and tables that the GPU uses, as weightProblemOf() describes
/// them.
WeightProblem gpuWeightsOf(ModuleOp module,
                           const llvm::DenseSet<StringAttr> &ofCpu) {
  const WeightProblem all = weightProblemOf(module);
  WeightProblem problem;
  problem.steps = all.steps;
  size_t weights = 0;
  size_t tables = 0;
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    const bool isOfGpu = !ofCpu.contains(segment.getSymNameAttr());
    if (segment.getKind() == SegmentKind::Weights) {
      const WeightSegment &known = all.weights[weights++];
      if (isOfGpu) {
        problem.weights.push_back(known);
      }
    } else if (segment.getKind() == SegmentKind::Table) {
      const uint64_t bytes = all.tables[tables++];
      if (isOfGpu) {
        problem.tables.push_back(bytes);
      }
    }
  }
  return problem;
}

VramDemand vramDemandOf(ModuleOp module,
                        const llvm::DenseSet<StringAttr> &ofCpu) {
  VramDemand demand;
  demand.segments = gpuWeightsOf(module, ofCpu);
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (!ofCpu.contains(segment.getSymNameAttr())) {
      (segment.getKind() == SegmentKind::Kernels ? demand.kernels
                                                 : demand.weights) +=
          alignUp(segment.getRawBytes(), kDeviceAlignment);
    }
  }
  uint64_t kernels = 0;
  for (ExecutableOp executable : module.getOps<ExecutableOp>()) {
    kernels += executable.getDevice() != 0 ? 1 : 0;
  }
  demand.kernels = std::max(demand.kernels, kernels * kGpuKernelBytes);
  for (LimitsOp limits : module.getOps<LimitsOp>()) {
    demand.activations = limits.getGpuArenaBytes().value_or(0);
    demand.tokens = limits.getMaxTokens();
    demand.outputs = limits.getMaxOutputs();
  }
  for (KvOp kv : module.getOps<KvOp>()) {
    if (kv.getDevice()) {
      demand.kvPageBytes = static_cast<uint64_t>(kv.getPageBytes());
      demand.kvPageTokens = kv.getPageTokens();
      demand.context = kv.getContext();
      demand.slots = kv.getSlots();
    }
  }
  return demand;
}

CpuPartDemand cpuDemandOf(ModuleOp module, uint64_t threads,
                          const llvm::DenseSet<StringAttr> &ofCpu) {
  CpuPartDemand demand;
  if (ofCpu.empty()) {
    return demand;
  }
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (ofCpu.contains(segment.getSymNameAttr())) {
      (segment.getKind() == SegmentKind::Kernels ? demand.kernels
                                                 : demand.weights) +=
          segment.getRawBytes();
    }
  }
  for (ExecutableOp executable : module.getOps<ExecutableOp>()) {
    if (executable.getDevice() == 0) {
      demand.kernels =
          std::max(demand.kernels, executable.getEntries().size() *
                                       KernelBuild::kReservedBytes);
    }
  }
  for (LimitsOp limits : module.getOps<LimitsOp>()) {
    demand.activations = limits.getArenaBytes().value_or(0);
  }
  for (KvOp kv : module.getOps<KvOp>()) {
    if (!kv.getDevice()) {
      demand.kvPageBytes = static_cast<uint64_t>(kv.getPageBytes());
    }
  }
  uint64_t scratch = 0;
  module.walk([&](DispatchOp dispatch) {
    scratch = std::max<uint64_t>(scratch, dispatch.getScratchBytes());
  });
  demand.scratch = checkedMul(scratch, threads).value_or(UINT64_MAX);
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

llvm::DenseSet<StringAttr> cpuSegmentsOf(ModuleOp module) {
  llvm::DenseMap<StringAttr, StringAttr> segmentOf;
  for (TensorOp tensor : module.getOps<TensorOp>()) {
    if (FlatSymbolRefAttr segment = tensor.getSegmentAttr()) {
      segmentOf[tensor.getSymNameAttr()] = segment.getAttr();
    }
  }
  llvm::DenseSet<StringAttr> segments;
  module.walk([&](DispatchOp dispatch) {
    if (dispatch.getLaunch()) {
      return;
    }
    for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
      if (binding.getKind() == BindingKind::Tensor) {
        segments.insert(segmentOf.lookup(binding.getTarget().getAttr()));
      }
    }
  });
  for (ExecutableOp executable : module.getOps<ExecutableOp>()) {
    if (executable.getDevice() == 0 && executable.getSegmentAttr()) {
      segments.insert(executable.getSegmentAttr().getAttr());
    }
  }
  return segments;
}

GpuDemand gpuDemandOf(ModuleOp module, uint64_t vocabularyBytes,
                      uint64_t threads) {
  const llvm::DenseSet<StringAttr> ofCpu = cpuSegmentsOf(module);
  return {vramDemandOf(module, ofCpu), cpuDemandOf(module, threads, ofCpu),
          processBytesOf(module, vocabularyBytes), logitsBytesOf(module)};
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
