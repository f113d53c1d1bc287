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

  /// Predicts a pass on a GPU, which reads all weights from the GPU's memory.
  /// It first copies some of them there from RAM, some of these after reading
  /// them from the disk.
  Status predictGpu(const MachineProfile &profile) {
    const uint64_t weightBytes = decodeWeightBytes(getOperation());
    for (PlacementOp placement : getOperation().getOps<PlacementOp>()) {
      addPrediction(
          placement,
          predictGpuPass({weightBytes, bytesOf<DeviceStreamOp>(placement),
                          bytesOf<StreamOp>(placement)},
                         profile));
    }
    return Status::ok();
  }

  /// The bytes that the ops of type `Op` in a placement move in a pass.
  template <typename Op> static uint64_t bytesOf(PlacementOp placement) {
    uint64_t bytes = 0;
    for (Op op : placement.getOps<Op>()) {
      bytes += op.getBytes();
    }
    return bytes;
  }

  static void predictDecode(PlacementOp placement, std::vector<LinkLoad> loads,
                            const MachineProfile &profile) {
    const uint64_t streamed = bytesOf<StreamOp>(placement);
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
