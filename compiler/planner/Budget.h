//===- Budget.h - every byte of memory that a plan takes --------*- C++ -*-===//
//
// One ledger lists the weights that stay in RAM, the ring buffer for reading
// the others, the KV cache, activations, scratch of all threads, kernels, what
// the process itself takes, and memory for decoding or arranging weights. Their
// sum must fit in the RAM that the plan may use. The KV cache is counted in
// full, as pages * page bytes, even if sequences do not fill it. It takes
// precedence over weights, because a pass can read weights from the disk, but
// not the cache.
//
// A plan that runs on a GPU has a second ledger for the memory of the GPU.
//
// Thread-safety: pure functions. Errors: DoesNotFit when the sum exceeds the
// limit, with both numbers and what to change, or when a size overflows 64
// bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_BUDGET_H
#define AIRPACK_COMPILER_PLANNER_BUDGET_H

#include "compiler/planner/DevicePlacement.h"
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

/// What a plan needs in RAM besides weights and their ring buffer, in bytes.
struct RamDemand {
  uint64_t activations = 0;
  uint64_t scratchPerThread = 0;
  uint64_t threads = 1;
  uint64_t kernels = 0;
  uint64_t process = 0; ///< see processBytes()
  /// The memory into which airrun reads coded weights before it decodes them
  /// (see codedStagingBytes()), or the matrices of a reference plan before it
  /// arranges them in the plan's layout (see stagingBytes()).
  uint64_t staging = 0;
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
  /// The share of the weights, in percent, that stays in RAM even if more would
  /// fit; nullopt means as much as fits.
  std::optional<uint32_t> pinned = std::nullopt;
};

/// A placement of the weights, and the ledger of all RAM that it takes.
struct BudgetedPlacement {
  uint64_t budget = 0; ///< the limit on the sum of the items; 0 = none
  std::vector<LedgerItem> items;
  WeightPlacement weights;
};

/// Returns the number of KV pages that `slots` sequences of `context` tokens
/// take, or nullopt when that number does not fit in 64 bits.
std::optional<uint64_t> kvPages(uint64_t context, uint64_t slots,
                                uint64_t pageTokens);

/// Returns the RAM that airrun itself takes: 16 MiB plus 4 times the size of
/// the vocabulary in the plan. On x86-64 Linux, airrun takes 3 MiB of private
/// memory with a tiny vocabulary, and 5 MiB for code and libraries; the other 8
/// MiB leave room for page tables. A vocabulary takes 3 to 4 times its size in
/// the plan, because the tokenizer adds hash tables.
uint64_t processBytes(uint64_t vocabularyBytes);

/// Returns the placements of a plan for budgets of 100, 90, 75 and 50 % of
/// limit.bytes, in this order. A budget below 100 % is left out if the plan
/// does not fit in it, and so is a placement that equals the previous one. If
/// limit.pinned is set, returns only the placement for limit.bytes. Otherwise,
/// if the limit is not known, returns one placement, in which everything stays
/// in RAM.
Result<std::vector<BudgetedPlacement>>
planPlacements(const WeightProblem &weights, const RamDemand &demand,
               const RamLimit &limit);

/// Whether passes may have to read weights from the disk with the first
/// placement that planPlacements() returns, which is the one for limit.bytes.
/// `weights` and `others` are the bytes of RAM that the plan needs for all
/// weights and for everything else, or upper bounds of these numbers. If the
/// result is false, this placement keeps all weights in RAM, but placements for
/// smaller budgets may keep fewer.
bool mayStream(uint64_t weights, uint64_t others, const RamLimit &limit);

/// The VRAM that is assumed to be taken by the GPU's driver and a display.
inline constexpr uint64_t kDriverBytes = uint64_t{1} << 30;

/// What a plan that runs on a GPU needs in the GPU's memory, in bytes.
struct VramDemand {
  /// The size of all weights and tables, each rounded up to a multiple of
  /// kDeviceAlignment.
  uint64_t weights = 0;
  /// The weight segments and the table segments, whose rounded sizes add up to
  /// `weights`. Empty if no pass may copy any of them from RAM to the GPU.
  WeightProblem segments = {};
  uint64_t kernels = 0;
  uint64_t activations = 0;
  uint64_t kvPageBytes = 0;
  uint64_t kvPageTokens = 1;
  uint64_t context = 0; ///< maximum number of tokens in a sequence
  uint64_t slots = 1;   ///< number of sequences
  uint64_t tokens = 1;  ///< number of tokens in the largest batch
  uint64_t outputs = 1; ///< number of rows of logits that a batch may request
};

/// The memory of a GPU.
struct VramLimit {
  uint64_t bytes = 0; ///< including what the driver takes; 0: not known
  std::string giver;  ///< for messages, for example "target 'rtx3060' has"
};

/// How much of a GPU's memory a plan uses, and for what.
struct VramLedger {
  uint64_t budget = 0; ///< the limit on the sum of the items; 0 = none
  std::vector<LedgerItem> items;
  DevicePlacement placement;
};

/// Accounts for all VRAM of a plan. The KV cache has one page more than its
/// sequences need, for the padding tokens of batches. If the weights do not
/// fit, each pass copies some of them from RAM.
Result<VramLedger> planVram(const VramDemand &demand, const VramLimit &limit);

/// The RAM, in bytes, that a plan for a GPU needs for the layers that the CPU
/// computes. All members are 0 if there are no such layers.
struct CpuPartDemand {
  uint64_t weights = 0; ///< their segments and tables, all of which stay in RAM
  uint64_t kvPageBytes = 0; ///< context and slots are those of VramDemand
  uint64_t activations = 0;
  uint64_t scratch = 0; ///< of all threads
  uint64_t kernels = 0;
};

/// How much RAM a plan that runs on a GPU uses, and for what.
struct GpuHostLedger {
  std::vector<LedgerItem> items;
  HostPlacement placement;
};

/// Accounts for the RAM of a plan that runs on a GPU: the process, the
/// page-locked memory for copies (with `logitsBytes` for logits), what the CPU
/// needs for its layers (`cpuItems`), and the segments that, with the placement
/// `device`, each pass copies to the GPU. If limit.bytes is not 0 and these
/// segments do not fit, each pass reads some of them from the disk, unless
/// limit.streams is false.
Result<GpuHostLedger> planGpuHost(uint64_t processBytes, uint64_t logitsBytes,
                                  const WeightProblem &segments,
                                  const DevicePlacement &device,
                                  const RamLimit &limit,
                                  const std::vector<LedgerItem> &cpuItems = {});

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_BUDGET_H
