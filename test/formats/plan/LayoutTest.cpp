//===- LayoutTest.cpp - names and sizes of layouts ------------------------===//
#include "formats/plan/Layout.h"

#include <gtest/gtest.h>

using namespace air;

TEST(Layout, NamesComeBack) {
  EXPECT_EQ(layoutName(Layout::Rows), "rows");
  EXPECT_EQ(layoutName(Layout::X16), "x16");
  EXPECT_EQ(layoutName(Layout::T16), "t16");
  EXPECT_EQ(layoutFromName("x16"), Layout::X16);
  EXPECT_EQ(layoutFromName("t16"), Layout::T16);
  EXPECT_EQ(layoutFromName("rows"), Layout::Rows);
  EXPECT_FALSE(layoutFromName("X16").has_value());
  EXPECT_EQ(layoutName(Layout::T16Indices), "t16i");
  EXPECT_EQ(layoutFromName("t16i"), Layout::T16Indices);
  EXPECT_EQ(layoutName(static_cast<Layout>(4)), "");
}

// The worked example in docs/plan-format.md, section 4, has these sizes.
TEST(Layout, SizesOfTheDocumentedExample) {
  EXPECT_EQ(*layoutBytes(DType::Q4_0, Layout::Rows, 20, 64), 720u);
  EXPECT_EQ(*layoutBytes(DType::Q4_0, Layout::X16, 20, 64), 1152u);
}

TEST(Layout, RowsAndX16AgreeOnWholeGroups) {
  EXPECT_EQ(*layoutBytes(DType::Q6_K, Layout::X16, 32, 512),
            *layoutBytes(DType::Q6_K, Layout::Rows, 32, 512));
  EXPECT_EQ(*layoutBytes(DType::F32, Layout::X16, 1, 3), 16u * 3 * 4);
  // Two tiles of 16 rows, each with three units of 256 columns and 2368 bytes.
  EXPECT_EQ(*layoutBytes(DType::Q4_K, Layout::T16, 17, 768), 2u * 3 * 2368);
}

TEST(Layout, RefusesPartsOfBlocksAndOverflow) {
  EXPECT_EQ(layoutBytes(DType::Q4_0, Layout::Rows, 4, 33).status().code(),
            ErrorCode::Corrupt);
  EXPECT_EQ(
      layoutBytes(DType::F32, Layout::Rows, UINT64_MAX / 2, 4).status().code(),
      ErrorCode::Corrupt);
  EXPECT_EQ(
      layoutBytes(DType::F32, Layout::X16, UINT64_MAX - 3, 1).status().code(),
      ErrorCode::Corrupt);
}
