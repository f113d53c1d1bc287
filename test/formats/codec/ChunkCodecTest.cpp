//===- ChunkCodecTest.cpp - what is decoded is what was encoded -----------===//
#include "formats/codec/ChunkCodec.h"
#include "formats/codec/PlaneDecode.h"
#include "test/formats/RandomBytes.h"

#include <bit>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <random>

using namespace air;
using air::test::randomBytes;

namespace {

using Bytes = std::vector<uint8_t>;

/// Normally distributed numbers as bfloat16, like the weights of a model.
Bytes normalNumbers(size_t bytes, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.02F);
  Bytes made(bytes);
  for (size_t i = 0; i + 1 < bytes; i += 2) {
    const auto bits = std::bit_cast<uint32_t>(normal(random));
    made[i] = static_cast<uint8_t>(bits >> 16U);
    made[i + 1] = static_cast<uint8_t>(bits >> 24U);
  }
  return made;
}

/// Decodes `stored` to `bytes` bytes. Neither the input nor the output has
/// memory beyond its last byte, so AddressSanitizer notices any access beyond
/// it.
Result<Bytes> decoded(ChunkCodec codec, const Bytes &stored, size_t bytes) {
  const std::unique_ptr<uint8_t[]> from(new uint8_t[stored.size()]);
  std::copy(stored.begin(), stored.end(), from.get());
  Bytes raw(bytes);
  ChunkScratch scratch;
  AIR_RETURN_IF_ERROR(
      decodeChunk(codec, {from.get(), stored.size()}, raw, scratch));
  return raw;
}

class EveryCodec : public testing::TestWithParam<ChunkCodec> {
protected:
  Bytes encoded(const Bytes &raw) const {
    Result<Bytes> coded = encodeChunk(GetParam(), raw);
    EXPECT_TRUE(coded) << coded.status().message();
    return *coded;
  }
  void expectSame(const Bytes &raw) const {
    Bytes coded = encoded(raw);
    Result<Bytes> back = decoded(GetParam(), coded, raw.size());
    ASSERT_TRUE(back) << raw.size() << ": " << back.status().message();
    ASSERT_EQ(*back, raw) << raw.size();
    // In a file, a chunk is followed by zeros, which the decoder must ignore.
    coded.resize(coded.size() + 100);
    back = decoded(GetParam(), coded, raw.size());
    ASSERT_TRUE(back) << back.status().message();
    ASSERT_EQ(*back, raw);
  }
};

TEST_P(EveryCodec, EveryLengthComesBack) {
  for (size_t bytes = 1; bytes < 1100; ++bytes) {
    expectSame(normalNumbers(bytes, static_cast<uint32_t>(bytes)));
    expectSame(randomBytes(bytes, static_cast<uint32_t>(bytes)));
  }
}

TEST_P(EveryCodec, SpecialValuesComeBack) {
  Bytes all; // every 16-bit number once, NaNs and infinities among them
  for (uint32_t value = 0; value < 65536; ++value) {
    all.push_back(static_cast<uint8_t>(value));
    all.push_back(static_cast<uint8_t>(value >> 8U));
  }
  expectSame(all);
  for (uint32_t byte : {0x00, 0x7f, 0x80, 0xff}) {
    expectSame(Bytes(8192, static_cast<uint8_t>(byte)));
  }
  Bytes nans;
  for (uint32_t i = 0; i < 4096; ++i) {
    nans.push_back(static_cast<uint8_t>(i | 1));
    nans.push_back(i % 2 == 0 ? 0x7f : 0xff);
    nans[nans.size() - 2] |= 0x80;
  }
  expectSame(nans);
}

// The 8-bit exponents of these numbers have an entropy of about 2.5 bits, so a
// number needs at least 10.5 of its 16 bits. Planes takes 3 bits for the code
// of an exponent, and 8 more bits for the 2.1 % of the exponents that have no
// code of their own. A number then takes about 11.2 bits, 70 % of 16.
TEST_P(EveryCodec, NormalNumbersBecomeSmaller) {
  const Bytes raw = normalNumbers(256 << 10, 1);
  EXPECT_LT(static_cast<double>(encoded(raw).size()),
            0.74 * static_cast<double>(raw.size()));
  expectSame(raw);
}

TEST_P(EveryCodec, DamagedChunksAreRefusedOrGiveOtherBytes) {
  std::mt19937 random(7);
  uint32_t refused = 0;
  for (uint32_t round = 0; round < 3000; ++round) {
    const Bytes raw = round % 2 == 0 ? normalNumbers(2 + random() % 2000, round)
                                     : randomBytes(2 + random() % 2000, round);
    Bytes coded = encoded(raw);
    if (round % 3 == 0) {
      coded.resize(random() % coded.size());
    }
    for (uint32_t change = random() % 8; change > 0 && !coded.empty();
         --change) {
      const size_t at = random() % 4 == 0 ? random() % 16 : random();
      coded[at % coded.size()] = static_cast<uint8_t>(random());
    }
    const size_t bytes = round % 5 == 0 ? random() % 4000 : raw.size();
    const Result<Bytes> back = decoded(GetParam(), coded, bytes);
    if (!back) {
      EXPECT_EQ(back.status().code(), ErrorCode::Corrupt);
      EXPECT_EQ(back.status().message().find('\n'), std::string::npos);
      ++refused;
    }
  }
  EXPECT_GT(refused, 500U);
}

INSTANTIATE_TEST_SUITE_P(Codecs, EveryCodec,
                         testing::Values(ChunkCodec::Zstd, ChunkCodec::Planes),
                         [](const auto &info) {
                           return info.param == ChunkCodec::Zstd
                                      ? std::string("Zstd")
                                      : std::string("Planes");
                         });

/// Checks the fields whose offsets docs/plan-format.md states.
TEST(Planes, HasTheDocumentedForm) {
  // 128 negative values. The value at index i has the significand i. Its
  // exponent is 3 at index 17, and 120 elsewhere.
  Bytes raw;
  for (uint32_t i = 0; i < 128; ++i) {
    const uint32_t value = 0x8000U | ((i == 17 ? 3U : 120U) << 7U) | i;
    raw.push_back(static_cast<uint8_t>(value));
    raw.push_back(static_cast<uint8_t>(value >> 8U));
  }
  // 128 more values. Half of them have the exponent 120, and the others have 13
  // other exponents, each of which occurs at least four times. Exponent 3
  // occurs only once, so it is not one of the seven exponents that have codes.
  for (uint32_t i = 0; i < 128; ++i) {
    const uint32_t value = (i % 2 == 0 ? 120U : 100U + i % 13) << 7U;
    raw.push_back(static_cast<uint8_t>(value));
    raw.push_back(static_cast<uint8_t>(value >> 8U));
  }
  const Result<Bytes> coded = encodeChunk(ChunkCodec::Planes, raw);
  ASSERT_TRUE(coded);
  EXPECT_EQ((*coded)[0], 120); // code 0 means exponent 120
  EXPECT_EQ((*coded)[7], 0);
  EXPECT_EQ((*coded)[16 + 5], 0x80 | 5);
  // The value at index 17 has the escape code 7, so its bit, bit 1 of byte 2,
  // is set in all three words of the first block.
  const size_t codes = 16 + 256;
  for (size_t word = 0; word < 3; ++word) {
    for (size_t byte = 0; byte < 8; ++byte) {
      EXPECT_EQ((*coded)[codes + word * 8 + byte], byte == 2 ? 2 : 0);
    }
  }
  // The first escape is the exponent of the value at index 17.
  EXPECT_EQ((*coded)[codes + 4 * 24], 3);
  // Bytes after the last whole block of 64 values are stored as they are.
  const size_t coded256 = coded->size();
  raw.insert(raw.end(), {1, 2, 3});
  const Result<Bytes> longer = encodeChunk(ChunkCodec::Planes, raw);
  ASSERT_TRUE(longer);
  ASSERT_EQ(longer->size(), coded256 + 3);
  EXPECT_EQ(longer->back(), 3);
}

/// Instruction sets that this machine lacks are skipped.
TEST(Planes, EveryInstructionSetDecodesTheSame) {
  Bytes raw = normalNumbers(size_t{128} * 37, 3);
  const Bytes noise = randomBytes(1000, 4); // random bytes need many escapes
  std::copy(noise.begin(), noise.end(), raw.begin() + 500);
  const Result<Bytes> coded = encodeChunk(ChunkCodec::Planes, raw);
  ASSERT_TRUE(coded);
  const size_t values = raw.size() / 2;
  codec::Planes planes;
  planes.exponents = coded->data();
  planes.fractions = planes.exponents + 16;
  planes.codes = planes.fractions + values;
  planes.escapes = planes.codes + values * 3 / 8;
  planes.blocks = values / 64;
  for (codec::DecodePlanesFn decode :
       {codec::DecodePlanesFn{codec::decodePlanesPlain},
        codec::planeDecoderAvx2(), codec::planeDecoderAvx512()}) {
    if (decode == nullptr) {
      continue;
    }
    // One byte in front makes the output unaligned.
    Bytes back(raw.size() + 1);
    decode(planes, back.data() + 1);
    EXPECT_TRUE(std::equal(raw.begin(), raw.end(), back.begin() + 1));
  }
}

TEST(ChunkCodec, NoneIsNoCodec) {
  EXPECT_EQ(encodeChunk(ChunkCodec::None, Bytes(8)).status().code(),
            ErrorCode::Internal);
  EXPECT_EQ(decoded(ChunkCodec::None, Bytes(8), 8).status().code(),
            ErrorCode::Internal);
}

} // namespace
