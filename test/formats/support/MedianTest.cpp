//===- MedianTest.cpp - the median of samples -----------------------------===//
#include "formats/support/Median.h"

#include <gtest/gtest.h>

using namespace air;

TEST(Median, OfAnEvenNumberIsTheMeanOfTheTwoInTheMiddle) {
  EXPECT_EQ(medianOf({}), 0);
  EXPECT_EQ(medianOf({7}), 7);
  EXPECT_EQ(medianOf({9, 2}), 5.5);
  EXPECT_EQ(medianOf({9, 2, 4}), 4);
  EXPECT_EQ(medianOf({8, 1, 6, 3}), 4.5);
  EXPECT_EQ(medianOf({5, 5, 1, 5, 5, 9}), 5);
}
