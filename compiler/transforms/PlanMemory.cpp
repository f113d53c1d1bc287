//===- PlanMemory.cpp - places buffers in the activation arena ------------===//
#include "compiler/planner/MemoryPlanner.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "formats/abi/KernelAbi.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_PLANMEMORY
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct PlanMemory : StatusPass<impl::PlanMemoryBase<PlanMemory>> {
  using StatusPass::StatusPass;

  Status run() override {
    ModuleOp module = getOperation();
    auto limits = llvm::to_vector(module.getOps<LimitsOp>());
    if (limits.size() != 1) {
      return internalError("a module must have one plan.limits, but has " +
                           std::to_string(limits.size()));
    }
    for (const uint64_t device : {0, 1}) {
      AIR_RETURN_IF_ERROR(planArenaOf(device, limits.front()));
    }
    return Status::ok();
  }

  /// Places the buffers of a device in its arena.
  Status planArenaOf(uint64_t device, LimitsOp limits) {
    ModuleOp module = getOperation();
    MemoryProblem problem;
    llvm::DenseMap<StringAttr, uint32_t> indexOf;
    SmallVector<BufferOp> buffers;
    for (BufferOp buffer : module.getOps<BufferOp>()) {
      if (buffer.getDevice() == device) {
        buffers.push_back(buffer);
      }
    }
    if (buffers.empty()) {
      return Status::ok();
    }
    for (BufferOp buffer : buffers) {
      uint64_t rows = buffer.getRows() == RowsFrom::Outputs
                          ? limits.getMaxOutputs()
                          : limits.getMaxTokens();
      rows = std::min(rows, buffer.getMostRows().value_or(rows));
      std::optional<uint64_t> padded =
          buffer.getFixed()         ? 1
          : buffer.getDevice() != 0 ? rows
                                    : checkedAlignUp(rows, AIR_TOKEN_PADDING);
      std::optional<uint64_t> bytes =
          padded ? checkedMul(*padded, sizeof(float)) : std::nullopt;
      bytes =
          bytes ? checkedMul(*bytes, buffer.getRowElements()) : std::nullopt;
      if (!bytes || *bytes > INT64_MAX) {
        return doesNotFitError("buffer '" + buffer.getSymName().str() +
                               "' of " + countOf(rows, "row") + " of " +
                               countOf(buffer.getRowElements(), "float") +
                               " takes 2^63 bytes or more");
      }
      indexOf[buffer.getSymNameAttr()] =
          static_cast<uint32_t>(problem.buffers.size());
      problem.buffers.push_back(
          {buffer.getSymName().str(), *bytes, buffer.getIsOutput()});
    }
    for (ProgramOp program : module.getOps<ProgramOp>()) {
      ProgramUses &uses = problem.programs.emplace_back();
      for (StepOp step : program.getOps<StepOp>()) {
        std::vector<BufferUse> &bound = uses.steps.emplace_back();
        const auto use = [&](StringAttr name, bool isRead) {
          // Buffers of other devices are not in this arena.
          if (const auto found = indexOf.find(name); found != indexOf.end()) {
            bound.emplace_back(found->second, isRead);
          }
        };
        if (step.getCopyFromAttr()) {
          use(step.getCopyFromAttr().getAttr(), /*isRead=*/true);
          use(step.getCopyToAttr().getAttr(), /*isRead=*/false);
        }
        for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
          for (auto binding :
               dispatch.getBindings().getAsRange<BindingAttr>()) {
            if (binding.getKind() == BindingKind::Buffer) {
              use(binding.getTarget().getAttr(),
                  binding.getAccess() != Access::Write);
            }
          }
        }
      }
    }
    // Counters must be zero when a pass begins. They are cleared only once, and
    // each pass leaves them at zero, so no other buffer may share their memory.
    for (size_t i = 0; i < buffers.size(); ++i) {
      for (ProgramUses &uses : problem.programs) {
        if (buffers[i].getZeroed() && !uses.steps.empty()) {
          uses.steps.front().emplace_back(static_cast<uint32_t>(i));
          uses.steps.back().emplace_back(static_cast<uint32_t>(i));
        }
      }
    }
    AIR_ASSIGN_OR_RETURN(ArenaPlan plan, planArena(problem));
    Builder builder(module.getContext());
    for (auto [buffer, offset, facts] :
         llvm::zip_equal(buffers, plan.offsets, problem.buffers)) {
      buffer.setOffsetAttr(
          builder.getI64IntegerAttr(static_cast<int64_t>(offset)));
      buffer.setBytesAttr(
          builder.getI64IntegerAttr(static_cast<int64_t>(facts.bytes)));
    }
    const IntegerAttr bytes =
        builder.getI64IntegerAttr(static_cast<int64_t>(plan.arenaBytes));
    if (device == 0) {
      limits.setArenaBytesAttr(bytes);
    } else {
      limits.setGpuArenaBytesAttr(bytes);
    }
    return Status::ok();
  }
};

} // namespace
} // namespace air::compiler
