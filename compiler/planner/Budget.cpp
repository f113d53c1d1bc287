//===- Budget.cpp - the ledgers of memory, and advice when it is short ----===//
#include "compiler/planner/Budget.h"

#include "formats/abi/TokenDraw.h"
#include "formats/plan/BudgetItemText.h"
#include "formats/support/ByteText.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <optional>

namespace air::compiler {
namespace {

/// Suggests what to change so that the plan fits: the slots, the context or the
/// model. `fixed` is the demand in bytes without the KV cache, and `memory` is
/// "RAM" or "VRAM".
std::string advice(const RamDemand &demand, uint64_t fixed, uint64_t capacity,
                   const std::string &memory) {
  const std::string smaller =
      "choose a smaller quantisation of the model or provide more " + memory;
  if (fixed >= capacity || demand.kvPageBytes == 0) {
    return "the plan would not fit even without a KV cache, so " + smaller;
  }
  // `room` is the number of KV pages that fit in memory together with
  // everything else, and `wanted` is the number that one sequence takes.
  uint64_t room = (capacity - fixed) / demand.kvPageBytes;
  uint64_t wanted =
      kvPages(demand.context, 1, demand.kvPageTokens).value_or(UINT64_MAX);
  auto contextOf = [&](uint64_t slots) {
    return std::to_string(room / slots * demand.kvPageTokens);
  };
  if (room == 0) {
    return "not even one KV page of " + byteText(demand.kvPageBytes) +
           " fits into the " + memory + " that is left, so " + smaller;
  }
  if (demand.slots == 1) {
    return "choose --ctx " + contextOf(1) + " or less";
  }
  if (room / wanted != 0) {
    return "choose --slots " + std::to_string(room / wanted) + " or less" +
           (room / demand.slots == 0
                ? ""
                : ", or --ctx " + contextOf(demand.slots) + " or less");
  }
  if (room / demand.slots != 0) {
    return "choose --ctx " + contextOf(demand.slots) + " or less";
  }
  return "choose --slots 1 and --ctx " + contextOf(1) + " or less";
}

/// What a plan needs in RAM besides weights and their ring buffer, in bytes.
struct Ledger {
  uint64_t kv = 0;
  std::vector<LedgerItem> items; ///< including the KV cache
  uint64_t total = 0;            ///< sum of the items
};

Result<Ledger> ledgerOf(const RamDemand &demand) {
  const std::optional<uint64_t> pages =
      kvPages(demand.context, demand.slots, demand.kvPageTokens);
  const std::optional<uint64_t> kv =
      pages ? checkedMul(*pages, demand.kvPageBytes) : std::nullopt;
  const std::optional<uint64_t> scratch =
      checkedMul(demand.scratchPerThread, demand.threads);
  if (!kv) {
    return doesNotFitError(
        "a KV cache of " + std::to_string(demand.slots) + " x " +
        countOf(demand.context, "token") +
        " takes 2^64 bytes or more; choose a smaller --ctx or --slots");
  }
  if (!scratch) {
    return doesNotFitError(
        "the working memory of the kernels, " +
        countOf(demand.threads, "thread") + " x " +
        std::to_string(demand.scratchPerThread) +
        " bytes, takes 2^64 bytes or more; choose a target with fewer cores");
  }
  Ledger ledger;
  ledger.kv = *kv;
  ledger.items = {{"kv", *kv},
                  {"activations", demand.activations},
                  {"scratch", *scratch},
                  {"kernels", demand.kernels},
                  {"process", demand.process}};
  if (demand.staging != 0) {
    ledger.items.push_back({"staging", demand.staging});
  }
  for (const LedgerItem &item : ledger.items) {
    const std::optional<uint64_t> sum = checkedAdd(ledger.total, item.bytes);
    if (!sum) {
      return doesNotFitError(
          "the plan needs 2^64 bytes of RAM or more: " +
          std::to_string(item.bytes) + " bytes for '" +
          std::string(budgetItemText(item.name)) + "' and " +
          std::to_string(ledger.total) +
          " bytes for the rest; choose a smaller --ctx or --slots");
    }
    ledger.total = *sum;
  }
  return ledger;
}

std::string listOf(const std::vector<LedgerItem> &items) {
  std::string list;
  for (const LedgerItem &item : items) {
    list += ", " + std::string(budgetItemText(item.name)) + " " +
            byteText(item.bytes);
  }
  return list;
}

/// Returns the placement of `weights` for a budget of `budget` bytes, which is
/// large enough for a placement. If `budget` is 0, there is no limit.
Result<BudgetedPlacement> placementFor(const WeightProblem &weights,
                                       const Ledger &ledger, uint64_t budget,
                                       std::optional<uint32_t> pinned) {
  BudgetedPlacement placement;
  placement.budget = budget;
  const uint64_t room = budget == 0 ? UINT64_MAX : budget - ledger.total;
  AIR_ASSIGN_OR_RETURN(placement.weights,
                       pinned ? pinWeights(weights, *pinned, room)
                              : placeWeights(weights, room));
  const uint64_t ring = placement.weights.ringBytes;
  placement.items = {{"weights", placement.weights.ramBytes() - ring}};
  if (ring != 0) {
    placement.items.push_back({"ring", ring});
  }
  placement.items.insert(placement.items.end(), ledger.items.begin(),
                         ledger.items.end());
  return placement;
}

Status doesNotFit(const WeightProblem &weights, const RamDemand &demand,
                  const RamLimit &limit, const Ledger &ledger) {
  const uint64_t bytes =
      limit.streams ? leastBytes(weights) : residentBytes(weights);
  const uint64_t total = checkedAdd(bytes, ledger.total).value_or(UINT64_MAX);
  std::string what = "the plan needs " + byteTextUp(total) + " of RAM";
  if (bytes < residentBytes(weights)) {
    what += " even if weights are read from the disk in every pass";
  }
  what += " (weights " + byteText(bytes) + listOf(ledger.items) + "), but " +
          limit.giver + " " + byteTextDown(limit.bytes) + "; ";
  const uint64_t streamed =
      checkedAdd(leastBytes(weights), ledger.total).value_or(UINT64_MAX);
  if (!limit.streams && streamed <= limit.bytes) {
    return doesNotFitError(what + "leave out --disk 0 to allow every pass "
                                  "to read weights from the disk");
  }
  return doesNotFitError(what +
                         advice(demand, total - ledger.kv, limit.bytes, "RAM"));
}

/// The RAM that a plan needs if `percent` of the weights stay in RAM.
uint64_t neededPinned(const WeightProblem &weights, const Ledger &ledger,
                      uint32_t percent) {
  return checkedAdd(leastBytesPinned(weights, percent), ledger.total)
      .value_or(UINT64_MAX);
}

Status pinDoesNotFit(const WeightProblem &weights, const RamLimit &limit,
                     const Ledger &ledger) {
  const uint64_t needed = neededPinned(weights, ledger, *limit.pinned);
  std::string what =
      "--pin " + std::to_string(*limit.pinned) + " needs " +
      byteTextUp(needed) + " of RAM (weights with a ring buffer " +
      byteText(needed - ledger.total) + listOf(ledger.items) + "), but " +
      limit.giver + " " + byteTextDown(limit.bytes) + "; ";
  for (uint32_t percent = *limit.pinned; percent-- > 0;) {
    if (neededPinned(weights, ledger, percent) <= limit.bytes) {
      return doesNotFitError(what + "choose --pin " + std::to_string(percent) +
                             " or less, or provide more RAM");
    }
  }
  return doesNotFitError(what +
                         "no smaller --pin fits either, so provide more RAM "
                         "or choose a smaller --ctx or --slots");
}

} // namespace

std::optional<uint64_t> kvPages(uint64_t context, uint64_t slots,
                                uint64_t pageTokens) {
  return checkedMul(slots,
                    context / pageTokens + (context % pageTokens != 0 ? 1 : 0));
}

uint64_t processBytes(uint64_t vocabularyBytes) {
  constexpr uint64_t kAnyModel = uint64_t{16} << 20;
  return checkedAdd(kAnyModel,
                    checkedMul(vocabularyBytes, 4).value_or(UINT64_MAX))
      .value_or(UINT64_MAX);
}

/// The budgets for which planPlacements() looks for a placement, in percent of
/// the limit.
static constexpr uint64_t kBudgetPercents[] = {100, 90, 75, 50};

/// A share of the limit, in percent. The limit is divided before it is
/// multiplied, because the product could overflow.
static uint64_t budgetOf(const RamLimit &limit, uint64_t percent) {
  return percent == 100 ? limit.bytes : limit.bytes / 100 * percent;
}

bool mayStream(uint64_t weights, uint64_t others, const RamLimit &limit) {
  constexpr uint32_t kAllPercent = 100;
  if (limit.pinned) {
    return *limit.pinned < kAllPercent;
  }
  if (!limit.streams || limit.bytes == 0) {
    return false;
  }
  return checkedAdd(weights, others).value_or(UINT64_MAX) > limit.bytes;
}

Result<std::vector<BudgetedPlacement>>
planPlacements(const WeightProblem &weights, const RamDemand &demand,
               const RamLimit &limit) {
  AIR_ASSIGN_OR_RETURN(const Ledger ledger, ledgerOf(demand));
  const uint64_t least =
      limit.streams ? leastBytes(weights) : residentBytes(weights);
  const uint64_t needed = checkedAdd(least, ledger.total).value_or(UINT64_MAX);
  if (limit.bytes != 0 && needed > limit.bytes) {
    return doesNotFit(weights, demand, limit, ledger);
  }
  if (limit.pinned) {
    if (limit.bytes != 0 &&
        neededPinned(weights, ledger, *limit.pinned) > limit.bytes) {
      return pinDoesNotFit(weights, limit, ledger);
    }
    AIR_ASSIGN_OR_RETURN(
        BudgetedPlacement placement,
        placementFor(weights, ledger, limit.bytes, limit.pinned));
    return std::vector<BudgetedPlacement>{std::move(placement)};
  }
  std::vector<BudgetedPlacement> placements;
  for (uint64_t percent : kBudgetPercents) {
    const uint64_t budget = budgetOf(limit, percent);
    if (percent != 100 && (budget == 0 || needed > budget)) {
      break;
    }
    AIR_ASSIGN_OR_RETURN(BudgetedPlacement placement,
                         placementFor(weights, ledger, budget, std::nullopt));
    const auto isSame = [&](const BudgetedPlacement &earlier) {
      return earlier.weights.ringBytes == placement.weights.ringBytes &&
             earlier.weights.weights == placement.weights.weights &&
             earlier.weights.tables == placement.weights.tables;
    };
    if (placements.empty() || !isSame(placements.back())) {
      placements.push_back(std::move(placement));
    }
  }
  return placements;
}

namespace {

/// Adds up the items. Returns UINT64_MAX when the sum overflows.
uint64_t sumOf(const std::vector<LedgerItem> &items) {
  uint64_t sum = 0;
  for (const LedgerItem &item : items) {
    sum = checkedAdd(sum, item.bytes).value_or(UINT64_MAX);
  }
  return sum;
}

/// The items as "NAME SIZE, NAME SIZE".
std::string textOf(const std::vector<LedgerItem> &items) {
  return listOf(items).substr(std::string_view(", ").size());
}

} // namespace

Result<VramLedger> planVram(const VramDemand &demand, const VramLimit &limit) {
  const std::optional<uint64_t> own =
      kvPages(demand.context, demand.slots, demand.kvPageTokens);
  const std::optional<uint64_t> pages =
      own ? checkedAdd(*own, uint64_t{1}) : std::nullopt;
  const std::optional<uint64_t> kv =
      pages ? checkedMul(*pages, demand.kvPageBytes) : std::nullopt;
  const std::optional<uint64_t> tables =
      checkedMul(4 * demand.tokens,
                 kvPages(demand.context, 1, demand.kvPageTokens).value_or(0));
  if (!kv || !tables) {
    return doesNotFitError(
        "a KV cache of " + std::to_string(demand.slots) + " x " +
        countOf(demand.context, "token") +
        " takes 2^64 bytes or more; choose a smaller --ctx or --slots");
  }
  // Each array of a batch (BatchArray in plan.fbs) begins at a multiple of this
  // number of bytes. Every element has 4 bytes. Three arrays have one element
  // each: the numbers of tokens, of tiles and of output rows. Four arrays have
  // one element for each token: its id, its position in the cache, its position
  // for RoPE, and the index of its row in the block tables. One array has three
  // elements for each tile; there are at most as many tiles as tokens. The
  // indices of the output rows are an array, too, and so are the block tables.
  constexpr uint64_t kAlignment = 64;
  // The array with the number of tokens may also hold TokenDraw records for up
  // to 8 tokens, from byte kTokenDrawOffset on. They add kDraws bytes to it.
  constexpr uint64_t kDraws = kTokenDrawOffset - kAlignment +
                              alignUp(8 * sizeof(TokenDraw), kAlignment);
  const uint64_t arrays = 3 * kAlignment + kDraws +
                          4 * alignUp(4 * demand.tokens, kAlignment) +
                          alignUp(12 * demand.tokens, kAlignment) +
                          alignUp(4 * demand.outputs, kAlignment);
  const uint64_t batch = checkedAdd(arrays, *tables).value_or(UINT64_MAX);
  VramLedger ledger;
  ledger.items = {{"weights", demand.weights},
                  {"kv", *kv},
                  {"activations", demand.activations},
                  {"batch", batch},
                  {"kernels", demand.kernels}};
  if (limit.bytes == 0) {
    return ledger;
  }
  ledger.budget = limit.bytes - std::min(limit.bytes, kDriverBytes);
  uint64_t total = sumOf(ledger.items);
  if (ledger.budget != 0 && total <= ledger.budget) {
    return ledger;
  }
  const uint64_t others = total - demand.weights;
  const bool mayCopy = total != UINT64_MAX && !demand.segments.weights.empty();
  if (mayCopy && others <= ledger.budget) {
    Result<DevicePlacement> placed =
        placeOnDevice(demand.segments, ledger.budget - others);
    if (placed) {
      ledger.placement = *std::move(placed);
      const uint64_t ring = ledger.placement.ringBytes;
      ledger.items[0].bytes =
          ledger.placement.deviceBytes(demand.segments) - ring;
      ledger.items.push_back({"ring", ring});
      return ledger;
    }
  }
  if (mayCopy) {
    ledger.items[0].bytes = leastDeviceBytes(demand.segments);
    total = sumOf(ledger.items);
  }
  // A longer context takes more KV pages, and each of them takes a 4-byte entry
  // in every row of the block tables. There is one row for each token of a
  // batch. advice() counts these entries as part of the page.
  const uint64_t numberBytes = 4 * demand.tokens;
  RamDemand cache;
  cache.kvPageBytes = demand.kvPageBytes + numberBytes;
  cache.kvPageTokens = demand.kvPageTokens;
  cache.context = demand.context;
  cache.slots = demand.slots;
  return doesNotFitError(
      "the plan needs " + byteTextUp(total) + " of VRAM" +
      (mayCopy ? " even if weights stay in RAM and are copied to the GPU in "
                 "every pass"
               : "") +
      " (" + textOf(ledger.items) + "), but " + limit.giver + " " +
      byteText(limit.bytes) + ", of which the driver takes " +
      byteText(kDriverBytes) + " and leaves " + byteTextDown(ledger.budget) +
      "; " +
      advice(cache, total - (*kv - demand.kvPageBytes) - *tables, ledger.budget,
             "VRAM"));
}

Result<GpuHostLedger> planGpuHost(uint64_t processBytes, uint64_t logitsBytes,
                                  const WeightProblem &segments,
                                  const DevicePlacement &device,
                                  const RamLimit &limit,
                                  const std::vector<LedgerItem> &cpuItems) {
  // Reserved for page-locked memory. 8 MiB are the ring through which the
  // runtime copies to the GPU whatever is not in page-locked memory already
  // (CudaDevice.cpp). The rest is for small arrays, and for what is rounded up.
  constexpr uint64_t kPinnedBytes = uint64_t{16} << 20;
  GpuHostLedger ledger;
  ledger.items = {
      {"process", processBytes},
      {"staging", checkedAdd(kPinnedBytes, logitsBytes).value_or(UINT64_MAX)}};
  ledger.items.insert(ledger.items.end(), cpuItems.begin(), cpuItems.end());
  // Weights that are copied to the GPU share an item of the ledger with the
  // weights of the CPU's layers.
  const auto addWeights = [&](uint64_t bytes) {
    for (LedgerItem &item : ledger.items) {
      if (item.name == "weights") {
        item.bytes = checkedAdd(item.bytes, bytes).value_or(UINT64_MAX);
        return;
      }
    }
    ledger.items.push_back({"weights", bytes});
  };
  const uint64_t others = sumOf(ledger.items);
  const uint64_t copied = device.ramBytes(segments);
  const auto total = [&](uint64_t bytes) {
    return checkedAdd(others, bytes).value_or(UINT64_MAX);
  };
  if (limit.bytes == 0 || total(copied) <= limit.bytes) {
    ledger.placement.keptBytes = copied;
    if (copied != 0) {
      addWeights(copied);
    }
    return ledger;
  }
  const uint64_t least =
      copied == 0 ? 0 : std::min(copied, leastRamBytes(segments, device));
  if (limit.streams && total(least) <= limit.bytes) {
    std::optional<HostPlacement> placed =
        placeInRam(segments, device, limit.bytes - others);
    if (placed) {
      ledger.placement = *std::move(placed);
      addWeights(ledger.placement.keptBytes);
      ledger.items.push_back({"ring", ledger.placement.ringBytes});
      return ledger;
    }
  }
  const uint64_t needed = limit.streams ? least : copied;
  if (needed != 0) {
    addWeights(needed);
  }
  std::string what = "the plan needs " + byteTextUp(total(needed)) + " of RAM";
  if (needed < copied) {
    what += " even if weights are read from the disk in every pass";
  }
  what += " (" + textOf(ledger.items) + "), but " + limit.giver + " " +
          byteTextDown(limit.bytes) + "; ";
  if (!limit.streams && total(least) <= limit.bytes) {
    return doesNotFitError(what + "leave out --disk 0 to allow every pass "
                                  "to read weights from the disk");
  }
  return doesNotFitError(
      what + "give a larger --ram" + (copied != 0 ? " or --vram" : "") +
      (cpuItems.empty() ? "" : ", or a smaller --cpu-layers") +
      ", or choose a target with more " + (copied != 0 ? "memory" : "RAM"));
}

} // namespace air::compiler
