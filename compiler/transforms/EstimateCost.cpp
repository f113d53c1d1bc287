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
    AIR_ASSIGN_OR_RETURN(const CpuArithmetic arithmetic, arithmeticOf(profile));
    std::vector<LinkLoad> always = {
        {"dram", decodeWeightBytes(module), profile.memoryBandwidth}};
    if (arithmetic.operands != 0) {
      always.push_back({"cpu", arithmetic.operands, arithmetic.rate});
    }
    for (PlacementOp placement : module.getOps<PlacementOp>()) {
      predictDecode(placement, always, profile);
    }
    return Status::ok();
  }

  /// The arithmetic of the CPU's matmuls in a decode pass. Both fields are 0 if
  /// the rate of the CPU is not known.
  struct CpuArithmetic {
    uint64_t operands = 0; ///< bytes of vector operands
    uint64_t rate = 0;     ///< bytes/s of all cores
  };
  Result<CpuArithmetic> arithmeticOf(const MachineProfile &profile) {
    double bytes = 0;
    CpuArithmetic arithmetic;
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      if (program.getMinTokens() == 1) {
        AIR_ASSIGN_OR_RETURN(
            arithmetic.rate,
            decodeArithmetic(program, profile,
                             [&](StepOp, double more) { bytes += more; }));
      }
    }
    arithmetic.operands = static_cast<uint64_t>(bytes);
    return arithmetic;
  }

  /// Predicts a pass of a plan for a GPU. The GPU reads the weights of its
  /// layers from VRAM. Some of them are first copied there from RAM, and some
  /// of the copied ones are first read from the disk.
  Status predictGpu(const MachineProfile &profile) {
    GpuPassBytes pass;
    pass.weights = decodeWeightBytesOf(getOperation(), /*onGpu=*/true);
    pass.onCpu = decodeWeightBytesOf(getOperation(), /*onGpu=*/false);
    if (pass.onCpu != 0) {
      AIR_ASSIGN_OR_RETURN(const CpuArithmetic arithmetic,
                           arithmeticOf(profile));
      pass.operands = arithmetic.operands;
      pass.operandRate = arithmetic.rate;
    }
    for (PlacementOp placement : getOperation().getOps<PlacementOp>()) {
      pass.copied = bytesOf<DeviceStreamOp>(placement);
      pass.read = bytesOf<StreamOp>(placement);
      pass.ring =
          static_cast<uint64_t>(placement.getDeviceRingBytes().value_or(0));
      pass.ramRing = placement.getRingBytes();
      addPrediction(placement, predictGpuPass(pass, profile));
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
