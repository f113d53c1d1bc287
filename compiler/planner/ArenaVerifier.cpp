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

/// True when `buffer` must hold its value while step `at` runs: something at or
/// before binds it (or the runtime fills it) and something at or after does (or
/// the runtime reads it).
bool aliveAt(const ArenaBuffer &buffer, const std::vector<bool> &bound,
             size_t at) {
  bool before = false;
  bool after = false;
  for (size_t step = 0; step < bound.size(); ++step) {
    before |= bound[step] && step <= at;
    after |= bound[step] && step >= at;
  }
  bool everBound = before || after;
  return everBound && (before || buffer.isInput) && (after || buffer.isOutput);
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
    std::vector<std::vector<bool>> bound(
        problem.buffers.size(), std::vector<bool>(program.steps.size()));
    for (size_t step = 0; step < program.steps.size(); ++step) {
      for (uint32_t buffer : program.steps[step]) {
        if (buffer >= problem.buffers.size()) {
          return verificationError("step " + std::to_string(step) +
                                   " binds buffer " + std::to_string(buffer) +
                                   " of " +
                                   std::to_string(problem.buffers.size()));
        }
        bound[buffer][step] = true;
      }
    }
    for (size_t step = 0; step < program.steps.size(); ++step) {
      // Ranges alive at this step by where they begin; neighbours suffice.
      std::multimap<uint64_t, size_t> alive;
      for (size_t i = 0; i < problem.buffers.size(); ++i) {
        if (problem.buffers[i].bytes != 0 &&
            aliveAt(problem.buffers[i], bound[i], step)) {
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
    }
  }
  return Status::ok();
}

} // namespace air::compiler
