//===- DTypeTest.cpp - the dtype table and exact dequantisation -----------===//
#include "formats/dtype/DType.h"
#include "formats/dtype/IqGrids.h"
#include "formats/support/MappedFile.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using namespace air;

namespace {

const std::string kInputs = std::string(AIR_TEST_INPUTS) + "/dtype/";

/// Bitwise equality, except that every NaN equals every other NaN, because the
/// machine may choose the payload of a NaN.
bool sameValue(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

std::string typeName(const testing::TestParamInfo<DTypeInfo> &param) {
  return std::string(param.param.name);
}

class EveryDType : public testing::TestWithParam<DTypeInfo> {};

TEST_P(EveryDType, MatchesGoldenVectors) {
  const DTypeInfo &type = GetParam();
  Result<MappedFile> file =
      MappedFile::open(kInputs + std::string(type.name) + ".bin");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  std::span<const uint8_t> bytes = file->bytes();
  uint32_t header[3];
  ASSERT_GE(bytes.size(), sizeof(header));
  std::memcpy(header, bytes.data(), sizeof(header));
  auto [blocks, elements, blockBytes] = header;
  ASSERT_EQ(elements, type.blockElements);
  ASSERT_EQ(blockBytes, type.blockBytes);
  uint64_t count = uint64_t{blocks} * elements;
  uint64_t dataBytes = uint64_t{blocks} * blockBytes;
  ASSERT_GE(count, 128U);
  ASSERT_EQ(bytes.size(), sizeof(header) + dataBytes + count * sizeof(float));

  std::vector<float> expected(count);
  std::memcpy(expected.data(), bytes.data() + sizeof(header) + dataBytes,
              count * sizeof(float));
  std::vector<float> actual(count, -1.0F);
  dequantize(type.id, bytes.data() + sizeof(header), actual.data(), count);
  for (uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(sameValue(actual[i], expected[i]))
        << type.name << " element " << i << ": got " << actual[i]
        << ", expected " << expected[i];
  }
}

TEST_P(EveryDType, FieldsCoverTheBlockExactly) {
  const DTypeInfo &type = GetParam();
  std::vector<int> owners(type.blockBytes, 0);
  for (const BlockField &field : type.fields) {
    EXPECT_TRUE(std::has_single_bit(field.unit) && field.unit <= 8)
        << field.name;
    for (unsigned i = 0; i < unsigned{field.unit} * field.count; ++i) {
      ASSERT_LT(field.offset + i, owners.size()) << field.name;
      ++owners[field.offset + i];
    }
  }
  for (size_t i = 0; i < owners.size(); ++i) {
    EXPECT_EQ(owners[i], 1) << "byte " << i;
  }
}

TEST_P(EveryDType, TakesEveryBitPatternAtAnyAlignment) {
  const DTypeInfo &type = GetParam();
  constexpr unsigned kBlocks = 64;
  std::mt19937 random(17);
  std::vector<uint8_t> bytes(1 + kBlocks * type.blockBytes);
  std::vector<uint8_t> aligned(bytes.size() - 1);
  std::vector<float> first(kBlocks * type.blockElements + 1, 42.0F);
  std::vector<float> second(first.size(), 42.0F);
  for (int round = 0; round < 20; ++round) {
    for (uint8_t &byte : bytes) {
      // Half of the bytes are 0x00 or 0xff, and the others are random.
      uint32_t bits = random();
      byte = bits & 0x100 ? (bits & 0x200 ? 0xff : 0x00)
                          : static_cast<uint8_t>(bits);
    }
    std::memcpy(aligned.data(), bytes.data() + 1, aligned.size());
    dequantize(type.id, bytes.data() + 1, first.data(), first.size() - 1);
    dequantize(type.id, aligned.data(), second.data(), second.size() - 1);
    for (size_t i = 0; i < first.size(); ++i) {
      ASSERT_TRUE(sameValue(first[i], second[i])) << "element " << i;
    }
    ASSERT_EQ(first.back(), 42.0F) << "wrote past the last element";
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryDType,
                         testing::ValuesIn(allDTypes().begin(),
                                           allDTypes().end()),
                         typeName);

TEST(DType, TableHasEveryGgufTypeAndNoRemovedOne) {
  std::vector<uint32_t> known;
  for (uint32_t id = 0; id <= 42; ++id) {
    if (std::optional<DType> type = dtypeFromId(id)) {
      known.push_back(id);
      EXPECT_EQ(static_cast<uint32_t>(*type), id);
      EXPECT_EQ(info(*type).id, *type);
      EXPECT_EQ(dtypeFromName(info(*type).name), type);
    }
  }
  EXPECT_EQ(known.size(), 35U);
  EXPECT_EQ(allDTypes().size(), 35U);
  for (uint32_t removed : {4, 5, 31, 32, 33, 36, 37, 38, 43, 1000}) {
    EXPECT_FALSE(dtypeFromId(removed).has_value()) << removed;
  }
  EXPECT_FALSE(dtypeFromName("q4_k").has_value());
  EXPECT_FALSE(dtypeFromName("").has_value());
}

TEST(DType, OnlyActivationAndIntegerTypesAreNoWeights) {
  std::string names;
  for (const DTypeInfo &type : allDTypes()) {
    if (!type.isWeight) {
      names += std::string(type.name) + " ";
    }
  }
  EXPECT_EQ(names, "Q8_1 Q8_K I8 I16 I32 I64 ");
}

TEST(DType, RowBytes) {
  EXPECT_EQ(*rowBytes(DType::Q4_K, 4096), 2304U);
  EXPECT_EQ(*rowBytes(DType::F16, 3), 6U);
  EXPECT_EQ(*rowBytes(DType::Q8_0, 0), 0U);

  Result<uint64_t> partial = rowBytes(DType::Q4_K, 100);
  ASSERT_FALSE(partial.isOk());
  EXPECT_EQ(partial.status().code(), ErrorCode::Corrupt);
  EXPECT_EQ(partial.status().message(),
            "a row of 100 elements is not a whole number of Q4_K blocks of 256 "
            "elements");

  Result<uint64_t> huge = rowBytes(DType::F64, UINT64_MAX / 2);
  ASSERT_FALSE(huge.isOk());
  EXPECT_EQ(huge.status().code(), ErrorCode::Corrupt);
}

TEST(IqGrids, MatchGgufPy) {
  Result<MappedFile> file = MappedFile::open(kInputs + "grids.bin");
  ASSERT_TRUE(file.isOk()) << file.status().message();
  std::vector<uint8_t> all;
  auto append = [&](auto grid) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(grid.data());
    all.insert(all.end(), bytes, bytes + grid.size_bytes());
  };
  append(iq2xxsGrid());
  append(iq2xsGrid());
  append(iq2sGrid());
  append(iq3xxsGrid());
  append(iq3sGrid());
  append(iq1sGrid());
  std::span<const uint8_t> expected = file->bytes();
  ASSERT_EQ(all.size(), expected.size());
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i], expected[i]) << "byte " << i;
  }
}

TEST(IqGrids, SignsHaveEvenParity) {
  // These are the first and the last entries of ggml's table ksigns_iq2xs.
  EXPECT_EQ(iqSigns(0), 0);
  EXPECT_EQ(iqSigns(1), 129);
  EXPECT_EQ(iqSigns(2), 130);
  EXPECT_EQ(iqSigns(3), 3);
  EXPECT_EQ(iqSigns(126), 126);
  EXPECT_EQ(iqSigns(127), 255);
}

} // namespace
