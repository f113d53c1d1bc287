//===- NumberTextTest.cpp - decimals and special values -------------------===//
#include "formats/support/NumberText.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <limits>

using air::numberText;

TEST(NumberText, ReadsAsPeopleWriteNumbers) {
  EXPECT_EQ(numberText(8.0), "8");
  EXPECT_EQ(numberText(-0.25), "-0.25");
  EXPECT_EQ(numberText(1e-6), "1e-06");
  EXPECT_EQ(numberText(0.1F), "0.1");
  EXPECT_EQ(numberText(std::numeric_limits<double>::infinity()), "inf");
}

TEST(NumberText, DifferentNumbersLookDifferent) {
  for (const double value : {1e-5, 1.0 / 3, 0x1p-1074, 0x1.fffffffffffffp1023,
                             -123456789.123456789}) {
    EXPECT_EQ(std::strtod(numberText(value).c_str(), nullptr), value);
    EXPECT_NE(numberText(value), numberText(std::nextafter(value, 0.0)));
  }
}
