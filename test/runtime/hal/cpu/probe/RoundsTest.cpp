//===- RoundsTest.cpp - measurements that take turns ----------------------===//
#include "runtime/hal/cpu/probe/Rounds.h"

#include "formats/support/MonotonicClock.h"

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
  ASSERT_TRUE(rounds.take(0).isOk());
  EXPECT_EQ(order, "ababab");
  EXPECT_EQ(rounds.median(a), 5);
  EXPECT_EQ(rounds.largest(a), 9);
  EXPECT_EQ(rounds.median(b), 7);
}

TEST(Rounds, AnEvenNumberHasAMeanInTheMiddle) {
  Rounds rounds;
  double next = 0;
  const size_t index =
      rounds.add([&]() -> Result<double> { return next += 1; });
  ASSERT_TRUE(rounds.take(0).isOk());
  ASSERT_TRUE(rounds.take(0).isOk());
  EXPECT_EQ(next, 6) << "each call takes the fewest rounds, three";
  EXPECT_EQ(rounds.median(index), 3.5);
}

TEST(Rounds, GoOnUntilTheTimeIsOver) {
  Rounds rounds;
  const double start = monotonicSeconds();
  double last = 0;
  rounds.add([&]() -> Result<double> {
    last = monotonicSeconds();
    return last;
  });
  ASSERT_TRUE(rounds.take(0.05).isOk());
  EXPECT_GE(last - start, 0.04);
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
  const Status status = rounds.take(60);
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_EQ(taken, 2u);
}
