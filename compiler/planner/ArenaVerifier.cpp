//===- ArenaVerifier.cpp - the arena, checked step by step ----------------===//
//
// Shares nothing with MemoryPlanner.cpp but the problem: it asks of every step
// of every program which buffers hold a value there, and that their ranges are
// disjoint, aligned and inside the arena.
//
//===----------------------------------------------------------------------===//
#include "compiler/planner/MemoryPlanner.h"

#include "formats/support/CheckedMath.h"

#include <map>

namespace air::compiler {
namespace {

std::string rangeText(uint64_t offset, uint64_t bytes) {
  return "[" + std::to_string(offset) + ", " + std::to_string(offset + bytes) +
         ")";
}

Status verifyPlacement(const ArenaBuffer &buffer, uint64_t offset,
                       uint64_t arenaBytes) {
  if (offset % kArenaAlignment != 0) {
    return verificationError(
        "buffer '" + buffer.name + "' lies at " + std::to_string(offset) +
        ", no multiple of the alignment " + std::to_string(kArenaAlignment));
  }
  if (!rangeFits(offset, buffer.bytes, arenaBytes)) {
    return verificationError(
        "buffer '" + buffer.name + "' of " + std::to_string(buffer.bytes) +
        " bytes at " + std::to_string(offset) + " ends outside the arena of " +
        std::to_string(arenaBytes) + " bytes");
  }
  return Status::ok();
}

} // namespace

Status verifyArena(const MemoryProblem &problem, const ArenaPlan &plan) {
  if (plan.offsets.size() != problem.buffers.size()) {
    return verificationError(
        "the arena places " + std::to_string(plan.offsets.size()) +
        " buffers of " + std::to_string(problem.buffers.size()));
  }
  for (size_t i = 0; i < problem.buffers.size(); ++i) {
    AIR_RETURN_IF_ERROR(
        verifyPlacement(problem.buffers[i], plan.offsets[i], plan.arenaBytes));
  }
  for (const ProgramUses &program : problem.programs) {
    // How often each buffer is still to be bound, and whether it has been.
    std::vector<uint64_t> toCome(problem.buffers.size());
    for (size_t step = 0; step < program.steps.size(); ++step) {
      for (uint32_t buffer : program.steps[step]) {
        if (buffer >= problem.buffers.size()) {
          return verificationError("step " + std::to_string(step) +
                                   " binds buffer " + std::to_string(buffer) +
                                   " of " +
                                   std::to_string(problem.buffers.size()));
        }
        ++toCome[buffer];
      }
    }
    std::vector<bool> used(problem.buffers.size());
    for (size_t i = 0; i < used.size(); ++i) {
      used[i] = toCome[i] != 0;
    }
    std::vector<bool> begun(problem.buffers.size());
    for (size_t step = 0; step < program.steps.size(); ++step) {
      for (uint32_t buffer : program.steps[step]) {
        begun[buffer] = true;
      }
      // A value is there once something has bound it (or the runtime filled
      // it), until the last binding (or until the runtime has read it).
      std::multimap<uint64_t, size_t> alive; // by where the range begins
      for (size_t i = 0; i < problem.buffers.size(); ++i) {
        const ArenaBuffer &buffer = problem.buffers[i];
        if (buffer.bytes != 0 && used[i] && (begun[i] || buffer.isInput) &&
            (toCome[i] != 0 || buffer.isOutput)) {
          alive.emplace(plan.offsets[i], i);
        }
      }
      uint64_t end = 0;
      size_t previous = 0;
      for (auto [offset, buffer] : alive) {
        if (offset < end) {
          const ArenaBuffer &a = problem.buffers[previous];
          const ArenaBuffer &b = problem.buffers[buffer];
          return verificationError(
              "buffers '" + a.name + "' " +
              rangeText(plan.offsets[previous], a.bytes) + " and '" + b.name +
              "' " + rangeText(offset, b.bytes) + " overlap while step " +
              std::to_string(step) + " needs both");
        }
        end = offset + problem.buffers[buffer].bytes;
        previous = buffer;
      }
      for (uint32_t buffer : program.steps[step]) {
        --toCome[buffer];
      }
    }
  }
  return Status::ok();
}

} // namespace air::compiler
