//===- GpuAlternatesTest.cpp - placements for less memory -----------------===//
#include "compiler/planner/GpuAlternates.h"

#include <gtest/gtest.h>

namespace air::compiler {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// Ten segments of 100 MiB, each for a different step, and 24 MiB of
/// activations, which are always in VRAM.
GpuDemand demand() {
  GpuDemand needs;
  for (uint32_t step = 0; step < 10; ++step) {
    needs.vram.segments.weights.push_back({100 * kMiB, step, step});
  }
  needs.vram.segments.steps = 10;
  needs.vram.weights = 1000 * kMiB;
  needs.vram.activations = 24 * kMiB;
  needs.vram.kvPageTokens = 64;
  return needs;
}

GpuLimits limits(uint64_t vram) {
  return {{kDriverBytes + vram, "--vram gives"}, {8192 * kMiB, "--ram gives"}};
}

/// The sum of the items in VRAM.
uint64_t sumOf(const GpuPlacement &placement) {
  uint64_t sum = 0;
  for (const LedgerItem &item : placement.vram.items) {
    sum += item.bytes;
  }
  return sum;
}

TEST(GpuAlternates, AreForLessVram) {
  // The placements are for 100, 90, 75 and 50 % of the limit. Each holds the 24
  // MiB of activations. Beside these, 1100 MiB hold all ten segments of 100
  // MiB. 990 MiB hold 7 segments and a ring for 2 segments. 825 MiB hold 6 and
  // a ring for 2, or 5 and a ring for 3. 550 MiB hold 3 and a ring for 2.
  const auto placements = planGpuPlacements(demand(), limits(1100 * kMiB));
  ASSERT_TRUE(placements) << placements.status().message();
  ASSERT_EQ(placements->size(), 4U);
  const uint64_t budgets[] = {1100, 990, 825, 550};
  uint64_t copied = 0;
  for (size_t i = 0; i < 4; ++i) {
    const GpuPlacement &placement = (*placements)[i];
    EXPECT_LE(placement.vram.budget, budgets[i] * kMiB);
    EXPECT_GT(placement.vram.budget, budgets[i] * kMiB - 100);
    EXPECT_EQ(placement.ramBudget, 8192 * kMiB);
    EXPECT_LE(sumOf(placement), placement.vram.budget);
    EXPECT_TRUE(i == 0 ? placement.copiedBytes() == 0
                       : placement.copiedBytes() > copied);
    copied = placement.copiedBytes();
  }
  // In the last placement, VRAM has room for 5 segments. A ring takes the room
  // of at least one, so at most 4 of the 10 segments stay there, and each pass
  // copies at least 6.
  EXPECT_GE(copied, 600 * kMiB);
}

TEST(GpuAlternates, EqualOnesAndThoseThatDoNotFitAreLeftOut) {
  // Placements are made for 100, 90, 75 and 50 % of VRAM. Half of 4096 MiB
  // holds everything, so all of them would be equal.
  EXPECT_EQ(planGpuPlacements(demand(), limits(4096 * kMiB))->size(), 1U);
  // The ring and the activations fit into 130 MiB, but not into 90 % of it.
  GpuDemand least = demand();
  const auto few = planGpuPlacements(least, limits(130 * kMiB));
  ASSERT_TRUE(few) << few.status().message();
  EXPECT_EQ(few->size(), 1U);
  // If the size of VRAM is not known, no placements for less VRAM are made.
  EXPECT_EQ(planGpuPlacements(demand(), {})->size(), 1U);
  GpuLimits unknown = limits(1100 * kMiB);
  unknown.ram.bytes = 0;
  EXPECT_EQ(planGpuPlacements(demand(), unknown)->size(), 4U);
  EXPECT_EQ(planGpuPlacements(demand(), limits(100 * kMiB)).status().code(),
            ErrorCode::DoesNotFit);
}

// The placements leave 484, 359 or 234 MiB of RAM for weights. Copied weights
// that do not fit there are read from the disk. For each amount of VRAM, there
// is a placement for each amount of RAM.
TEST(GpuAlternates, AreAlsoForLessRam) {
  GpuLimits small = limits(1100 * kMiB);
  small.ram.bytes = 500 * kMiB;
  const auto placements = planGpuPlacements(demand(), small);
  ASSERT_TRUE(placements) << placements.status().message();
  ASSERT_GT(placements->size(), 5U);
  std::pair before = {UINT64_MAX, UINT64_MAX};
  bool readsSome = false;
  for (const GpuPlacement &placement : *placements) {
    const std::pair budgets = {placement.vram.budget, placement.ramBudget};
    EXPECT_LT(budgets, before);
    before = budgets;
    const HostPlacement &host = placement.ram.placement;
    EXPECT_LE(host.ramBytes() + 16 * kMiB, placement.ramBudget);
    EXPECT_EQ(placement.readBytes(), placement.copiedBytes() - host.keptBytes);
    readsSome |= placement.readBytes() != 0;
  }
  EXPECT_TRUE(readsSome);
  // Without the disk, what is copied must fit into RAM.
  small.ram.streams = false;
  for (const GpuPlacement &placement : *planGpuPlacements(demand(), small)) {
    EXPECT_LE(placement.copiedBytes(), 484 * kMiB);
    EXPECT_EQ(placement.readBytes(), 0U);
  }
}

} // namespace
} // namespace air::compiler
