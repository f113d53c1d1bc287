//===- HalfTest.cpp - binary16 and bfloat16 conversions -------------------===//
#include "formats/dtype/Half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace air;

namespace {

/// The value of a float16 according to its definition in IEEE 754: the sign
/// times a power of two times the significand.
double valueByDefinition(uint16_t half) {
  double sign = half & 0x8000 ? -1.0 : 1.0;
  int exponent = (half >> 10) & 31;
  double fraction = (half & 0x3ff) / 1024.0;
  return exponent == 0 ? sign * std::ldexp(fraction, -14)
                       : sign * std::ldexp(1.0 + fraction, exponent - 15);
}

TEST(Half, EveryHalfWidensExactly) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    float value = halfToFloat(half);
    if ((bits & 0x7fff) > 0x7c00) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      continue;
    }
    if ((bits & 0x7fff) == 0x7c00) {
      ASSERT_TRUE(std::isinf(value) && std::signbit(value) == (bits > 0x7fff));
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), valueByDefinition(half)) << bits;
    ASSERT_EQ(std::signbit(value), bits > 0x7fff) << bits;
  }
}

TEST(Half, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    uint16_t back = floatToHalf(halfToFloat(half));
    if ((bits & 0x7fff) > 0x7c00) {
      ASSERT_EQ(back, half | 0x200) << "a NaN becomes quiet";
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

TEST(Half, NarrowingRoundsToNearestEven) {
  // For any two neighbouring float16 numbers, the test rounds three float32
  // numbers: their midpoint, the number right below it and the number right
  // above it.
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    auto low = static_cast<uint16_t>(bits);
    auto high = static_cast<uint16_t>(bits + 1);
    float middle = (halfToFloat(low) + halfToFloat(high)) / 2;
    ASSERT_EQ(floatToHalf(middle), bits & 1 ? high : low) << bits;
    ASSERT_EQ(floatToHalf(-middle), (bits & 1 ? high : low) | 0x8000) << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 0.0F)), low) << bits;
    ASSERT_EQ(floatToHalf(std::nextafter(middle, 1e9F)), high) << bits;
  }
  EXPECT_EQ(floatToHalf(65519.996F), 0x7bff);
  EXPECT_EQ(floatToHalf(65520.0F), 0x7c00);
  EXPECT_EQ(floatToHalf(std::numeric_limits<float>::max()), 0x7c00);
  EXPECT_EQ(floatToHalf(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(floatToHalf(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(floatToHalf(-0.0F), 0x8000);
}

TEST(Bfloat16, WidensAndRoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto narrow = static_cast<uint16_t>(bits);
    bool nan = (bits & 0x7fff) > 0x7f80;
    ASSERT_EQ(floatToBfloat16(bfloat16ToFloat(narrow)),
              nan ? narrow | 0x40 : narrow);
  }
  EXPECT_EQ(floatToBfloat16(1.0F), 0x3f80);
  EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(0x3f808000)), 0x3f80);
  EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(0x3f808001)), 0x3f81);
  EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(0x3f818000)), 0x3f82);
  EXPECT_EQ(floatToBfloat16(std::numeric_limits<float>::max()), 0x7f80);
}

} // namespace
