//===- T16Test.cpp - packing for tensor cores, and unpacking --------------===//
#include "formats/plan/T16Indices.h"

#include "formats/dtype/Half.h"
#include "test/formats/RandomBytes.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <vector>

namespace air {
namespace {

using Bytes = std::vector<uint8_t>;
using test::randomBytes;

uint32_t wordAt(const Bytes &bytes, uint64_t at) {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 |
         static_cast<uint32_t>(bytes[at + 3]) << 24;
}

/// Whether T16 takes more space than the source for one of two reasons: it
/// stores a code for each element in place of indices of a codebook, base-3
/// digits or single bits, or it stores the scale of a block several times.
bool isTranscoded(DType dtype) {
  switch (dtype) {
  case DType::IQ1_S:
  case DType::IQ1_M:
  case DType::IQ2_XXS:
  case DType::IQ2_XS:
  case DType::IQ2_S:
  case DType::IQ3_XXS:
  case DType::IQ3_S:
  case DType::TQ1_0:
  case DType::TQ2_0:
  case DType::Q1_0:
    return true;
  default:
    return false;
  }
}

/// Whether T16 stores the source's 6-bit scales and minima in a byte each.
bool isWidened(DType dtype) {
  return dtype == DType::Q3_K || dtype == DType::Q4_K || dtype == DType::Q5_K ||
         dtype == DType::IQ4_XS;
}

// In TQ1_0, several bytes stand for the same digits. Replaces each byte by the
// smallest byte that stands for its digits, as unpackT16() does.
void chooseDigits(Bytes &source) {
  for (size_t at = 0; at < source.size(); ++at) {
    if (at % 54 < 52) {
      const uint32_t digits = source[at] * 243U / 256;
      const uint32_t used = at % 54 < 48 ? digits : digits / 3 * 3;
      source[at] = static_cast<uint8_t>((used * 256 + 242) / 243);
    }
  }
}

// Packs and unpacks matrices of random bits. The last tile and the last unit
// may be incomplete.
TEST(T16, UnpacksToTheSourcesBytes) {
  for (const DType dtype : t16DTypes()) {
    const DTypeInfo &type = info(dtype);
    for (const uint64_t rows : {1, 7, 16, 17, 40}) {
      for (const uint64_t blocks : {1, 2, 3, 8, 65}) {
        const uint64_t columns = blocks * type.blockElements;
        Bytes source =
            randomBytes(rows * blocks * type.blockBytes, rows * 100 + blocks);
        if (dtype == DType::TQ1_0) {
          chooseDigits(source);
        }
        const Result<uint64_t> size = t16Bytes(dtype, rows, columns);
        ASSERT_TRUE(size.isOk()) << size.status().message();
        Bytes packed(*size, 0xEE);
        packT16(dtype, rows, columns, source, packed);
        Bytes back(source.size(), 0x55);
        unpackT16(dtype, rows, columns, packed, back);
        EXPECT_EQ(source, back) << type.name << ' ' << rows << 'x' << columns;
      }
    }
  }
}

// Packing and unpacking may change bytes of TQ1_0, but not the elements.
TEST(T16, UnpackedDigitsAreTheSources) {
  const Bytes source = randomBytes(16 * 54, 9);
  Bytes packed(*t16Bytes(DType::TQ1_0, 16, 256));
  packT16(DType::TQ1_0, 16, 256, source, packed);
  Bytes back(source.size());
  unpackT16(DType::TQ1_0, 16, 256, packed, back);
  EXPECT_NE(source, back);
  std::vector<float> before(16 * 256);
  std::vector<float> after(16 * 256);
  dequantize(DType::TQ1_0, source.data(), before.data(), 16 * 256);
  dequantize(DType::TQ1_0, back.data(), after.data(), 16 * 256);
  EXPECT_EQ(std::memcmp(before.data(), after.data(), 16 * 256 * 4), 0);
}

// Flipping any bit of a complete unit must change what unpackT16() returns,
// except for the upper two bits of a byte that holds a 6-bit scale or minimum.
TEST(T16, EveryBitOfAUnitIsTheSources) {
  for (const DType dtype : t16DTypes()) {
    if (isTranscoded(dtype)) {
      continue;
    }
    const T16Unit unit = *t16Unit(dtype);
    const DTypeInfo &type = info(dtype);
    const Bytes source = randomBytes(
        16 * unit.columns / type.blockElements * type.blockBytes, 5);
    Bytes packed(unit.bytes);
    ASSERT_EQ(*t16Bytes(dtype, 16, unit.columns), unit.bytes);
    packT16(dtype, 16, unit.columns, source, packed);
    for (uint64_t bit = 0; bit < unit.bytes * 8; bit += 3) {
      const bool widened = isWidened(dtype) && bit / 8 >= unit.scaleOffset &&
                           bit / 8 < unit.superOffset;
      Bytes flipped = packed;
      flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      Bytes back(source.size());
      unpackT16(dtype, 16, unit.columns, flipped, back);
      EXPECT_EQ(back == source, widened && bit % 8 >= 6)
          << type.name << " bit " << bit;
    }
  }
}

TEST(T16, NibblesLieWhereTheFragmentOfATensorCoreHasThem) {
  // The source is a Q4_0 matrix of 128 columns. The code at (row, column) is
  // (row + column) mod 16.
  Bytes source;
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t block = 0; block < 4; ++block) {
      source.push_back(0);
      source.push_back(0x3c); // the scale d is 1
      for (uint32_t i = 0; i < 16; ++i) {
        const uint32_t column = block * 32 + i;
        source.push_back(static_cast<uint8_t>((row + column) % 16 |
                                              (row + column + 16) % 16 << 4));
      }
    }
  }
  Bytes packed(*t16Bytes(DType::Q4_0, 16, 128));
  packT16(DType::Q4_0, 16, 128, source, packed);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t g = lane / 4;
    const uint32_t t = lane % 4;
    for (uint32_t word = 0; word < 4; ++word) {
      const uint32_t row = g + 8 * (word & 1);
      const uint32_t column = 8 * t + 4 * (word / 2);
      const uint32_t bits = wordAt(packed, lane * 16 + word * 4);
      // A kernel shifts a word by 0, 4, 8 or 12 bits and applies the mask
      // 0x000f000f, which must leave the codes of two columns.
      const uint32_t expected[4] = {
          (row + column) % 16 | (row + column + 1) % 16 << 16,
          (row + column + 2) % 16 | (row + column + 3) % 16 << 16,
          (row + column + 32) % 16 | (row + column + 33) % 16 << 16,
          (row + column + 34) % 16 | (row + column + 35) % 16 << 16};
      EXPECT_EQ(bits & 0x000f000f, expected[0]);
      EXPECT_EQ(bits >> 8 & 0x000f000f, expected[1]);
      EXPECT_EQ(bits >> 4 & 0x000f000f, expected[2]);
      EXPECT_EQ(bits >> 12 & 0x000f000f, expected[3]);
    }
  }
}

// The 16 bytes of a lane are the four words of the left operand of an
// mma.m16n8k16, whose rows and columns the PTX ISA lists.
TEST(T16, BytesOf16BitElementsAreOperandsOfAnMma) {
  Bytes source;
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t column = 0; column < 64; ++column) {
      source.push_back(static_cast<uint8_t>(column));
      source.push_back(static_cast<uint8_t>(row));
    }
  }
  for (const DType dtype : {DType::F16, DType::BF16}) {
    Bytes packed(*t16Bytes(dtype, 16, 64));
    packT16(dtype, 16, 64, source, packed);
    for (uint32_t mma = 0; mma < 4; ++mma) {
      for (uint32_t lane = 0; lane < 32; ++lane) {
        for (uint32_t operand = 0; operand < 4; ++operand) {
          const uint32_t row = lane / 4 + operand % 2 * 8;
          const uint32_t column =
              mma / 2 * 32 + lane % 4 * 8 + mma % 2 * 4 + operand / 2 * 2;
          const uint32_t first = column | row << 8;
          EXPECT_EQ(wordAt(packed, mma * 512 + lane * 16 + operand * 4),
                    first | (first + 1) << 16)
              << "mma " << mma << ", lane " << lane << ", word " << operand;
        }
      }
    }
  }
}

// A lane has 32 codes of 6 bits in six words. With masks and shifts, a kernel
// makes 16 words of two codes each from them, the left operands of four mma
// instructions.
TEST(T16, SixesAreWhereAMaskAndAShiftMakeThemCodes) {
  const auto code = [](uint32_t row, uint32_t column) {
    return (row * 7 + column * 5 + column / 13) % 64;
  };
  // A Q6_K block stores each half of its 256 columns in 64 bytes and 32 bytes.
  // In each half, the low nibbles of the 64 bytes are the lower 4 bits of
  // columns 0 to 63, and the high nibbles are those of columns 64 to 127. Byte
  // i of the 32 has the upper 2 bits of columns i, i + 32, i + 64 and i + 96.
  // The test ignores scales.
  Bytes source(16 * 210);
  for (uint32_t row = 0; row < 16; ++row) {
    uint8_t *block = source.data() + row * 210;
    for (uint32_t column = 0; column < 256; ++column) {
      const uint32_t half = column / 128;
      const uint32_t i = column % 128;
      block[half * 64 + i % 64] |=
          static_cast<uint8_t>(code(row, column) % 16 << i / 64 * 4);
      block[128 + half * 32 + i % 32] |=
          static_cast<uint8_t>(code(row, column) / 16 << i / 32 * 2);
    }
  }
  Bytes packed(*t16Bytes(DType::Q6_K, 16, 256));
  packT16(DType::Q6_K, 16, 256, source, packed);
  constexpr uint32_t kMask = 0x003f003f;
  for (uint32_t at = 0; at < 4 * 32; ++at) {
    const uint32_t run = at / 32;
    const uint32_t lane = at % 32;
    uint32_t w[6];
    for (uint32_t i = 0; i < 6; ++i) {
      w[i] = wordAt(packed, i < 4 ? run * 512 + lane * 16 + i * 4
                                  : (4 + run / 2) * 512 + lane * 16 +
                                        run % 2 * 8 + (i - 4) * 4);
    }
    const auto joined = [](uint32_t low, uint32_t high) {
      return (low & 0x000f000f) | (high & 0x00030003) << 4;
    };
    const uint32_t operands[16] = {
        w[0] >> 4 & kMask,      w[1] >> 4 & kMask,       w[2] >> 4 & kMask,
        w[3] >> 4 & kMask,      w[4] >> 4 & kMask,       w[5] >> 4 & kMask,
        w[4] >> 10 & kMask,     w[5] >> 10 & kMask,      w[0] >> 10 & kMask,
        w[1] >> 10 & kMask,     w[2] >> 10 & kMask,      w[3] >> 10 & kMask,
        joined(w[0], w[2]),     joined(w[1], w[2] >> 2), joined(w[3], w[5]),
        joined(w[4], w[5] >> 2)};
    for (uint32_t i = 0; i < 16; ++i) {
      const uint32_t row = lane / 4 + i % 2 * 8;
      const uint32_t column =
          run * 64 + i / 4 * 16 + lane % 4 * 4 + i % 4 / 2 * 2;
      EXPECT_EQ(operands[i], code(row, column) | code(row, column + 1) << 16)
          << "lane " << lane << ", operand " << i;
    }
  }
}

// A kernel gets two 2-bit codes at once by applying a mask to a word. For every
// second pair of codes it first shifts the word by 8 bits. The third bits of
// Q3_K are in another word. When the kernel has shifted that word, the third
// bits must be directly above the 2 bits of their codes.
TEST(T16, PairsAndThirdBitsAreWhereAMaskAndAShiftMakeThemCodes) {
  // `code` returns the code at (row, column). The first 32 bytes of a Q3_K
  // block hold the upper bits of the codes; bit i of these bytes belongs to
  // columns 32i to 32i+31. The next 64 bytes hold the lower bits. The test
  // ignores scales.
  const auto code = [](uint32_t row, uint32_t column) {
    return (row * 5 + column * 3 + column / 32) % 8;
  };
  Bytes source(16 * 110);
  for (uint32_t row = 0; row < 16; ++row) {
    uint8_t *block = source.data() + row * 110;
    for (uint32_t column = 0; column < 256; ++column) {
      const uint32_t i = column % 32;
      block[i] |= static_cast<uint8_t>(code(row, column) / 4 << column / 32);
      block[32 + column / 128 * 32 + i] |=
          static_cast<uint8_t>(code(row, column) % 4 << column / 32 % 4 * 2);
    }
  }
  Bytes packed(*t16Bytes(DType::Q3_K, 16, 256));
  packT16(DType::Q3_K, 16, 256, source, packed);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t at = 0; at < 64; ++at) {
      // A lane holds 64 pairs of codes, each of two adjacent columns, and `at`
      // is the index of a pair. `block` is the index of the pair's block of 32
      // columns, and `group` says which half of the block the pair is in. In a
      // half, the lane has four adjacent columns of each of two rows: `second`
      // says which row, and `last` says which two of the four columns.
      const uint32_t block = at / 8;
      const uint32_t group = at / 4 % 2;
      const uint32_t second = at / 2 % 2;
      const uint32_t last = at % 2;
      const uint32_t row = lane / 4 + 8 * second;
      const uint32_t column = block * 32 + group * 16 + lane % 4 * 4 + last * 2;
      const uint32_t field = block % 4 * 2;
      const uint32_t pairs =
          wordAt(packed, block / 4 * 512 + lane * 16 + group * 8 + second * 4);
      const uint32_t upper =
          wordAt(packed, 1024 + lane * 16 + block / 4 * 8 + second * 4) >>
          group;
      const uint32_t low = pairs >> 8 * last & 0x00030003U << field;
      const uint32_t moved = last == 0    ? upper
                             : field == 6 ? upper << 8
                                          : upper >> 8;
      const uint32_t high = moved & 0x00040004U << field;
      EXPECT_EQ((low | high) >> field, code(row, column) | code(row, column + 1)
                                                               << 16)
          << "lane " << lane << ", row " << row << ", column " << column;
    }
  }
}

TEST(T16, SizesAreTheSourcesOrSayWhatTheyAdd) {
  for (const DType dtype : t16DTypes()) {
    const T16Unit unit = *t16Unit(dtype);
    const uint64_t source = 16 * *rowBytes(dtype, unit.columns);
    EXPECT_EQ(unit.bytes % 16, 0U) << "bulk copies move 16 bytes";
    if (isTranscoded(dtype)) {
      EXPECT_GT(unit.bytes, source) << info(dtype).name;
      continue;
    }
    // Numbers of 6 bits are widened to 8 bits. A row of a unit has 8 scales in
    // IQ4_XS, 16 scales in Q3_K, and 8 scales and 8 minima in Q4_K and Q5_K.
    const uint32_t bits = !isWidened(dtype)        ? 0
                          : dtype == DType::IQ4_XS ? 8 * 2
                                                   : 16 * 2;
    EXPECT_EQ(unit.bytes, source + 16 * bits / 8) << info(dtype).name;
  }
}

// The sizes of 256 columns of a row, in the source and packed.
TEST(T16, SizesOfTranscodedDTypesAreTheDocumentedOnes) {
  struct Size {
    DType dtype;
    uint32_t source, packed;
  };
  for (const Size &size : std::initializer_list<Size>{
           {DType::IQ1_S, 50, 70},
           {DType::IQ1_M, 56, 78},
           {DType::IQ2_XXS, 66, 102},
           {DType::IQ2_XS, 74, 106},
           {DType::IQ2_S, 82, 106},
           {DType::IQ3_XXS, 98, 134},
           {DType::IQ3_S, 110, 134},
           {DType::TQ1_0, 54, 72},
           {DType::TQ2_0, 66, 72},
           {DType::Q1_0, 36, 72},
           {DType::Q2_0, 72, 72},
           {DType::NVFP4, 144, 144},
       }) {
    EXPECT_EQ(*rowBytes(size.dtype, 256), size.source);
    EXPECT_EQ(t16Unit(size.dtype)->bytes, 16 * size.packed)
        << info(size.dtype).name;
  }
}

// An element of IQ2 has a code of 3 bits, the index of its unscaled value in a
// list. A kernel uses the codes of four adjacent columns as the selector of a
// byte permutation, which looks up the four values at once. The four codes are
// in adjacent nibbles, which belong to columns 0, 2, 1 and 3, from the lowest
// nibble to the highest. In blocks 0 to 5 of 32 columns each, a code is the
// lower three bits of a nibble. A code of block 6 or 7 is spread over the top
// bits of three nibbles, one in each plane: plane n has bit n of the code.
TEST(T16, CodesOfIQ2AreSelectorsOfBytePermutations) {
  const Bytes source = randomBytes(16 * 74, 3);
  std::vector<float> values(16 * 256);
  dequantize(DType::IQ2_XS, source.data(), values.data(), 16 * 256);
  Bytes packed(*t16Bytes(DType::IQ2_XS, 16, 256));
  packT16(DType::IQ2_XS, 16, 256, source, packed);
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t column = 0; column < 256; ++column) {
      const uint32_t block = column / 32;
      const uint32_t lane = row % 8 * 4 + column / 4 % 4;
      const uint32_t at = lane * 16 + (row / 8 + column / 16 % 2 * 2) * 4;
      constexpr uint32_t nibbles[] = {0, 2, 1, 3};
      const uint32_t first = block % 2 * 16 + nibbles[column % 4] * 4;
      const auto nibbleOf = [&](uint32_t plane) {
        return wordAt(packed, plane * 512 + at) >> first & 15;
      };
      const uint32_t code = block < 6
                                ? nibbleOf(block / 2) & 7
                                : (nibbleOf(0) >> 3) | (nibbleOf(1) >> 3) << 1 |
                                      (nibbleOf(2) >> 3) << 2;
      ASSERT_LT(code, 6U);
      const uint32_t half = source[row * 74] | source[row * 74 + 1] << 8;
      const float value = values[row * 256 + column];
      const float d = halfToFloat(static_cast<uint16_t>(half));
      const uint32_t scale =
          source[row * 74 + 66 + column / 32] >> column / 16 % 2 * 4 & 15;
      const float elements[] = {-43, -25, -8, 8, 25, 43};
      const float expected =
          d * (0.5F + static_cast<float>(scale)) * 0.25F * elements[code];
      EXPECT_TRUE(value == expected || value != value)
          << row << ' ' << column << ": " << value << ' ' << expected;
    }
  }
}

// Packs and unpacks matrices of random bits, of zeros and of ones in layout
// t16i. The last tile may be incomplete.
TEST(T16Indices, UnpacksToTheSourcesBytes) {
  for (const DType dtype : t16IndexDTypes()) {
    const DTypeInfo &type = info(dtype);
    for (const uint64_t rows : {1, 16, 17, 40}) {
      for (const uint64_t blocks : {1, 3}) {
        const uint64_t columns = blocks * type.blockElements;
        const uint64_t size = rows * blocks * type.blockBytes;
        for (const Bytes &source : {randomBytes(size, rows * 100 + blocks),
                                    Bytes(size, 0), Bytes(size, 0xFF)}) {
          const Result<uint64_t> bytes = t16IndexBytes(dtype, rows, columns);
          ASSERT_TRUE(bytes.isOk()) << bytes.status().message();
          Bytes packed(*bytes, 0xEE);
          packT16Indices(dtype, rows, columns, source, packed);
          Bytes back(source.size(), 0x55);
          unpackT16Indices(dtype, rows, columns, packed, back);
          EXPECT_EQ(source, back) << type.name << ' ' << rows << 'x' << columns;
        }
      }
    }
  }
}

// A block that has only a single bit set must be the same after packing and
// unpacking. This would not be so if two bits of a block shared a bit of the
// packed unit.
TEST(T16Indices, EveryBitOfABlockHasAPlace) {
  for (const DType dtype : t16IndexDTypes()) {
    const uint64_t size = info(dtype).blockBytes;
    const T16IndexUnit shape = *t16IndexUnit(dtype);
    ASSERT_EQ(*t16IndexBytes(dtype, 16, 256), shape.unit.bytes);
    EXPECT_EQ(shape.unit.bytes % 16, 0U) << "bulk copies move 16 bytes";
    for (const uint64_t row : {0, 3, 11}) {
      for (uint64_t bit = 0; bit < size * 8; ++bit) {
        Bytes source(16 * size, 0);
        source[row * size + bit / 8] = static_cast<uint8_t>(1 << bit % 8);
        Bytes packed(shape.unit.bytes);
        packT16Indices(dtype, 16, 256, source, packed);
        Bytes back(source.size());
        unpackT16Indices(dtype, 16, 256, packed, back);
        ASSERT_EQ(source, back) << info(dtype).name << " bit " << bit;
      }
    }
  }
}

// A damaged plan may contain anything, even in bits of a unit that no field
// uses. Unpacking must accept any bytes. If the result is packed and unpacked
// again, it must not change.
TEST(T16Indices, AnyBytesCanBeUnpacked) {
  for (const DType dtype : t16IndexDTypes()) {
    const Bytes packed = randomBytes(t16IndexUnit(dtype)->unit.bytes, 7);
    Bytes source(16 * info(dtype).blockBytes);
    unpackT16Indices(dtype, 16, 256, packed, source);
    Bytes again(packed.size());
    packT16Indices(dtype, 16, 256, source, again);
    Bytes back(source.size());
    unpackT16Indices(dtype, 16, 256, again, back);
    EXPECT_EQ(source, back) << info(dtype).name;
  }
}

TEST(T16Indices, SizesAreTheDocumentedOnes) {
  const std::map<DType, uint32_t> sizes = {
      {DType::IQ1_S, 54},  {DType::IQ1_M, 58}, {DType::IQ2_XXS, 70},
      {DType::IQ2_XS, 78}, {DType::IQ2_S, 82}, {DType::IQ3_XXS, 102},
      {DType::IQ3_S, 110},
  };
  ASSERT_EQ(t16IndexDTypes().size(), sizes.size());
  for (const auto &[dtype, size] : sizes) {
    EXPECT_EQ(t16IndexUnit(dtype)->unit.bytes, 16 * size) << info(dtype).name;
  }
  EXPECT_EQ(t16IndexUnit(DType::Q4_K).status().code(), ErrorCode::Unsupported);
  EXPECT_EQ(t16IndexBytes(DType::IQ2_S, 16, 100).status().code(),
            ErrorCode::Corrupt);
}

TEST(T16, RefusesWhatItHasNoRecordOf) {
  const Result<T16Unit> unit = t16Unit(DType::I8);
  ASSERT_FALSE(unit.isOk());
  EXPECT_EQ(unit.status().code(), ErrorCode::Unsupported);
  EXPECT_NE(unit.status().message().find("I8"), std::string::npos);
  EXPECT_EQ(t16Bytes(DType::Q4_K, 16, 100).status().code(), ErrorCode::Corrupt);
  EXPECT_FALSE(t16Bytes(DType::F16, ~uint64_t{0}, 1 << 20).isOk());
  // 2^43 rows of 2^20 elements of 2 bytes take exactly 2^64 bytes.
  const Status full = t16Bytes(DType::F16, uint64_t{1} << 43, 1 << 20).status();
  EXPECT_NE(full.message().find("takes 2^64 bytes or more"), std::string::npos)
      << full.message();
}

} // namespace
} // namespace air
