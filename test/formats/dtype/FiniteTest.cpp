//===- FiniteTest.cpp - NaN and infinity in weights -----------------------===//
#include "formats/dtype/Finite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace air;

namespace {

std::string typeName(const testing::TestParamInfo<DTypeInfo> &param) {
  return std::string(param.param.name);
}

class Finite : public testing::TestWithParam<DTypeInfo> {};
class FiniteAsDecoded : public testing::TestWithParam<DTypeInfo> {};

/// Whether dequantize() returns only finite elements for the block.
bool decodesFinite(const DTypeInfo &type, const uint8_t *block) {
  std::vector<float> values(type.blockElements);
  dequantize(type.id, block, values.data(), values.size());
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

/// The dtypes in which a block is finite if and only if all of its decoded
/// elements are. Four dtypes are left out: in MXFP4 and NVFP4, ggml decodes the
/// codes for NaN as numbers, and in F64 and Q8_K, finite numbers may overflow
/// float32 when they are decoded.
std::vector<DTypeInfo> decodedAlike() {
  std::vector<DTypeInfo> types;
  for (const DTypeInfo &type : allDTypes()) {
    if (type.id != DType::MXFP4 && type.id != DType::NVFP4 &&
        type.id != DType::F64 && type.id != DType::Q8_K) {
      types.push_back(type);
    }
  }
  return types;
}

TEST_P(FiniteAsDecoded, RandomBlocks) {
  const DTypeInfo &type = GetParam();
  std::mt19937 random(5);
  constexpr size_t kBlocks = 4000;
  std::vector<uint8_t> bytes(kBlocks * type.blockBytes);
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random());
  }
  size_t bad = 0;
  for (size_t i = 0; i < kBlocks; ++i) {
    const std::span block =
        std::span(bytes).subspan(i * type.blockBytes, type.blockBytes);
    const bool isFinite = decodesFinite(type, block.data());
    ASSERT_EQ(firstNotFinite(type.id, block),
              isFinite ? std::nullopt : std::optional<uint64_t>(0))
        << type.name << " block " << i;
    bad += isFinite ? 0 : 1;
  }
  const bool isInteger = !type.isWeight && type.blockElements == 1;
  EXPECT_EQ(bad == 0, isInteger) << "of random blocks some are not finite";
}

TEST_P(Finite, TheFirstOneIsFoundWhereverItLies) {
  const DTypeInfo &type = GetParam();
  // The test sets all bits of some blocks to 1 and leaves all bits of the
  // others 0. A block of zeros is finite. A block of ones is not, unless the
  // dtype is an integer.
  constexpr size_t kBlocks = 2500;
  std::vector<uint8_t> bytes(kBlocks * type.blockBytes);
  EXPECT_EQ(firstNotFinite(type.id, bytes), std::nullopt);
  EXPECT_EQ(firstNotFinite(type.id, {}), std::nullopt);
  for (const size_t block :
       {size_t{0}, size_t{1023}, size_t{1024}, kBlocks - 1}) {
    std::vector<uint8_t> ones = bytes;
    std::memset(ones.data() + block * type.blockBytes, 0xff,
                ones.size() - block * type.blockBytes);
    const bool isInteger = !type.isWeight && type.blockElements == 1;
    EXPECT_EQ(firstNotFinite(type.id, ones),
              isInteger ? std::nullopt : std::optional<uint64_t>(block));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Finite, testing::ValuesIn(allDTypes()), typeName);
INSTANTIATE_TEST_SUITE_P(All, FiniteAsDecoded,
                         testing::ValuesIn(decodedAlike()), typeName);

// OCP Microscaling Formats (MX) 1.0, section 5.4, defines one NaN for E8M0
// scales: 255.
TEST(FiniteMxfp4, OneScaleIsNaN) {
  for (int scale = 0; scale < 256; ++scale) {
    std::vector<uint8_t> block(17);
    block[0] = static_cast<uint8_t>(scale);
    EXPECT_EQ(firstNotFinite(DType::MXFP4, block).has_value(), scale == 255);
  }
}

// OCP 8-bit Floating Point 1.0, table 1, defines S.1111.111 as the only NaN of
// E4M3 scales, with either sign S.
TEST(FiniteNvfp4, OneScaleOfEachSignIsNaN) {
  for (size_t at = 0; at < 4; ++at) {
    for (int scale = 0; scale < 256; ++scale) {
      std::vector<uint8_t> block(36);
      block[at] = static_cast<uint8_t>(scale);
      EXPECT_EQ(firstNotFinite(DType::NVFP4, block).has_value(),
                scale == 0x7f || scale == 0xff);
    }
  }
}

TEST(FiniteF64, NumbersBeyondFloat32AreFinite) {
  for (const double number :
       {0.0, -1e300, 5e-324, std::numeric_limits<double>::max(),
        std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    uint8_t bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    EXPECT_EQ(firstNotFinite(DType::F64, bytes).has_value(),
              !std::isfinite(number))
        << number;
  }
}

} // namespace
