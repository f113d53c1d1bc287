//===- PlaceWeights.cpp - divides weights between RAM and disk ------------===//
#include "compiler/planner/Budget.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/RamDemand.h"
#include "compiler/transforms/TargetAttr.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_PLACEWEIGHTS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct PlaceWeights : StatusPass<impl::PlaceWeightsBase<PlaceWeights>> {
  using StatusPass::StatusPass;

  Status run() override {
    ModuleOp module = getOperation();
    AIR_ASSIGN_OR_RETURN(MachineProfile profile, targetOf(module));
    const RamLimit limit = ramLimitOf({ram, disk, pin}, profile);
    AIR_ASSIGN_OR_RETURN(
        std::vector<BudgetedPlacement> placements,
        planPlacements(weightProblemOf(module),
                       ramDemandOf(module, profile, vocabularyBytes, reference),
                       limit));
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    for (const BudgetedPlacement &placement : placements) {
      OpBuilder::InsertionGuard guard(builder);
      addPlacement(builder, placement);
    }
    DecisionOp::create(builder, module.getLoc(), "ram",
                       limit.bytes == 0 ? "unlimited"
                                        : std::to_string(limit.bytes),
                       ram != 0 ? DecidedBy::User : DecidedBy::Default);
    if (!disk) {
      DecisionOp::create(builder, module.getLoc(), "disk", "0",
                         DecidedBy::User);
    }
    if (limit.pinned) {
      DecisionOp::create(builder, module.getLoc(), "pin",
                         std::to_string(*limit.pinned), DecidedBy::User);
    }
    return Status::ok();
  }

  void addPlacement(OpBuilder &builder, const BudgetedPlacement &placement) {
    ModuleOp module = getOperation();
    const Location loc = module.getLoc();
    SmallVector<int64_t> resident;
    SmallVector<FlatSymbolRefAttr> names; // of the segments of weights
    size_t table = 0;
    for (SegmentOp segment : module.getOps<SegmentOp>()) {
      uint64_t bytes = segment.getRawBytes();
      if (segment.getKind() == SegmentKind::Weights) {
        bytes = placement.weights.weights[names.size()];
        names.push_back(FlatSymbolRefAttr::get(segment.getSymNameAttr()));
      } else if (segment.getKind() == SegmentKind::Table) {
        bytes = placement.weights.tables[table++];
      }
      resident.push_back(static_cast<int64_t>(bytes));
    }
    const auto size = [&](uint64_t bytes) {
      return builder.getI64IntegerAttr(static_cast<int64_t>(bytes));
    };
    auto op = PlacementOp::create(builder, loc,
                                  builder.getDenseI64ArrayAttr(resident),
                                  size(placement.weights.ringBytes));
    builder.createBlock(&op.getBody());
    BudgetOp::create(builder, loc, Tier::Ram, placement.budget);
    for (const LedgerItem &item : placement.items) {
      BudgetItemOp::create(builder, loc, item.name, Tier::Ram, item.bytes);
    }
    for (const StreamedRead &read : placement.weights.reads) {
      StreamOp::create(builder, loc, names[read.segment], size(read.offset),
                       size(read.bytes), size(read.ringOffset),
                       size(read.beforeStep),
                       builder.getI64IntegerAttr(read.afterStep));
    }
  }
};

} // namespace
} // namespace air::compiler
