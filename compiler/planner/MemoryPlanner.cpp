//===- MemoryPlanner.cpp - best-fit placement by lifetimes ----------------===//
#include "compiler/planner/MemoryPlanner.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace air::compiler {
namespace {

/// The lifetime of one value in a buffer: the step that begins it and the last
/// step that uses it.
struct Life {
  uint32_t buffer = 0;
  size_t first = 0;
  size_t last = 0;
};

/// Returns the lifetimes of all values in one program, sorted by their first
/// step.
Result<std::vector<Life>> computeLives(const MemoryProblem &problem,
                                       const ProgramUses &program) {
  constexpr size_t kNone = ~size_t{0};
  std::vector<Life> lives;
  std::vector<size_t> current(problem.buffers.size(), kNone);
  for (size_t step = 0; step < program.steps.size(); ++step) {
    for (const BufferUse &use : program.steps[step]) {
      if (use.buffer >= problem.buffers.size()) {
        return internalError(
            "step " + std::to_string(step) + " binds buffer " +
            std::to_string(use.buffer) + ", but there are only " +
            std::to_string(problem.buffers.size()) + " buffers");
      }
      size_t &life = current[use.buffer];
      if (life == kNone || (!use.reads && lives[life].last != step)) {
        life = lives.size();
        lives.push_back({use.buffer, step, step});
      }
      lives[life].last = step;
    }
  }
  for (size_t i = 0; i < problem.buffers.size(); ++i) {
    if (problem.buffers[i].isOutput && current[i] != kNone) {
      lives[current[i]].last = program.steps.size() - 1;
    }
  }
  return lives;
}

/// Returns, for each buffer, the buffers that must not overlap it, because both
/// hold a value at the same step of some program.
Result<std::vector<std::vector<uint32_t>>>
findConflicts(const MemoryProblem &problem) {
  std::vector<std::vector<uint32_t>> conflicts(problem.buffers.size());
  for (const ProgramUses &program : problem.programs) {
    AIR_ASSIGN_OR_RETURN(std::vector<Life> lives,
                         computeLives(problem, program));
    std::vector<Life> alive;
    for (const Life &life : lives) {
      std::erase_if(alive,
                    [&](const Life &other) { return other.last < life.first; });
      for (const Life &other : alive) {
        if (other.buffer != life.buffer) {
          conflicts[life.buffer].push_back(other.buffer);
          conflicts[other.buffer].push_back(life.buffer);
        }
      }
      alive.push_back(life);
    }
  }
  for (std::vector<uint32_t> &list : conflicts) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return conflicts;
}

struct Range {
  uint64_t begin;
  uint64_t end;
};

/// Returns the start of the smallest gap before or between the ranges `taken`
/// (sorted by their beginning) that has room for `bytes` bytes. When no gap has
/// room, returns the largest end of a range, or 0 if there are no ranges.
uint64_t bestFit(const std::vector<Range> &taken, uint64_t bytes) {
  uint64_t cursor = 0;
  std::optional<uint64_t> best;
  uint64_t bestGap = 0;
  for (const Range &range : taken) {
    if (range.begin > cursor) {
      uint64_t gap = range.begin - cursor;
      if (gap >= bytes && (!best || gap < bestGap)) {
        best = cursor;
        bestGap = gap;
      }
    }
    cursor = std::max(cursor, range.end);
  }
  return best.value_or(cursor);
}

} // namespace

Result<ArenaPlan> planArena(const MemoryProblem &problem) {
  AIR_ASSIGN_OR_RETURN(std::vector<std::vector<uint32_t>> conflicts,
                       findConflicts(problem));
  size_t count = problem.buffers.size();

  std::vector<uint64_t> sizes(count);
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    std::optional<uint64_t> rounded =
        checkedAlignUp(problem.buffers[i].bytes, kArenaAlignment);
    std::optional<uint64_t> sum =
        rounded ? checkedAdd(total, *rounded) : std::nullopt;
    if (!sum) {
      return doesNotFitError(
          "the activations need 2^64 bytes of RAM or more: " +
          std::to_string(problem.buffers[i].bytes) + " bytes for buffer '" +
          problem.buffers[i].name + "' and " + std::to_string(total) +
          " bytes for the buffers before it");
    }
    sizes[i] = *rounded;
    total = *sum;
  }

  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  // Ties are broken by index. The order is therefore total, so every sorting
  // algorithm produces the same result.
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return sizes[a] > sizes[b] || (sizes[a] == sizes[b] && a < b);
  });

  ArenaPlan plan;
  plan.offsets.assign(count, 0);
  std::vector<bool> placed(count);
  for (size_t buffer : order) {
    std::vector<Range> taken;
    for (uint32_t other : conflicts[buffer]) {
      if (placed[other]) {
        taken.push_back(
            {plan.offsets[other], plan.offsets[other] + sizes[other]});
      }
    }
    std::sort(taken.begin(), taken.end(), [](const Range &a, const Range &b) {
      return a.begin < b.begin || (a.begin == b.begin && a.end < b.end);
    });
    plan.offsets[buffer] = bestFit(taken, sizes[buffer]);
    plan.arenaBytes =
        std::max(plan.arenaBytes, plan.offsets[buffer] + sizes[buffer]);
    placed[buffer] = true;
  }
  return plan;
}

} // namespace air::compiler
