//===- VerifyBudgets.cpp - rules of budgets and predictions ---------------===//
#include "formats/abi/TokenDraw.h"
#include "formats/plan/Choice.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanRules.h"
#include "formats/plan/ReferencedBytes.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace air::rules {

/// times() and plus() return the product and the sum of two sizes. If the
/// result overflows, they return UINT64_MAX, which is larger than any size in a
/// valid plan.
static uint64_t times(uint64_t a, uint64_t b) {
  return checkedMul(a, b).value_or(UINT64_MAX);
}
static uint64_t plus(uint64_t a, uint64_t b) {
  return checkedAdd(a, b).value_or(UINT64_MAX);
}

namespace {

/// The bytes that a placement needs in the memory of the CPU or of a device,
/// computed from the plan's records.
struct Needs {
  uint64_t weights = 0; // bytes of the weights that stay in this memory
  uint64_t kernels = 0;
  uint64_t tables = 0;
  uint64_t ring = 0;
  uint64_t kv = 0;
  uint64_t activations = 0;
  uint64_t scratch = 0;
  uint64_t staging = 0;
  uint64_t batch = 0; // bytes of the batch's arrays; 0 for the CPU

  uint64_t total() const {
    uint64_t sum = 0;
    for (uint64_t part : {weights, kernels, tables, ring, kv, activations,
                          scratch, staging, batch}) {
      sum = plus(sum, part);
    }
    return sum;
  }
};

/// The member of `needs` that counts the bytes of segments of this kind.
uint64_t &partOf(Needs &needs, plan::SegmentKind kind) {
  return kind == plan::SegmentKind::Weights   ? needs.weights
         : kind == plan::SegmentKind::Kernels ? needs.kernels
                                              : needs.tables;
}

/// The alignment of a segment in the memory of a device.
constexpr uint64_t kDeviceAlignment = 256;

/// What a placement needs in the memory of device 1, which must exist.
Needs deviceNeedsOf(const plan::Plan &plan, const plan::Placement &placement) {
  Needs needs;
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (deviceOf(placement, i) != 0) {
      uint64_t &part = partOf(needs, segment.kind());
      part = plus(part, checkedAlignUp(segment.raw_bytes(), kDeviceAlignment)
                            .value_or(UINT64_MAX));
    }
  }
  needs.ring = placement.device_ring_bytes();
  // The arrays of a batch (BatchArray in plan.fbs) consist of 4-byte numbers.
  // For each token, they have an id and two positions. Each cache group on the
  // device has a block table, which has room for one row per token. A row lists
  // the pages of a sequence. If any program has tiles, the arrays also have
  // - for each token, the index of its row in the block tables,
  // - for each tile, three numbers; there may be as many tiles as tokens,
  // - for each output, the index of its token,
  // - the numbers of tokens, tiles and outputs.
  const bool hasTiles =
      std::any_of(plan.programs()->begin(), plan.programs()->end(),
                  [](const plan::Program *p) { return p->tile_tokens() != 0; });
  uint64_t tokenBytes = hasTiles ? 28 : 12;
  // The bytes of array TokenCount that follow the number of tokens: padding,
  // and the TokenDraw records. There are none if no program can draw tokens.
  uint64_t draws = 0;
  for (uint32_t i = 0; i < sizeOf(plan.cache_groups()); ++i) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(i);
    if (group.device() != 0) {
      // The tokens that pad a batch write their keys and values to an extra
      // page.
      needs.kv = plus(needs.kv, times(group.pages() + 1, group.page_bytes()));
      tokenBytes =
          plus(tokenBytes, 4 * ceilDiv(plan.context(), group.page_tokens()));
    }
  }
  needs.activations = plan.machine()->devices()->Get(0)->arena_bytes();
  needs.batch = times(plan.max_tokens(), tokenBytes);
  if (hasTiles) {
    needs.batch = plus(needs.batch, plus(12, times(4, plan.max_outputs())));
  } else if (std::any_of(
                 plan.programs()->begin(), plan.programs()->end(),
                 [](const plan::Program *p) { return hasChoice(*p); })) {
    needs.batch = plus(needs.batch, 4); // TokenCount
  }
  for (const plan::Program *program : *plan.programs()) {
    if (hasDraw(*program)) {
      const uint64_t records = times(program->max_tokens(), sizeof(TokenDraw));
      draws = std::max(draws, plus(kTokenDrawOffset - 4, records));
    }
  }
  needs.batch = plus(needs.batch, draws);
  return needs;
}

Needs needsOf(const plan::Plan &plan, const plan::Placement &placement) {
  Needs needs;
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    uint64_t &part = partOf(needs, plan.segments()->Get(i)->kind());
    part = plus(part, placement.resident()->Get(i));
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (isCoded(segment)) {
      needs.staging =
          std::max(needs.staging, codedStagingBytes(segment.digest_chunk()));
    }
  }
  needs.ring = placement.ring_bytes();
  for (uint32_t i = 0; i < sizeOf(plan.cache_groups()); ++i) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(i);
    if (group.device() == 0) {
      needs.kv = plus(needs.kv, times(group.pages(), group.page_bytes()));
    }
  }
  needs.activations = plan.arena_bytes();
  uint64_t scratch = 0;
  for (const plan::Program *program : *plan.programs()) {
    for (const plan::Step *step : *program->steps()) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        scratch = std::max<uint64_t>(scratch, dispatch->scratch_bytes());
      }
    }
  }
  needs.scratch = times(scratch, plan.machine()->cores());
  if (plan.reference()) {
    needs.staging = stagingBytes(largestRowBlock(plan));
  }
  return needs;
}

using Items = std::map<std::pair<std::string_view, plan::Tier>, uint64_t>;

/// Checks that the budget items of a memory tier cover `needs`. An item may be
/// missing only if `needs` has 0 bytes for it. Even then, it must be present
/// unless it is "ring", "staging" or "batch", or `mayLack` is true.
Status verifyTier(plan::Tier tier, const Needs &needs, const Items &items,
                  std::map<plan::Tier, uint64_t> &sums, bool mayLack,
                  const std::string &owner) {
  const struct {
    const char *name;
    uint64_t bytes;
    bool exact;
  } known[] = {
      {"weights", needs.weights, false},
      {"kernels", needs.kernels, false},
      {"ring", needs.ring, true},
      {"kv", needs.kv, true},
      {"activations", needs.activations, true},
      {"scratch", needs.scratch, false},
      {"staging", needs.staging, false},
      {"batch", needs.batch, false},
  };
  for (const auto &part : known) {
    const auto it = items.find({part.name, tier});
    const std::string where =
        owner + ", budget item '" + std::string(part.name) + "'";
    if (it == items.end()) {
      const std::string_view name = part.name;
      if (part.bytes == 0 &&
          (mayLack || name == "ring" || name == "staging" || name == "batch")) {
        continue;
      }
      return broken("plan.budget.item", where,
                    std::string("is missing for tier ") +
                        plan::EnumNameTier(tier));
    }
    if (part.exact ? it->second != part.bytes : it->second < part.bytes) {
      return broken("plan.budget.bytes", where,
                    "states " + str(it->second) + " bytes of " +
                        plan::EnumNameTier(tier) + "; the plan needs " +
                        str(part.bytes));
    }
  }
  if (sums[tier] < needs.total()) {
    return broken("plan.budget.total", owner,
                  std::string("the items of tier ") + plan::EnumNameTier(tier) +
                      " take " + str(sums[tier]) +
                      " bytes together; the plan needs " + str(needs.total()) +
                      ", including its resident tables");
  }
  return Status::ok();
}

} // namespace

Status verifyBudgets(const plan::Plan &plan, const plan::Placement &placement,
                     const std::string &owner) {
  std::map<plan::Tier, uint64_t> sums;
  Items items;
  for (uint32_t i = 0; i < sizeOf(placement.items()); ++i) {
    const plan::BudgetItem &item = *placement.items()->Get(i);
    const std::string where = owner + ", " + label("budget item", i, item);
    AIR_RETURN_IF_ERROR(
        checkName("plan.budget.item", where, textOf(item.name())));
    AIR_RETURN_IF_ERROR(checkEnum(where, "tier",
                                  static_cast<uint8_t>(item.tier()),
                                  plan::EnumNameTier(item.tier())));
    if (!items
             .emplace(std::pair(textOf(item.name()), item.tier()), item.bytes())
             .second) {
      return broken("plan.budget.item", where, "appears twice");
    }
    const auto sum = checkedAdd(sums[item.tier()], item.bytes());
    if (!sum) {
      return broken("plan.budget.sum", where,
                    "the items up to this one sum to 2^64 bytes or more");
    }
    sums[item.tier()] = *sum;
  }

  AIR_RETURN_IF_ERROR(verifyTier(plan::Tier::Ram, needsOf(plan, placement),
                                 items, sums, deviceCount(plan) != 1, owner));
  if (deviceCount(plan) != 1) {
    AIR_RETURN_IF_ERROR(verifyTier(plan::Tier::Vram,
                                   deviceNeedsOf(plan, placement), items, sums,
                                   /*mayLack=*/true, owner));
  }

  std::set<plan::Tier> tiers;
  for (uint32_t i = 0; i < sizeOf(placement.budgets()); ++i) {
    const plan::Budget &budget = *placement.budgets()->Get(i);
    const std::string where = owner + ", budget " + str(i);
    AIR_RETURN_IF_ERROR(checkEnum(where, "tier",
                                  static_cast<uint8_t>(budget.tier()),
                                  plan::EnumNameTier(budget.tier())));
    if (!tiers.insert(budget.tier()).second) {
      return broken("plan.budget.tier", where,
                    std::string("is the second budget of tier ") +
                        plan::EnumNameTier(budget.tier()));
    }
    if (budget.bytes() != 0 && sums[budget.tier()] > budget.bytes()) {
      return broken("plan.budget.sum", where,
                    "the items of tier " +
                        std::string(plan::EnumNameTier(budget.tier())) +
                        " sum to " + str(sums[budget.tier()]) +
                        " bytes; the budget is " + str(budget.bytes()));
    }
  }
  return Status::ok();
}

/// Returns the number of bytes of weights that the kernels of the CPU, or those
/// of the device, read in one pass of the first program.
static uint64_t weightsPerPass(const plan::Plan &plan, bool onDevice) {
  uint64_t bytes = 0;
  for (const plan::Step *step : *plan.programs()->Get(0)->steps()) {
    for (const plan::Dispatch *dispatch : *step->dispatches()) {
      if ((dispatch->launch() != nullptr) == onDevice) {
        bytes = plus(bytes, dispatch->weight_bytes());
      }
    }
  }
  return bytes;
}

/// Returns the number of bytes that one pass reads from the disk.
static uint64_t streamedPerPass(const plan::Plan &plan,
                                const plan::Placement &placement) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < sizeOf(placement.reads()); ++i) {
    const plan::StreamRead &read = *placement.reads()->Get(i);
    bytes = plus(bytes, storedRange(*plan.segments()->Get(read.segment()),
                                    read.offset(), read.bytes())
                            .bytes);
  }
  return bytes;
}

/// Returns the number of bytes that one pass copies from RAM to a GPU.
static uint64_t copiedPerPass(const plan::Placement &placement) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < sizeOf(placement.device_reads()); ++i) {
    bytes = plus(bytes, placement.device_reads()->Get(i)->bytes());
  }
  return bytes;
}

Status verifyPredictions(const plan::Plan &plan,
                         const plan::Placement &placement,
                         const std::string &owner) {
  const std::map<std::string_view, uint64_t> least = {
      {"dram", weightsPerPass(plan, /*onDevice=*/false)},
      {"vram", weightsPerPass(plan, /*onDevice=*/true)},
      {"disk", streamedPerPass(plan, placement)},
      {"pcie", copiedPerPass(placement)}};
  std::set<std::string_view> phases;
  for (uint32_t i = 0; i < sizeOf(placement.predictions()); ++i) {
    const plan::Prediction &prediction = *placement.predictions()->Get(i);
    const std::string_view phase = textOf(prediction.phase());
    const std::string where =
        owner + ", prediction " + str(i) + " '" + shown(phase) + "'";
    AIR_RETURN_IF_ERROR(checkName("plan.prediction.phase", where, phase));
    if (!phases.insert(phase).second) {
      return broken("plan.prediction.phase", where, "appears twice");
    }
    // A verify pass reads as many bytes of weights as a decode pass.
    const bool readsWeightsOnce = phase == "decode" || phase == "verify";
    std::set<std::string_view> links;
    for (uint32_t k = 0; k < sizeOf(prediction.links()); ++k) {
      const plan::LinkPrediction &link = *prediction.links()->Get(k);
      const std::string_view name = textOf(link.link());
      const std::string at = where + ", link '" + shown(name) + "'";
      AIR_RETURN_IF_ERROR(checkName("plan.prediction.link", at, name));
      if (!links.insert(name).second) {
        return broken("plan.prediction.link", at, "appears twice");
      }
      const auto bytes = least.find(name);
      if (readsWeightsOnce && bytes != least.end() &&
          link.bytes_per_pass() < bytes->second) {
        return broken("plan.prediction.bytes", at,
                      "states " + str(link.bytes_per_pass()) +
                          " bytes per pass; a pass transfers at least " +
                          str(bytes->second));
      }
      // The nanoseconds that a transfer of bytes_per_pass() takes at the
      // assumed bandwidth. One nanosecond less is tolerated, because the
      // prediction may have been rounded.
      const auto needed =
          link.bandwidth() == 0
              ? static_cast<unsigned __int128>(0)
              : static_cast<unsigned __int128>(link.bytes_per_pass()) *
                    1'000'000'000 / link.bandwidth();
      const auto stated =
          static_cast<unsigned __int128>(prediction.nanoseconds());
      if (stated != 0 && stated + 1 < needed) {
        return broken("plan.prediction.bound", at,
                      "a pass is predicted to take " +
                          str(prediction.nanoseconds()) +
                          " ns, but the link needs " +
                          str(static_cast<uint64_t>(std::min<unsigned __int128>(
                              needed, UINT64_MAX))) +
                          " ns");
      }
    }
    for (const char *link : {"disk", "pcie"}) {
      if (readsWeightsOnce && least.at(link) != 0 && !links.contains(link)) {
        return broken("plan.prediction.bytes", where,
                      std::string("has no entry for the link '") + link +
                          "', over which each pass reads " +
                          str(least.at(link)) + " bytes; it must have one");
      }
    }
    const std::string_view limit = textOf(prediction.limit());
    if (!limit.empty() && !links.contains(limit)) {
      return broken("plan.prediction.limit", where,
                    "the limit is '" + shown(limit) +
                        "'; it must be one of the prediction's links");
    }
  }
  return Status::ok();
}

} // namespace air::rules
