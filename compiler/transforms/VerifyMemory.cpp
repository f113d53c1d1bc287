//===- VerifyMemory.cpp - checks the arena against the programs -----------===//
//
// This pass checks what PlanMemory.cpp has decided, and shares no code with it.
// It recomputes how many rows and bytes each buffer needs and which steps use
// it, and passes the result to verifyArena() (planner/ArenaVerifier.cpp).
//
//===----------------------------------------------------------------------===//
#include "compiler/planner/MemoryPlanner.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "formats/abi/KernelAbi.h"

#include <map>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_VERIFYMEMORY
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct VerifyMemory : StatusPass<impl::VerifyMemoryBase<VerifyMemory>> {
  using StatusPass::StatusPass;

  Status run() override {
    markAllAnalysesPreserved();
    MemoryProblem problem;
    ArenaPlan plan;
    std::map<std::string, uint32_t> indexOf;
    // For each buffer with the attribute most_rows: the largest number of
    // tokens for which the buffer has rows.
    std::map<std::string, uint64_t> most;
    // Buffers that are zeroed only once, and therefore hold a live value at
    // every step.
    std::vector<uint32_t> zeroed;
    uint64_t programTokens = 0;
    uint64_t tokens = 0;
    uint64_t outputs = 0;
    for (LimitsOp limits : getOperation().getOps<LimitsOp>()) {
      tokens = limits.getMaxTokens();
      outputs = limits.getMaxOutputs();
      plan.arenaBytes = limits.getArenaBytes().value_or(0);
    }
    for (BufferOp buffer : getOperation().getOps<BufferOp>()) {
      std::string name = buffer.getSymName().str();
      if (!buffer.getOffset() || !buffer.getBytes()) {
        return verificationError("buffer '" + name +
                                 "' has not been placed in the arena");
      }
      uint64_t rows = buffer.getRows() == RowsFrom::Tokens ? tokens : outputs;
      if (buffer.getMostRows()) {
        most.emplace(name, *buffer.getMostRows());
        rows = *buffer.getMostRows() < rows ? *buffer.getMostRows() : rows;
      }
      if (buffer.getFixed()) {
        rows = 1;
      }
      while (buffer.getDevice() == 0 && rows % AIR_TOKEN_PADDING != 0) {
        ++rows;
      }
      if (buffer.getZeroed()) {
        zeroed.push_back(static_cast<uint32_t>(indexOf.size()));
      }
      uint64_t needed = rows * buffer.getRowElements() * 4;
      if (needed / 4 / buffer.getRowElements() != rows ||
          *buffer.getBytes() < needed) {
        return verificationError(
            "buffer '" + name + "' has " + std::to_string(*buffer.getBytes()) +
            " bytes, but must hold " + std::to_string(rows) + " rows of " +
            std::to_string(buffer.getRowElements()) + " floats");
      }
      indexOf.emplace(name, static_cast<uint32_t>(indexOf.size()));
      problem.buffers.push_back({name, needed, buffer.getIsOutput()});
      plan.offsets.push_back(*buffer.getOffset());
    }
    Status status = Status::ok();
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto program = dyn_cast<ProgramOp>(op)) {
        problem.programs.emplace_back();
        programTokens = program.getMaxTokens();
      } else if (isa<StepOp>(op)) {
        problem.programs.back().steps.emplace_back();
      } else if (auto dispatch = dyn_cast<DispatchOp>(op)) {
        for (Attribute attr : dispatch.getBindings()) {
          auto binding = cast<BindingAttr>(attr);
          if (binding.getKind() != BindingKind::Buffer) {
            continue;
          }
          auto found = indexOf.find(binding.getTarget().getValue().str());
          if (found == indexOf.end()) {
            status =
                verificationError("dispatch '" + dispatch.getKernel().str() +
                                  "' binds a buffer that does not exist");
            return;
          }
          if (most.contains(found->first) &&
              most[found->first] < programTokens) {
            status = verificationError(
                "buffer '" + found->first + "' has rows for at most " +
                std::to_string(most[found->first]) +
                " tokens, but a program for up to " +
                std::to_string(programTokens) + " tokens binds it");
            return;
          }
          bool reads = binding.getAccess() == Access::Read ||
                       binding.getAccess() == Access::ReadWrite;
          problem.programs.back().steps.back().emplace_back(found->second,
                                                            reads);
        }
      }
    });
    AIR_RETURN_IF_ERROR(status);
    for (ProgramUses &program : problem.programs) {
      for (std::vector<BufferUse> &step : program.steps) {
        step.insert(step.end(), zeroed.begin(), zeroed.end());
      }
    }
    return verifyArena(problem, plan);
  }
};

} // namespace
} // namespace air::compiler
