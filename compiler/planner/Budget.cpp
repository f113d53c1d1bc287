//===- Budget.cpp - the ledger, and what to do when it does not fit -------===//
#include "compiler/planner/Budget.h"

#include "formats/support/CheckedMath.h"

#include <array>
#include <cstdio>
#include <optional>

namespace air::compiler {
namespace {

/// The largest whole number of KV pages a slot that fits beside `fixed` bytes,
/// in tokens.
uint64_t largestContext(const RamDemand &demand, uint64_t fixed,
                        uint64_t capacity) {
  std::optional<uint64_t> pageOfAll =
      checkedMul(demand.kvPageBytes, demand.slots);
  if (fixed >= capacity || !pageOfAll || *pageOfAll == 0) {
    return 0;
  }
  return (capacity - fixed) / *pageOfAll * demand.kvPageTokens;
}

} // namespace

std::string byteText(uint64_t bytes) {
  static constexpr std::array<const char *, 5> kUnits = {"B", "KiB", "MiB",
                                                         "GiB", "TiB"};
  if (bytes < 1024) {
    return std::to_string(bytes) + " B";
  }
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", value, kUnits[unit]);
  return text.data();
}

std::optional<uint64_t> kvPages(uint64_t context, uint64_t slots,
                                uint64_t pageTokens) {
  return checkedMul(slots,
                    context / pageTokens + (context % pageTokens != 0 ? 1 : 0));
}

Result<RamBudget> planBudget(const RamDemand &demand, uint64_t capacity,
                             const std::string &machineName) {
  std::optional<uint64_t> pages =
      kvPages(demand.context, demand.slots, demand.kvPageTokens);
  std::optional<uint64_t> kv =
      pages ? checkedMul(*pages, demand.kvPageBytes) : std::nullopt;
  std::optional<uint64_t> scratch =
      checkedMul(demand.scratchPerThread, demand.threads);
  if (!kv) {
    return doesNotFitError(
        "a KV cache of " + std::to_string(demand.slots) + " x " +
        std::to_string(demand.context) +
        " tokens is larger than 2^64 bytes; choose a smaller --ctx or --slots");
  }
  if (!scratch) {
    return doesNotFitError("kernel scratch of " +
                           std::to_string(demand.threads) + " x " +
                           std::to_string(demand.scratchPerThread) +
                           " bytes is larger than 2^64 bytes");
  }
  RamBudget budget;
  budget.capacity = capacity;
  budget.items = {{"weights", demand.weights},
                  {"kv", *kv},
                  {"activations", demand.activations},
                  {"scratch", *scratch},
                  {"kernels", demand.kernels}};
  std::string list;
  for (const LedgerItem &item : budget.items) {
    std::optional<uint64_t> sum = checkedAdd(budget.total, item.bytes);
    if (!sum) {
      return doesNotFitError("the plan's memory passes 2^64 bytes at '" +
                             item.name + "' of " + std::to_string(item.bytes) +
                             " bytes");
    }
    budget.total = *sum;
    list += (list.empty() ? "" : ", ") + item.name + " " + byteText(item.bytes);
  }
  if (capacity == 0 || budget.total <= capacity) {
    return budget;
  }
  uint64_t context = largestContext(demand, budget.total - *kv, capacity);
  std::string advice =
      context > 0
          ? "choose --ctx " + std::to_string(context) + " or less"
          : "even without KV it does not fit: choose a smaller quantisation "
            "of the model, or a machine with more memory";
  return doesNotFitError("the plan needs " + byteText(budget.total) +
                         " of RAM (" + list + "), but target '" + machineName +
                         "' has " + byteText(capacity) + "; " + advice);
}

} // namespace air::compiler
