//===- RamDemand.cpp - the RAM that a plan module needs -------------------===//
#include "compiler/transforms/RamDemand.h"

#include "compiler/dialect/plan/PlanDialect.h"

#include <algorithm>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

RamDemand ramDemandOf(ModuleOp module, const MachineProfile &profile) {
  RamDemand demand;
  demand.threads = profile.cores;
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (segment.getTier() == Tier::Ram) {
      (segment.getKind() == SegmentKind::Kernels ? demand.kernels
                                                 : demand.weights) +=
          segment.getRawBytes();
    }
  }
  for (LimitsOp limits : module.getOps<LimitsOp>()) {
    demand.activations = limits.getArenaBytes().value_or(0);
  }
  for (KvOp kv : module.getOps<KvOp>()) {
    demand.kvPageBytes = static_cast<uint64_t>(kv.getPageBytes());
    demand.kvPageTokens = kv.getPageTokens();
    demand.context = kv.getContext();
    demand.slots = kv.getSlots();
  }
  module.walk([&](DispatchOp dispatch) {
    demand.scratchPerThread =
        std::max<uint64_t>(demand.scratchPerThread, dispatch.getScratchBytes());
  });
  return demand;
}

} // namespace air::compiler
