//===- MemoryPlanner.cpp - best-fit placement by liveness -----------------===//
#include "compiler/planner/MemoryPlanner.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace air::compiler {
namespace {

struct Life {
  bool used = false;
  uint64_t first = 0;
  uint64_t last = 0;
};

/// lives[program][buffer]
using Lives = std::vector<std::vector<Life>>;

Result<Lives> computeLives(const MemoryProblem &problem) {
  Lives lives;
  for (const ProgramUses &program : problem.programs) {
    std::vector<Life> &ofProgram =
        lives.emplace_back(problem.buffers.size(), Life{});
    for (size_t step = 0; step < program.steps.size(); ++step) {
      for (uint32_t buffer : program.steps[step]) {
        if (buffer >= problem.buffers.size()) {
          return internalError("step " + std::to_string(step) +
                               " binds buffer " + std::to_string(buffer) +
                               ", but there are " +
                               std::to_string(problem.buffers.size()));
        }
        Life &life = ofProgram[buffer];
        if (!life.used) {
          life = {true, step, step};
        }
        life.last = step;
      }
    }
    for (size_t i = 0; i < problem.buffers.size(); ++i) {
      Life &life = ofProgram[i];
      if (life.used && problem.buffers[i].isInput) {
        life.first = 0;
      }
      if (life.used && problem.buffers[i].isOutput) {
        life.last = program.steps.size() - 1;
      }
    }
  }
  return lives;
}

bool liveTogether(const Lives &lives, size_t a, size_t b) {
  return std::any_of(
      lives.begin(), lives.end(), [&](const std::vector<Life> &program) {
        const Life &x = program[a];
        const Life &y = program[b];
        return x.used && y.used && x.first <= y.last && y.first <= x.last;
      });
}

struct Range {
  uint64_t begin;
  uint64_t end;
};

/// The start of the smallest gap between `taken` (sorted by begin) that holds
/// `bytes`; the end of the last range when none does.
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
  AIR_ASSIGN_OR_RETURN(Lives lives, computeLives(problem));
  size_t count = problem.buffers.size();

  std::vector<uint64_t> sizes(count);
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    std::optional<uint64_t> rounded =
        checkedAlignUp(problem.buffers[i].bytes, kArenaAlignment);
    std::optional<uint64_t> sum =
        rounded ? checkedAdd(total, *rounded) : std::nullopt;
    if (!sum) {
      return doesNotFitError("activation buffer '" + problem.buffers[i].name +
                             "' of " +
                             std::to_string(problem.buffers[i].bytes) +
                             " bytes makes the arena larger than 2^64 bytes");
    }
    sizes[i] = *rounded;
    total = *sum;
  }

  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  // Ties by index: the order is total, so any sort gives the same one.
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return sizes[a] > sizes[b] || (sizes[a] == sizes[b] && a < b);
  });

  ArenaPlan plan;
  plan.offsets.assign(count, 0);
  std::vector<size_t> placed;
  for (size_t buffer : order) {
    std::vector<Range> taken;
    for (size_t other : placed) {
      if (liveTogether(lives, buffer, other)) {
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
    placed.push_back(buffer);
  }
  return plan;
}

} // namespace air::compiler
