//===- TokenTableTest.cpp - maps strings and pairs to ids -------*- C++ -*-===//
#include "runtime/text/TokenTable.h"

#include <gtest/gtest.h>

#include <map>

using namespace air::rt;

namespace {

TEST(TokenTableTest, FindsWhatIsIndexed) {
  TokenTable table;
  EXPECT_EQ(table.find("a"), TokenTable::kAbsent);
  EXPECT_EQ(table.add("a"), 0);
  EXPECT_EQ(table.add("b"), 1);
  table.index(1);
  EXPECT_EQ(table.find("a"), TokenTable::kAbsent);
  EXPECT_EQ(table.find("b"), 1);
  EXPECT_EQ(table[0], "a");
  EXPECT_EQ(table.size(), 2);
}

TEST(TokenTableTest, TheFirstOfEqualsStays) {
  TokenTable table;
  table.add("x");
  table.add("x");
  table.index(1);
  table.index(0);
  EXPECT_EQ(table.find("x"), 1);
}

TEST(TokenTableTest, AGuessIsOnlyAHint) {
  TokenTable table;
  table.add("hidden");
  table.add("seen");
  table.index(1);
  auto find = [&](std::string_view text, int32_t guess) {
    return table.find(text, TokenTable::hashOf(text), guess);
  };
  EXPECT_EQ(find("seen", 1), 1);
  EXPECT_EQ(find("seen", 0), 1);
  EXPECT_EQ(find("seen", 7), 1);
  EXPECT_EQ(find("hidden", 0), TokenTable::kAbsent);
}

TEST(TokenTableTest, GrowsPastItsReserve) {
  TokenTable table;
  table.reserve(10, 10);
  std::map<std::string, int32_t> expected;
  for (int i = 0; i < 20000; ++i) {
    std::string text = std::to_string(i * 7919 % 20011);
    if (expected.emplace(text, table.size()).second) {
      table.index(table.add(text));
    }
  }
  for (const auto &[text, id] : expected) {
    ASSERT_EQ(table.find(text), id);
  }
  EXPECT_EQ(table.find("20011"), TokenTable::kAbsent);
}

TEST(PairTableTest, TheFirstRankStays) {
  PairTable pairs(3);
  EXPECT_EQ(pairs.find(1, 2), nullptr);
  pairs.insert(1, 2, {5, 9});
  pairs.insert(1, 2, {6, 10});
  pairs.insert(2, 1, {7, 11});
  ASSERT_NE(pairs.find(1, 2), nullptr);
  EXPECT_EQ(pairs.find(1, 2)->rank, 5);
  EXPECT_EQ(pairs.find(1, 2)->merged, 9);
  EXPECT_EQ(pairs.find(2, 1)->rank, 7);
  EXPECT_EQ(pairs.find(TokenTable::kAbsent, TokenTable::kAbsent), nullptr);
}

TEST(PairTableTest, InTheOrderOfTheRanks) {
  PairTable pairs(3);
  pairs.insert(4, 5, {30, 9});
  pairs.insert(1, 2, {10, 7});
  pairs.insert(2, 1, {20, 8});
  std::vector<int32_t> found;
  for (const PairTable::Entry &each : pairs.byRank()) {
    found.insert(found.end(),
                 {each.left, each.right, each.merge.rank, each.merge.merged});
  }
  EXPECT_EQ(found,
            (std::vector<int32_t>{1, 2, 10, 7, 2, 1, 20, 8, 4, 5, 30, 9}));
}

} // namespace
