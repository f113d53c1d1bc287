//===- ArenaVerifier.cpp - checks the arena step by step ------------------===//
//
// This file shares no code with MemoryPlanner.cpp. For every step of every
// program it determines which buffers hold a live value, and checks that their
// ranges are disjoint, aligned and inside the arena.
//
//===----------------------------------------------------------------------===//
#include "compiler/planner/MemoryPlanner.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <iterator>
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
    return verificationError("buffer '" + buffer.name + "' is at offset " +
                             std::to_string(offset) +
                             ", which is not a multiple of the alignment " +
                             std::to_string(kArenaAlignment));
  }
  if (!rangeFits(offset, buffer.bytes, arenaBytes)) {
    return verificationError(
        "buffer '" + buffer.name + "' of " + std::to_string(buffer.bytes) +
        " bytes at offset " + std::to_string(offset) +
        " ends outside the arena of " + std::to_string(arenaBytes) + " bytes");
  }
  return Status::ok();
}

/// Returns, for each step, the buffers that the step uses and whose values are
/// dead after it. A backward walk over the steps tracks which buffers are still
/// to be read.
Result<std::vector<std::vector<uint32_t>>>
lastNeeds(const MemoryProblem &problem, const ProgramUses &program) {
  std::vector<std::vector<uint32_t>> over(program.steps.size());
  std::vector<bool> needed(problem.buffers.size());
  for (size_t i = 0; i < needed.size(); ++i) {
    // The runtime reads output buffers after the last step.
    needed[i] = problem.buffers[i].isOutput;
  }
  for (size_t step = program.steps.size(); step-- > 0;) {
    for (const BufferUse &use : program.steps[step]) {
      if (use.buffer >= needed.size()) {
        return verificationError("step " + std::to_string(step) +
                                 " binds buffer " + std::to_string(use.buffer) +
                                 ", but there are only " +
                                 countOf(needed.size(), "buffer"));
      }
      if (!needed[use.buffer]) {
        over[step].push_back(use.buffer);
      }
    }
    // A step needs a buffer's earlier value if the step's first use of the
    // buffer is a read. The loop goes backward, so the first use sets `needed`
    // last.
    for (size_t i = program.steps[step].size(); i-- > 0;) {
      const BufferUse &use = program.steps[step][i];
      needed[use.buffer] = use.reads;
    }
  }
  return over;
}

/// The ranges of the arena that hold live values, sorted by offset. They are
/// disjoint, so a new range can overlap one of them only if it overlaps the
/// last range that begins at or before its offset, or the first range that
/// begins after its offset.
class Occupancy {
public:
  Occupancy(const MemoryProblem &memoryProblem, const ArenaPlan &arenaPlan)
      : problem(memoryProblem), plan(arenaPlan) {}

  Status occupy(uint32_t buffer, size_t step) {
    auto next = ranges.upper_bound(plan.offsets[buffer]);
    if (problem.buffers[buffer].bytes == 0) {
      return Status::ok();
    }
    if (next != ranges.begin()) {
      if (std::prev(next)->second == buffer) {
        return Status::ok();
      }
      AIR_RETURN_IF_ERROR(verifyApart(std::prev(next)->second, buffer, step));
    }
    if (next != ranges.end()) {
      AIR_RETURN_IF_ERROR(verifyApart(buffer, next->second, step));
    }
    ranges.emplace_hint(next, plan.offsets[buffer], buffer);
    return Status::ok();
  }

  void release(uint32_t buffer) {
    if (problem.buffers[buffer].bytes != 0) {
      ranges.erase(plan.offsets[buffer]);
    }
  }

private:
  /// Checks that two buffers do not overlap. The buffer `low` must not begin
  /// after the buffer `high`.
  Status verifyApart(uint32_t low, uint32_t high, size_t step) const {
    const ArenaBuffer &a = problem.buffers[low];
    const ArenaBuffer &b = problem.buffers[high];
    if (plan.offsets[low] + a.bytes <= plan.offsets[high]) {
      return Status::ok();
    }
    return verificationError(
        "buffers '" + a.name + "' " + rangeText(plan.offsets[low], a.bytes) +
        " and '" + b.name + "' " + rangeText(plan.offsets[high], b.bytes) +
        " overlap while step " + std::to_string(step) + " needs both");
  }

  const MemoryProblem &problem;
  const ArenaPlan &plan;
  std::map<uint64_t, uint32_t> ranges; ///< offset -> buffer
};

} // namespace

Status verifyArena(const MemoryProblem &problem, const ArenaPlan &plan) {
  if (plan.offsets.size() != problem.buffers.size()) {
    return verificationError(
        "the arena has offsets for " + countOf(plan.offsets.size(), "buffer") +
        ", but there are " + std::to_string(problem.buffers.size()));
  }
  for (size_t i = 0; i < problem.buffers.size(); ++i) {
    AIR_RETURN_IF_ERROR(
        verifyPlacement(problem.buffers[i], plan.offsets[i], plan.arenaBytes));
  }
  for (const ProgramUses &program : problem.programs) {
    AIR_ASSIGN_OR_RETURN(std::vector<std::vector<uint32_t>> over,
                         lastNeeds(problem, program));
    Occupancy occupancy(problem, plan);
    for (size_t step = 0; step < program.steps.size(); ++step) {
      for (const BufferUse &use : program.steps[step]) {
        AIR_RETURN_IF_ERROR(occupancy.occupy(use.buffer, step));
      }
      for (uint32_t buffer : over[step]) {
        occupancy.release(buffer);
      }
    }
  }
  return Status::ok();
}

} // namespace air::compiler
