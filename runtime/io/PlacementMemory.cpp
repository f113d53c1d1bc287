//===- PlacementMemory.cpp - does a placement fit into free RAM -----------===//
#include "runtime/io/PlacementMemory.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string_view>

using namespace air;
using namespace air::rt;

namespace {

uint64_t sumOrMost(uint64_t a, uint64_t b) {
  return checkedAdd(a, b).value_or(UINT64_MAX);
}

/// The bytes of the items of RAM with this name; of all items if it is empty.
uint64_t ramItems(const plan::Placement &placement, std::string_view name) {
  uint64_t sum = 0;
  for (const plan::BudgetItem *item : *placement.items()) {
    if (item->tier() == plan::Tier::Ram &&
        (name.empty() || item->name()->string_view() == name)) {
      sum = sumOrMost(sum, item->bytes());
    }
  }
  return sum;
}

} // namespace

uint64_t air::rt::ramOf(const plan::Placement &placement) {
  return ramItems(placement, "");
}

MemoryRoom air::rt::changeSince(const MemoryRoom &before, MemoryRoom now) {
  if (!before.own) {
    now.own = std::nullopt;
  }
  if (now.own) {
    *now.own -= std::min(*now.own, *before.own);
  }
  return now;
}

uint64_t air::rt::usableBytes(const plan::Placement &current,
                              const MemoryRoom &room, uint64_t ringBytes) {
  uint64_t own = ramOf(current);
  if (room.own) {
    const uint64_t allocated = sumOrMost(*room.own, ringBytes);
    own = std::min(own, sumOrMost(ramItems(current, "process"), allocated));
  }
  return usableBytes(room, own);
}

std::string air::rt::leftText(const MemoryRoom &room, uint64_t usable) {
  return "only " + std::to_string(usable) + " of " +
         std::to_string(room.limit) + " bytes of memory are left (" +
         std::string(room.file) + ")";
}
