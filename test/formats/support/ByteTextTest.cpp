//===- ByteTextTest.cpp - human-readable numbers of bytes -----------------===//
#include "formats/support/ByteText.h"

#include <gtest/gtest.h>

using namespace air;

TEST(ByteText, TwoDecimalsOfTheLargestUnit) {
  EXPECT_EQ(byteText(0), "0 B");
  EXPECT_EQ(byteText(1023), "1023 B");
  EXPECT_EQ(byteText(1024), "1.00 KiB");
  EXPECT_EQ(byteText(uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(byteText(uint64_t{1} << 60), "1048576.00 TiB");
}

TEST(ByteText, RoundedUp) {
  EXPECT_EQ(byteTextUp(1023), "1023 B");
  EXPECT_EQ(byteTextUp(uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(byteTextUp((uint64_t{3} << 19) + 1), "1.51 MiB");
  EXPECT_EQ(byteTextUp((uint64_t{3} << 19) - 1), "1.50 MiB");
}

TEST(ByteText, RoundedDown) {
  EXPECT_EQ(byteTextDown(1023), "1023 B");
  EXPECT_EQ(byteTextDown(uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(byteTextDown((uint64_t{3} << 19) + 1), "1.50 MiB");
  EXPECT_EQ(byteTextDown((uint64_t{3} << 19) - 1), "1.49 MiB");
  EXPECT_EQ(byteTextDown((uint64_t{1} << 30) - 1), "1023.99 MiB");
}
