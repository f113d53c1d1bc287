//===- Budget.h - every byte of RAM that a plan takes -----------*- C++ -*-===//
//
// One ledger lists weights, ring, KV cache, activations, scratch of all threads,
// kernels, and what the process itself takes. Their sum must fit in the RAM that
// the plan may use. The KV cache is counted in full, as pages * page bytes,
// whether or not sequences fill it, and before the weights: weights that do not
// fit are read from the disk once per pass, but all of the cache may be needed
// in every step.
//
// Thread-safety: pure functions. Errors: DoesNotFit when the sum exceeds the
// limit, with both numbers and what to change, or when a size overflows 64 bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_BUDGET_H
#define AIRPACK_COMPILER_PLANNER_BUDGET_H

#include "compiler/planner/Placement.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace air::compiler {

struct LedgerItem {
  std::string name;
  uint64_t bytes = 0;
};

/// What a plan needs in RAM besides weights and ring, in bytes.
struct RamDemand {
  uint64_t activations = 0;
  uint64_t scratchPerThread = 0;
  uint64_t threads = 1;
  uint64_t kernels = 0;
  uint64_t process = 0; ///< see processBytes()
  uint64_t staging = 0; ///< in which airrun reads what lies in another form
  uint64_t kvPageBytes = 0;
  uint64_t kvPageTokens = 1;
  uint64_t context = 0; ///< maximum number of tokens in a sequence
  uint64_t slots = 1;   ///< number of sequences
};

/// The RAM that a plan may use.
struct RamLimit {
  uint64_t bytes = 0;  ///< 0: not known, and not enforced
  std::string giver;   ///< for messages, for example "target 'host' has"
  bool streams = true; ///< whether weights may be read from the disk
  /// The share of the weights that stays in RAM, in percent, whatever would fit;
  /// nullopt: as much as fits.
  std::optional<uint32_t> pinned = std::nullopt;
};

/// A placement of the weights, and the ledger of all RAM that it takes.
struct BudgetedPlacement {
  uint64_t budget = 0; ///< the limit on the sum of the items; 0 = none
  std::vector<LedgerItem> items;
  WeightPlacement weights;
};

/// Returns the number of pages that `slots` sequences of `context` tokens take,
/// or nullopt when that number does not fit in 64 bits.
std::optional<uint64_t> kvPages(uint64_t context, uint64_t slots,
                                uint64_t pageTokens);

/// Returns the RAM that airrun takes for itself: for a vocabulary whose strings
/// and numbers take `vocabularyBytes` in the plan, and for everything else that
/// does not depend on the model. Measured with airrun on x86-64 Linux: the
/// private memory of a process that runs a model with a tiny vocabulary is 3
/// MiB, its code and libraries take 5 MiB, and a vocabulary takes 3 to 4 times
/// its size in the plan, because the tokenizer also has hash tables of it. The
/// result is larger than these by 8 MiB, which leaves room for the system's page
/// tables.
uint64_t processBytes(uint64_t vocabularyBytes);

/// Returns the placements of a plan: one for the limit, and one for 90, 75 and
/// 50 % of it, as far as they fit and differ from the one before. When the limit
/// is not known, everything stays in RAM. If the share that stays in RAM is given,
/// there is one placement.
Result<std::vector<BudgetedPlacement>>
planPlacements(const WeightProblem &weights, const RamDemand &demand,
               const RamLimit &limit);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_BUDGET_H
