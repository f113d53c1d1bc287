//===- ScheduleReads.cpp - the order in which segments are needed ---------===//
#include "compiler/planner/Schedule.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_SCHEDULEREADS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct ScheduleReads : StatusPass<impl::ScheduleReadsBase<ScheduleReads>> {
  using StatusPass::StatusPass;

  Status run() override {
    ModuleOp module = getOperation();
    std::vector<std::string> names;
    llvm::DenseMap<StringAttr, uint32_t> indexOf;
    for (SegmentOp segment : module.getOps<SegmentOp>()) {
      if (segment.getKind() == SegmentKind::Weights) {
        indexOf[segment.getSymNameAttr()] = static_cast<uint32_t>(names.size());
        names.push_back(segment.getSymName().str());
      }
    }
    llvm::DenseMap<StringAttr, StringAttr> segmentOf;
    for (TensorOp tensor : module.getOps<TensorOp>()) {
      if (!tensor.getSegmentAttr()) {
        return internalError("tensor '" + tensor.getSymName().str() +
                             "' has not been placed in a segment");
      }
      segmentOf[tensor.getSymNameAttr()] = tensor.getSegmentAttr().getAttr();
    }
    auto programs = llvm::to_vector(module.getOps<ProgramOp>());
    if (programs.empty()) {
      return internalError("the module has no plan.program");
    }
    std::vector<std::vector<uint32_t>> uses;
    for (StepOp step : programs.front().getOps<StepOp>()) {
      std::vector<uint32_t> &used = uses.emplace_back();
      if (step.getKind() == StepKind::Embed) {
        continue; // embed steps gather rows and need no whole segment
      }
      for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
        for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
          if (binding.getKind() == BindingKind::Tensor) {
            used.push_back(indexOf.lookup(
                segmentOf.lookup(binding.getTarget().getAttr())));
          }
        }
      }
    }
    AIR_ASSIGN_OR_RETURN(std::vector<ScheduledRead> reads,
                         scheduleReads(uses, names));
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    for (const ScheduledRead &read : reads) {
      ReadOp::create(
          builder, module.getLoc(),
          FlatSymbolRefAttr::get(builder.getContext(), names[read.segment]),
          builder.getI64IntegerAttr(read.firstStep));
    }
    return Status::ok();
  }
};

} // namespace
} // namespace air::compiler
