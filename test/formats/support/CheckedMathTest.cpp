//===- CheckedMathTest.cpp - checked arithmetic on sizes, and the cursor --===//
#include "formats/support/CheckedMath.h"
#include "formats/support/ByteReader.h"

#include <gtest/gtest.h>

#include <array>

using namespace air;

namespace {

constexpr uint64_t kMax = UINT64_MAX;

TEST(CheckedMath, Add) {
  EXPECT_EQ(checkedAdd(2, 3), 5U);
  EXPECT_EQ(checkedAdd(kMax, 0), kMax);
  EXPECT_EQ(checkedAdd(kMax - 1, 1), kMax);
  EXPECT_EQ(checkedAdd(kMax, 1), std::nullopt);
  EXPECT_EQ(checkedAdd(kMax, kMax), std::nullopt);
}

TEST(CheckedMath, Multiply) {
  EXPECT_EQ(checkedMul(6, 7), 42U);
  EXPECT_EQ(checkedMul(0, kMax), 0U);
  EXPECT_EQ(checkedMul(uint64_t{1} << 32, (uint64_t{1} << 32) - 1),
            0xffffffff00000000U);
  EXPECT_EQ(checkedMul(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(checkedMul(kMax, 2), std::nullopt);
}

TEST(CheckedMath, AlignUp) {
  EXPECT_EQ(checkedAlignUp(0, 32), 0U);
  EXPECT_EQ(checkedAlignUp(1, 32), 32U);
  EXPECT_EQ(checkedAlignUp(32, 32), 32U);
  EXPECT_EQ(checkedAlignUp(33, 1), 33U);
  EXPECT_EQ(checkedAlignUp(kMax - 31, 32), kMax - 31);
  EXPECT_EQ(checkedAlignUp(kMax - 30, 32), std::nullopt);
  EXPECT_EQ(checkedAlignUp(5, 0), std::nullopt);
  EXPECT_EQ(checkedAlignUp(5, 48), std::nullopt);
  EXPECT_EQ(alignUp(5, 6), 6U);
  EXPECT_EQ(ceilDiv(7, 3), 3U);
  EXPECT_EQ(ceilDiv(6, 3), 2U);
}

TEST(CheckedMath, RangeFits) {
  EXPECT_TRUE(rangeFits(0, 10, 10));
  EXPECT_TRUE(rangeFits(10, 0, 10));
  EXPECT_FALSE(rangeFits(1, 10, 10));
  EXPECT_FALSE(rangeFits(11, 0, 10));
  EXPECT_FALSE(rangeFits(kMax, 2, 10));
  EXPECT_FALSE(rangeFits(2, kMax, 10));
  EXPECT_TRUE(rangeFits(1, kMax - 1, kMax));
}

TEST(ByteReader, NeverPassesTheEnd) {
  const std::array<uint8_t, 7> bytes = {1, 0, 0, 0, 2, 3, 4};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.read<uint32_t>(), 1U);
  EXPECT_EQ(reader.position(), 4U);
  EXPECT_EQ(reader.read<uint32_t>(), std::nullopt);
  EXPECT_EQ(reader.position(), 4U) << "a failed read moves nothing";
  EXPECT_EQ(reader.read<uint16_t>(), 0x0302U);
  EXPECT_EQ(reader.readBytes(2), std::nullopt);
  EXPECT_EQ(reader.readBytes(kMax), std::nullopt);
  std::optional<std::span<const uint8_t>> last = reader.readBytes(1);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->data(), bytes.data() + 6);
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(reader.read<uint8_t>(), std::nullopt);
  EXPECT_TRUE(reader.readBytes(0).has_value());
  EXPECT_TRUE(reader.seek(7));
  EXPECT_FALSE(reader.seek(8));
  EXPECT_TRUE(reader.seek(4));
  EXPECT_EQ(reader.read<uint8_t>(), 2);
}

} // namespace
