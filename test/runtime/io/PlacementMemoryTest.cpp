//===- PlacementMemoryTest.cpp - what counts as the session's memory ------===//
#include "runtime/io/PlacementMemory.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

/// A placement with a ring of 300 bytes. It needs 1000 bytes of RAM, of which
/// 100 are for the process.
class PlacementMemoryTest : public testing::Test {
protected:
  PlacementMemoryTest() {
    plan::PlacementT made;
    made.ring_bytes = 300;
    const struct {
      const char *name;
      plan::Tier tier;
      uint64_t bytes;
    } items[] = {{"weights", plan::Tier::Ram, 600},
                 {"ring", plan::Tier::Ram, 300},
                 {"process", plan::Tier::Ram, 100},
                 {"process", plan::Tier::Vram, 77777}};
    for (const auto &[name, tier, bytes] : items) {
      auto item = std::make_unique<plan::BudgetItemT>();
      item->name = name;
      item->tier = tier;
      item->bytes = bytes;
      made.items.push_back(std::move(item));
    }
    builder.Finish(plan::Placement::Pack(builder, &made));
  }
  const plan::Placement &placement() const {
    return *flatbuffers::GetRoot<plan::Placement>(builder.GetBufferPointer());
  }
  static MemoryRoom room(int64_t free, std::optional<uint64_t> own) {
    return {free, 9000, 9000, "limit", own};
  }

  flatbuffers::FlatBufferBuilder builder;
};

TEST_F(PlacementMemoryTest, OnlyTheItemsOfRamCount) {
  EXPECT_EQ(ramOf(placement()), 1000U);
}

TEST_F(PlacementMemoryTest, WhatTheSessionUsesIsUsable) {
  // Before a session begins, only the item "process" is in use.
  EXPECT_EQ(usableBytes(placement(), room(500, 0), 0), 600U);
  // The ring has been allocated, but no weights are in memory yet.
  EXPECT_EQ(usableBytes(placement(), room(500, 0), 300), 900U);
  // 200 bytes of weights are in memory, too.
  EXPECT_EQ(usableBytes(placement(), room(500, 200), 300), 1100U);
  // Everything is in use. Any other memory of this process belongs to another
  // session.
  EXPECT_EQ(usableBytes(placement(), room(500, 600), 300), 1500U);
  EXPECT_EQ(usableBytes(placement(), room(500, 5000), 300), 1500U);
  EXPECT_EQ(usableBytes(placement(), room(500, UINT64_MAX), 300), 1500U);
  EXPECT_EQ(usableBytes(placement(), room(500, std::nullopt), 300), 1500U);
  // More is in use than the limit allows.
  EXPECT_EQ(usableBytes(placement(), room(-40, 600), 300), 960U);
}

TEST_F(PlacementMemoryTest, OnlyWhatIsNewBelongsToTheSession) {
  const MemoryRoom before = room(800, 3000);
  MemoryRoom since = changeSince(before, room(700, 3100));
  EXPECT_EQ(since.free, 700);
  EXPECT_EQ(since.own, 100U);
  // The process may also have released memory.
  since = changeSince(before, room(900, 2900));
  EXPECT_EQ(since.own, 0U);
  EXPECT_EQ(changeSince(room(0, std::nullopt), room(0, 5)).own, std::nullopt);
  EXPECT_EQ(changeSince(before, room(0, std::nullopt)).own, std::nullopt);
}

TEST_F(PlacementMemoryTest, TheMessageNamesTheLimit) {
  EXPECT_EQ(leftText(room(500, 0), 600),
            "only 600 of 9000 bytes of memory are left (limit)");
}

} // namespace
