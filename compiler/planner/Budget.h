//===- Budget.h - every byte of RAM that a plan takes -----------*- C++ -*-===//
//
// One ledger lists weights, KV cache, activations, scratch of all threads, and
// kernels. Their sum must fit in the machine's RAM. The KV cache is counted in
// full, as pages * page bytes, whether or not sequences fill it.
//
// Thread-safety: pure functions. Errors: DoesNotFit when the sum exceeds the
// capacity, with both numbers and what to change, or when a size overflows 64
// bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_BUDGET_H
#define AIRPACK_COMPILER_PLANNER_BUDGET_H

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

struct RamDemand {
  uint64_t weights = 0;
  uint64_t activations = 0;
  uint64_t scratchPerThread = 0;
  uint64_t threads = 1;
  uint64_t kernels = 0;
  uint64_t kvPageBytes = 0;
  uint64_t kvPageTokens = 1;
  uint64_t context = 0; ///< maximum number of tokens in a sequence
  uint64_t slots = 1;   ///< number of sequences
};

struct RamBudget {
  std::vector<LedgerItem> items; ///< weights, kv, activations, scratch, kernels
  uint64_t total = 0;
  uint64_t capacity = 0; ///< in bytes; 0 means not known and not enforced
};

/// Returns the number of pages that `slots` sequences of `context` tokens take,
/// or nullopt when that number does not fit in 64 bits.
std::optional<uint64_t> kvPages(uint64_t context, uint64_t slots,
                                uint64_t pageTokens);

Result<RamBudget> planBudget(const RamDemand &demand, uint64_t capacity,
                             const std::string &machineName);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_BUDGET_H
