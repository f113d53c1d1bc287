//===- RamDemand.cpp - the RAM that a plan module needs -------------------===//
#include "compiler/transforms/RamDemand.h"

#include "compiler/dialect/plan/PlanDialect.h"
#include "compiler/planner/WeightUses.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/ReferencedBytes.h"
#include "formats/plan/TileRows.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/Digest.h"

#include <algorithm>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

uint64_t processBytesOf(ModuleOp module, uint64_t vocabularyBytes) {
  // airrun keeps a copy of the metadata, which contains all digests.
  // processBytes() already includes the first MiB of them, so only the rest is
  // added.
  constexpr uint64_t kFreeDigestBytes = uint64_t{1} << 20;
  const uint64_t chunkBytes = digestChunkBytes(plan::SegmentKind::Weights);
  uint64_t digests = 0;
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    digests += segment.getRawBytes() / chunkBytes * sizeof(Digest);
  }
  return processBytes(vocabularyBytes) + digests -
         std::min(digests, kFreeDigestBytes);
}

RamDemand ramDemandOf(ModuleOp module, const MachineProfile &profile,
                      uint64_t vocabularyBytes, bool reference) {
  RamDemand demand;
  demand.threads = profile.cores;
  demand.process = processBytesOf(module, vocabularyBytes);
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (segment.getKind() == SegmentKind::Kernels) {
      demand.kernels += segment.getRawBytes();
    }
  }
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (segment.getCodec() != Codec::None) {
      demand.staging =
          codedStagingBytes(digestChunkBytes(plan::SegmentKind::Weights));
    }
  }
  for (LimitsOp limits : module.getOps<LimitsOp>()) {
    demand.activations = limits.getArenaBytes().value_or(0);
  }
  for (KvOp kv : module.getOps<KvOp>()) {
    demand.kvPageBytes += static_cast<uint64_t>(kv.getPageBytes());
    demand.kvPageTokens = kv.getPageTokens();
    demand.context = kv.getContext();
    demand.slots = kv.getSlots();
  }
  module.walk([&](DispatchOp dispatch) {
    demand.scratchPerThread =
        std::max<uint64_t>(demand.scratchPerThread, dispatch.getScratchBytes());
  });
  if (reference) {
    uint64_t largest = 0;
    for (TensorOp tensor : module.getOps<TensorOp>()) {
      if (tensor.getRows() > 1 &&
          tensor.getLayout().getValue() == Layout::X16) {
        largest = std::max<uint64_t>(
            largest, tensor.getBytes() / ceilDiv(tensor.getRows(), kX16Rows));
      }
    }
    demand.staging = stagingBytes(largest);
  }
  return demand;
}

namespace {

/// Collects which bytes of each segment of weights the steps read.
class UseCollector {
public:
  explicit UseCollector(ModuleOp module) {
    for (SegmentOp segment : module.getOps<SegmentOp>()) {
      if (segment.getKind() == SegmentKind::Weights) {
        indexOf[segment.getSymNameAttr()] = found.size();
        found.emplace_back();
      }
    }
    for (TensorOp tensor : module.getOps<TensorOp>()) {
      if (tensor.getSegmentAttr() && tensor.getOffset()) {
        tensors[tensor.getSymNameAttr()] = tensor;
      }
    }
  }

  void add(StepOp step, uint32_t index) {
    if (step.getKind() == StepKind::Embed) {
      return; // embed steps gather rows and need no whole segment
    }
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
        if (binding.getKind() == BindingKind::Tensor) {
          add(dispatch, tensors.lookup(binding.getTarget().getAttr()), index);
        }
      }
    }
  }

  const std::vector<WeightUse> &of(size_t segment) const {
    return found[segment];
  }

private:
  void add(DispatchOp dispatch, TensorOp tensor, uint32_t index) {
    auto segment = tensor ? indexOf.find(tensor.getSegmentAttr().getAttr())
                          : indexOf.end();
    if (segment == indexOf.end()) {
      return;
    }
    HalfOpenRange rows = {0, tensor.getRows()};
    if (dispatch.getFirstTile() && tensor.getRows() > 1) {
      rows.begin = *dispatch.getFirstTile() * dispatch.getRowsPerTile();
      rows.end = std::min<uint64_t>(rows.end, *dispatch.getEndTile() *
                                                  dispatch.getRowsPerTile());
    }
    const HalfOpenRange bytes =
        bytesOfRows(tensor.getLayout().getValue(), tensor.getRows(),
                    tensor.getBytes(), rows);
    const uint64_t offset = *tensor.getOffset();
    found[segment->second].push_back({offset + bytes.begin, offset + bytes.end,
                                      index, tensor.getRows() == 1});
  }

  llvm::DenseMap<StringAttr, size_t> indexOf; // segment -> index
  llvm::DenseMap<StringAttr, TensorOp> tensors;
  std::vector<std::vector<WeightUse>> found; // uses of each segment
};

} // namespace

WeightProblem weightProblemOf(ModuleOp module) {
  WeightProblem problem;
  UseCollector uses(module);
  for (ProgramOp program : module.getOps<ProgramOp>()) {
    uint32_t index = 0;
    for (StepOp step : program.getOps<StepOp>()) {
      uses.add(step, index++);
    }
    problem.steps = std::max(problem.steps, index);
  }
  const uint64_t chunkBytes = digestChunkBytes(plan::SegmentKind::Weights);
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (segment.getKind() == SegmentKind::Weights) {
      const std::vector<WeightUse> &used = uses.of(problem.weights.size());
      problem.weights.push_back(
          dividedSegment(segment.getRawBytes(), chunkBytes, used));
      if (segment.getCodec() != Codec::None) {
        problem.weights.back().unitBytes = chunkBytes;
      }
    } else if (segment.getKind() == SegmentKind::Table) {
      problem.tables.push_back(segment.getRawBytes());
    }
  }
  return problem;
}

RamLimit ramLimitOf(const PlacementOptions &options,
                    const MachineProfile &profile) {
  RamLimit limit = {profile.memoryBytes, "target '" + profile.name + "' has",
                    options.streams};
  if (options.ram != 0) {
    limit.bytes = options.ram;
    limit.giver = "--ram gives";
  }
  if (options.pinned >= 0) {
    limit.pinned = static_cast<uint32_t>(options.pinned);
  }
  return limit;
}

} // namespace air::compiler
