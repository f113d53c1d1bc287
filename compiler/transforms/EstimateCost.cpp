//===- EstimateCost.cpp - the RAM ledger and the predicted decode pass ----===//
#include "compiler/planner/CostModel.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/RamDemand.h"
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
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    AIR_RETURN_IF_ERROR(accountRam(builder, profile));
    predictDecode(builder, profile);
    return Status::ok();
  }

  Status accountRam(OpBuilder &builder, const MachineProfile &profile) {
    ModuleOp module = getOperation();
    AIR_ASSIGN_OR_RETURN(RamBudget budget,
                         planBudget(ramDemandOf(module, profile),
                                    profile.memoryBytes, profile.name));
    BudgetOp::create(builder, module.getLoc(), Tier::Ram, budget.capacity);
    for (const LedgerItem &item : budget.items) {
      BudgetItemOp::create(builder, module.getLoc(), item.name, Tier::Ram,
                           item.bytes);
    }
    return Status::ok();
  }

  void predictDecode(OpBuilder &builder, const MachineProfile &profile) {
    ModuleOp module = getOperation();
    uint64_t bytes = 0;
    for (ProgramOp program : module.getOps<ProgramOp>()) {
      if (program.getMinTokens() == 1) {
        program.walk(
            [&](DispatchOp dispatch) { bytes += dispatch.getWeightBytes(); });
      }
    }
    PassPrediction prediction =
        predictPass({{"dram", bytes, profile.memoryBandwidth}});
    SmallVector<Attribute> links;
    for (const LinkLoad &load : prediction.links) {
      links.push_back(LinkAttr::get(builder.getContext(), load.link,
                                    static_cast<int64_t>(load.bytesPerPass),
                                    static_cast<int64_t>(load.bandwidth)));
    }
    PredictionOp::create(builder, module.getLoc(), "decode",
                         builder.getArrayAttr(links), prediction.nanoseconds,
                         prediction.limit);
  }
};

} // namespace
} // namespace air::compiler
