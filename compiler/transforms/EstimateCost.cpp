//===- EstimateCost.cpp - the predicted passes of each placement ----------===//
#include "compiler/planner/GpuPlan.h"
#include "compiler/transforms/PassArithmetic.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/TargetAttr.h"
#include "formats/plan/PredictedPhases.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_ESTIMATECOST
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct EstimateCost : StatusPass<impl::EstimateCostBase<EstimateCost>> {
  using StatusPass::StatusPass;

  Status run() override {
    AIR_ASSIGN_OR_RETURN(MachineProfile profile, targetOf(getOperation()));
    AIR_RETURN_IF_ERROR(predict("decode", 1, profile));
    return programFor(getOperation(), kVerifyTokens)
               ? predict("verify", kVerifyTokens, profile)
               : Status::ok();
  }

  /// Adds to each placement the prediction for passes of `tokens` tokens. Such
  /// a pass reads as many bytes of weights as a pass of one token. (Of an
  /// embedding table, it reads some rows more, which do not count.)
  Status predict(StringRef phase, uint64_t tokens,
                 const MachineProfile &profile) {
    ModuleOp module = getOperation();
    if (!profile.gpus.empty()) {
      return predictGpu(phase, tokens, profile);
    }
    AIR_ASSIGN_OR_RETURN(const CpuArithmetic arithmetic,
                         passArithmetic(module, tokens, profile));
    std::vector<LinkLoad> always = {
        {"dram", decodeWeightBytes(module), profile.memoryBandwidth}};
    if (arithmetic.operands != 0) {
      always.push_back({"cpu", arithmetic.operands, arithmetic.rate});
    }
    for (PlacementOp placement : module.getOps<PlacementOp>()) {
      predictCpu(placement, phase, always, profile);
    }
    return Status::ok();
  }

  /// Predicts a pass of a plan for a GPU. The GPU reads the weights of its
  /// layers from VRAM. Some of them are first copied there from RAM, and some
  /// of the copied ones are first read from the disk.
  Status predictGpu(StringRef phase, uint64_t tokens,
                    const MachineProfile &profile) {
    GpuPassBytes pass;
    pass.weights = decodeWeightBytesOf(getOperation(), /*onGpu=*/true);
    pass.onCpu = decodeWeightBytesOf(getOperation(), /*onGpu=*/false);
    if (pass.onCpu != 0) {
      AIR_ASSIGN_OR_RETURN(const CpuArithmetic arithmetic,
                           passArithmetic(getOperation(), tokens, profile));
      pass.operands = arithmetic.operands;
      pass.operandRate = arithmetic.rate;
    }
    for (PlacementOp placement : getOperation().getOps<PlacementOp>()) {
      pass.copied = bytesOf<DeviceStreamOp>(placement);
      pass.read = bytesOf<StreamOp>(placement);
      pass.ring =
          static_cast<uint64_t>(placement.getDeviceRingBytes().value_or(0));
      pass.ramRing = placement.getRingBytes();
      addPrediction(placement, phase, predictGpuPass(pass, profile));
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

  static void predictCpu(PlacementOp placement, StringRef phase,
                         std::vector<LinkLoad> loads,
                         const MachineProfile &profile) {
    const uint64_t streamed = bytesOf<StreamOp>(placement);
    if (streamed != 0) {
      loads.push_back({"disk", streamed, profile.diskBandwidth});
    }
    addPrediction(placement, phase,
                  predictPass(std::move(loads), keptShares(profile)));
  }

  static void addPrediction(PlacementOp placement, StringRef phase,
                            const PassPrediction &prediction) {
    OpBuilder builder = OpBuilder::atBlockEnd(&placement.getBody().front());
    SmallVector<Attribute> links;
    for (const LinkLoad &load : prediction.links) {
      links.push_back(LinkAttr::get(builder.getContext(), load.link,
                                    static_cast<int64_t>(load.bytesPerPass),
                                    static_cast<int64_t>(load.bandwidth)));
    }
    PredictionOp::create(builder, placement.getLoc(), phase,
                         builder.getArrayAttr(links), prediction.nanoseconds,
                         prediction.limit);
  }
};

} // namespace
} // namespace air::compiler
