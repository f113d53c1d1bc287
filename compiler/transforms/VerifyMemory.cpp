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
#include "formats/support/CountText.h"

#include <map>
#include <set>

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
    for (const uint64_t device : {0, 1}) {
      AIR_RETURN_IF_ERROR(verifyArenaOf(device));
    }
    return Status::ok();
  }

  /// Checks the arena of a device. Buffers of other devices are left out.
  Status verifyArenaOf(uint64_t device) {
    MemoryProblem problem;
    ArenaPlan plan;
    std::set<std::string> elsewhere;
    std::map<std::string, uint32_t> indexOf;
    // For each buffer with the attribute most_rows: the largest number of
    // tokens for which the buffer has rows.
    std::map<std::string, uint64_t> most;
    // Buffers that are zeroed once, before the first pass. They hold a live
    // value at every step of every program, so no other buffer may overlap
    // them.
    std::vector<uint32_t> zeroed;
    uint64_t programTokens = 0;
    uint64_t tokens = 0;
    uint64_t outputs = 0;
    for (LimitsOp limits : getOperation().getOps<LimitsOp>()) {
      tokens = limits.getMaxTokens();
      outputs = limits.getMaxOutputs();
      plan.arenaBytes =
          (device == 0 ? limits.getArenaBytes() : limits.getGpuArenaBytes())
              .value_or(0);
    }
    for (BufferOp buffer : getOperation().getOps<BufferOp>()) {
      std::string name = buffer.getSymName().str();
      if (buffer.getDevice() != device) {
        elsewhere.insert(name);
        continue;
      }
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
            " bytes, but must hold " + countOf(rows, "row") + " of " +
            countOf(buffer.getRowElements(), "float"));
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
      } else if (auto step = dyn_cast<StepOp>(op)) {
        std::vector<BufferUse> &uses =
            problem.programs.back().steps.emplace_back();
        if (step.getCopyFrom() && indexOf.contains(step.getCopyFrom()->str())) {
          uses.emplace_back(indexOf.at(step.getCopyFrom()->str()), true);
        }
        if (step.getCopyTo() && indexOf.contains(step.getCopyTo()->str())) {
          uses.emplace_back(indexOf.at(step.getCopyTo()->str()), false);
        }
      } else if (auto dispatch = dyn_cast<DispatchOp>(op)) {
        for (Attribute attr : dispatch.getBindings()) {
          auto binding = cast<BindingAttr>(attr);
          if (binding.getKind() != BindingKind::Buffer) {
            continue;
          }
          auto found = indexOf.find(binding.getTarget().getValue().str());
          if (elsewhere.contains(binding.getTarget().getValue().str())) {
            continue;
          }
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
                countOf(most[found->first], "token") +
                ", but a program for up to " + countOf(programTokens, "token") +
                " binds it");
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
