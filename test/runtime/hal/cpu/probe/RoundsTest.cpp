//===- RoundsTest.cpp - measurements that take turns ----------------------===//
#include "runtime/hal/cpu/probe/Rounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

TEST(Rounds, TakeTurnsAndGiveTheMedian) {
  std::string order;
  Rounds rounds;
  double first[] = {9, 1, 5};
  size_t at = 0;
  const size_t a = rounds.add([&]() -> Result<double> {
    order += 'a';
    return first[at++];
  });
  const size_t b = rounds.add([&]() -> Result<double> {
    order += 'b';
    return 7.0;
  });
  EXPECT_EQ(rounds.median(a), 0);
  EXPECT_EQ(rounds.largest(a), 0);
  ASSERT_TRUE(rounds.take(3, 60).isOk());
  EXPECT_EQ(order, "ababab");
  EXPECT_EQ(rounds.median(a), 5);
  EXPECT_EQ(rounds.largest(a), 9);
  EXPECT_EQ(rounds.median(b), 7);
}

TEST(Rounds, AnEvenNumberHasALowerMiddle) {
  Rounds rounds;
  double next = 0;
  const size_t index =
      rounds.add([&]() -> Result<double> { return next += 1; });
  ASSERT_TRUE(rounds.take(4, 60).isOk());
  EXPECT_EQ(rounds.median(index), 2);
}

TEST(Rounds, EndWithTheTimeButNotBeforeTheFewest) {
  Rounds rounds;
  uint32_t taken = 0;
  rounds.add([&]() -> Result<double> { return ++taken; });
  ASSERT_TRUE(rounds.take(1000, 0).isOk());
  EXPECT_EQ(taken, Rounds::kFewest);
}

TEST(Rounds, AnErrorEndsThem) {
  Rounds rounds;
  uint32_t taken = 0;
  rounds.add([&]() -> Result<double> {
    if (++taken == 2) {
      return ioError("no clock");
    }
    return 1.0;
  });
  const Status status = rounds.take(5, 60);
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_EQ(taken, 2u);
}
