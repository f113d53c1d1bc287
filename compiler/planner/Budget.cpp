//===- Budget.cpp - the RAM ledger, and advice when it does not fit -------===//
#include "compiler/planner/Budget.h"

#include "formats/support/ByteText.h"
#include "formats/support/CheckedMath.h"

#include <optional>

namespace air::compiler {
namespace {

/// Suggests what to change so that the plan fits: the slots, the context or the
/// model. `fixed` is the demand in bytes without the KV cache.
std::string advice(const RamDemand &demand, uint64_t fixed, uint64_t capacity) {
  if (fixed >= capacity || demand.kvPageBytes == 0) {
    return "it would not fit even without a KV cache: choose a smaller "
           "quantisation of the model, or a machine with more memory";
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
           " fits beside the rest: choose a smaller quantisation of the model, "
           "or a machine with more memory";
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

} // namespace

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
                           std::to_string(demand.threads) + " threads x " +
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
      return doesNotFitError("the plan needs more than 2^64 bytes of RAM: '" +
                             item.name + "' of " + std::to_string(item.bytes) +
                             " bytes comes on top of " +
                             std::to_string(budget.total) + " bytes");
    }
    budget.total = *sum;
    list += (list.empty() ? "" : ", ") + item.name + " " + byteText(item.bytes);
  }
  if (capacity == 0 || budget.total <= capacity) {
    return budget;
  }
  return doesNotFitError("the plan needs " + byteText(budget.total) +
                         " of RAM (" + list + "), but target '" + machineName +
                         "' has " + byteText(capacity) + "; " +
                         advice(demand, budget.total - *kv, capacity));
}

} // namespace air::compiler
