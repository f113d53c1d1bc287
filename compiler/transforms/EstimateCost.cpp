//===- EstimateCost.cpp - the predicted decode pass of each placement -----===//
#include "compiler/planner/GpuPlan.h"
#include "compiler/transforms/DecodeArithmetic.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/TargetAttr.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_ESTIMATECOST
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct EstimateCost : StatusPass<impl::EstimateCostBase<EstimateCost>> {
  using StatusPass::StatusPass;

  Status run() override {
    ModuleOp module = getOperation();
    AIR_ASSIGN_OR_RETURN(MachineProfile profile, targetOf(module));
    if (!profile.gpus.empty()) {
      return predictGpu(profile);
    }
    double operandBytes = 0;
    uint64_t operandRate = 0;
    for (ProgramOp program : module.getOps<ProgramOp>()) {
      if (program.getMinTokens() == 1) {
        AIR_ASSIGN_OR_RETURN(
            operandRate,
            decodeArithmetic(program, profile, [&](StepOp, double bytes) {
              operandBytes += bytes;
            }));
      }
    }
    std::vector<LinkLoad> always = {
        {"dram", decodeWeightBytes(module), profile.memoryBandwidth}};
    if (operandBytes > 0) {
      always.push_back(
          {"cpu", static_cast<uint64_t>(operandBytes), operandRate});
    }
    for (PlacementOp placement : module.getOps<PlacementOp>()) {
      predictDecode(placement, always, profile);
    }
    return Status::ok();
  }

  /// Predicts a pass that reads all weights from the memory of the GPU, after
  /// some of them have been copied there.
  Status predictGpu(const MachineProfile &profile) {
    const uint64_t weightBytes = decodeWeightBytes(getOperation());
    for (PlacementOp placement : getOperation().getOps<PlacementOp>()) {
      uint64_t copied = 0;
      for (DeviceStreamOp copy : placement.getOps<DeviceStreamOp>()) {
        copied += copy.getBytes();
      }
      addPrediction(placement,
                    predictGpuPass(weightBytes, copied, profile.gpus.front()));
    }
    return Status::ok();
  }

  static void predictDecode(PlacementOp placement, std::vector<LinkLoad> loads,
                            const MachineProfile &profile) {
    uint64_t streamed = 0;
    for (StreamOp read : placement.getOps<StreamOp>()) {
      streamed += read.getBytes();
    }
    if (streamed != 0) {
      loads.push_back({"disk", streamed, profile.diskBandwidth});
    }
    addPrediction(placement,
                  predictPass(std::move(loads), keptShares(profile)));
  }

  static void addPrediction(PlacementOp placement,
                            const PassPrediction &prediction) {
    OpBuilder builder = OpBuilder::atBlockEnd(&placement.getBody().front());
    SmallVector<Attribute> links;
    for (const LinkLoad &load : prediction.links) {
      links.push_back(LinkAttr::get(builder.getContext(), load.link,
                                    static_cast<int64_t>(load.bytesPerPass),
                                    static_cast<int64_t>(load.bandwidth)));
    }
    PredictionOp::create(builder, placement.getLoc(), "decode",
                         builder.getArrayAttr(links), prediction.nanoseconds,
                         prediction.limit);
  }
};

} // namespace
} // namespace air::compiler
