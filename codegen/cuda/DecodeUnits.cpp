//===- DecodeUnits.cpp - how a warp multiplies a unit of each dtype -------===//
#include "codegen/cuda/DecodeMatMulText.h"

#include <cmath>

namespace air::codegen::cuda {
namespace {

/// The value of a float16 whose bits are those of the integer 1.
constexpr float kSubnormal = 0x1p-24F;

constexpr const char *kElements16 = R"(
struct Unit { Word4 words[4]; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.words[i] = take16(p + i * 512 + lane * 16);
  }
}
struct Sums { float all[4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.all[i];
  }
}
)";

constexpr const char *kF16 = R"(
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    const Word4 b = *(const Word4 *)(x + i * 64);
    const Word4 first = unit.words[2 * i];
    const Word4 second = unit.words[2 * i + 1];
    ap_mma_f16(sums.all, first.x, second.x, first.y, second.y, b.x, b.y);
    ap_mma_f16(sums.all, first.z, second.z, first.w, second.w, b.z, b.w);
    if (kSplitActivations) {
      const Word4 low = *(const Word4 *)(x + kXLow + i * 64);
      ap_mma_f16(sums.all, first.x, second.x, first.y, second.y, low.x, low.y);
      ap_mma_f16(sums.all, first.z, second.z, first.w, second.w, low.z, low.w);
    }
  }
}
)";

constexpr const char *kBF16 = R"(
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    const Word4 b = *(const Word4 *)(x + i * 64);
    const Word4 low = *(const Word4 *)(x + kXLow + i * 64);
    const Word4 first = unit.words[2 * i];
    const Word4 second = unit.words[2 * i + 1];
    ap_mma_bf16(sums.all, first.x, second.x, first.y, second.y, b.x, b.y);
    ap_mma_bf16(sums.all, first.z, second.z, first.w, second.w, b.z, b.w);
    ap_mma_bf16(sums.all, first.x, second.x, first.y, second.y, low.x, low.y);
    ap_mma_bf16(sums.all, first.z, second.z, first.w, second.w, low.z, low.w);
  }
}
)";

/// Blocks of 32 columns with codes in low nibbles and blocks with codes in high
/// nibbles have separate sums, because codes in high nibbles are multiplied as
/// 16 times their value.
constexpr const char *kNibbleSums = R"(
struct Sums { float even[4], odd[4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.even[i] * 0x1p24f + sums.odd[i] * 0x1p20f;
  }
}
)";

constexpr const char *kScaled = R"(
// With one token, only column 0 of the mma's result is used, so the sums of odd
// columns are not computed.
AP_DEVICE void addScaled(float (&sum)[4], const float (&c)[4], float first, float second) {
  sum[0] = ap_fma(first, c[0], sum[0]);
  sum[2] = ap_fma(second, c[2], sum[2]);
  if (kTokens > 1) {
    sum[1] = ap_fma(first, c[1], sum[1]);
    sum[3] = ap_fma(second, c[3], sum[3]);
  }
}
)";

constexpr const char *kOffset = R"(
// Initialises an accumulator with the correction for the codes' zero point. The
// four floats are in the order of the mma's registers, so no moves are needed.
AP_DEVICE void beginSum(float (&c)[4], const u8 *entry) {
  const Word4 sum = *(const Word4 *)entry;
  c[0] = ap_float_of_bits(sum.x);
  c[1] = ap_float_of_bits(sum.y);
  c[2] = ap_float_of_bits(sum.z);
  c[3] = ap_float_of_bits(sum.w);
}
)";

constexpr const char *kQ4_0 = R"(
struct Unit { Word4 codes[2]; Word4 scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.scales = take16(p + 1024 + lane / 4 * 16);
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  const u32 scales[4] = {unit.scales.x, unit.scales.y, unit.scales.z, unit.scales.w};
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    const Word4 w = unit.codes[i];
    float c[4];
    Word4 b = *(const Word4 *)(x + i * 128);
    beginSum(c, entries + 2 * i * kSumEntry);
    ap_mma_f16(c, w.x & 0x000f000f, w.y & 0x000f000f, w.x >> 8 & 0x000f000f,
               w.y >> 8 & 0x000f000f, b.x, b.y);
    ap_mma_f16(c, w.z & 0x000f000f, w.w & 0x000f000f, w.z >> 8 & 0x000f000f,
               w.w >> 8 & 0x000f000f, b.z, b.w);
    addScaled(sums.even, c, ap_float_of_half(scales[2 * i] & 0xffff),
              ap_float_of_half(scales[2 * i] >> 16));
    b = *(const Word4 *)(x + i * 128 + 64);
    beginSum(c, entries + (2 * i + 1) * kSumEntry);
    ap_mma_f16(c, w.x & 0x00f000f0, w.y & 0x00f000f0, w.x >> 8 & 0x00f000f0,
               w.y >> 8 & 0x00f000f0, b.x, b.y);
    ap_mma_f16(c, w.z & 0x00f000f0, w.w & 0x00f000f0, w.z >> 8 & 0x00f000f0,
               w.w >> 8 & 0x00f000f0, b.z, b.w);
    addScaled(sums.odd, c, ap_float_of_half(scales[2 * i + 1] & 0xffff),
              ap_float_of_half(scales[2 * i + 1] >> 16));
  }
}
)";

constexpr const char *kQ8_0 = R"(
struct Unit { Word4 codes[4]; Word4 scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.scales = take16(p + 2048 + lane / 4 * 16);
}
struct Sums { float all[4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.all[i] * 0x1p24f;
  }
}
AP_DEVICE u32 oddBytes(u32 word) { return ap_permute(word, 0, 0x4341); }
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  const u32 scales[4] = {unit.scales.x, unit.scales.y, unit.scales.z, unit.scales.w};
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    const Word4 w = unit.codes[i];
    const Word4 b = *(const Word4 *)(x + i * 64);
    float c[4];
    beginSum(c, entries + i * kSumEntry);
    ap_mma_f16(c, w.x & 0x00ff00ff, w.y & 0x00ff00ff, oddBytes(w.x), oddBytes(w.y), b.x, b.y);
    ap_mma_f16(c, w.z & 0x00ff00ff, w.w & 0x00ff00ff, oddBytes(w.z), oddBytes(w.w), b.z, b.w);
    addScaled(sums.all, c, ap_float_of_half(scales[i] & 0xffff),
              ap_float_of_half(scales[i] >> 16));
  }
}
)";

constexpr const char *kFourBits = R"(
AP_DEVICE u32 lowCodes(const Unit &, u32 word, u32, u32, u32 shift) {
  return word >> shift & 0x000f000f;
}
AP_DEVICE u32 highCodes(const Unit &, u32 word, u32, u32, u32 shift) {
  return word >> shift & 0x00f000f0;
}
)";

constexpr const char *kFiveBits = R"(
AP_DEVICE u32 upperBits(const Unit &unit, u32 pair, u32 index) {
  const u32 words[4] = {unit.upper.x, unit.upper.y, unit.upper.z, unit.upper.w};
  return words[pair] >> index;
}
AP_DEVICE u32 lowCodes(const Unit &unit, u32 word, u32 pair, u32 index, u32 shift) {
  return (word >> shift & 0x000f000f) | (upperBits(unit, pair, index) >> shift & 0x00100010);
}
AP_DEVICE u32 highCodes(const Unit &unit, u32 word, u32 pair, u32 index, u32 shift) {
  return (word >> shift & 0x00f000f0) | (upperBits(unit, pair, index) << shift & 0x01000100);
}
)";

constexpr const char *kQ4_KLoad = R"(
struct Unit { Word4 codes[4]; Word4 scales; u32 minima; Word2 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.scales = take16(p + 2048 + lane / 4 * 16);
  unit.minima = take4(p + 2176 + lane * 4);
  unit.super = take8(p + 2304 + lane / 4 * 8);
}
)";

constexpr const char *kQ5_KLoad = R"(
struct Unit { Word4 codes[4]; Word4 upper; Word4 scales; u32 minima; Word2 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.upper = take16(p + 2048 + lane * 16);
  unit.scales = take16(p + 2560 + lane / 4 * 16);
  unit.minima = take4(p + 2688 + lane * 4);
  unit.super = take8(p + 2816 + lane / 4 * 8);
}
)";

constexpr const char *kQ45_K = R"(
// Returns scale * d, rounded once, where the scale is a byte ss of `word`. The
// float 0x4b0000ss is 2^23 + ss, and adding `bias` in the fma subtracts 2^23 *
// d.
AP_DEVICE float scaleTimes(u32 word, u32 byte, float d, float bias) {
  return ap_fma(ap_float_of_bits(ap_permute(word, 0x4b000000, 0x7440 + byte)), d, bias);
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  const float d0 = ap_float_of_half(unit.super.x & 0xffff);
  const float d1 = ap_float_of_half(unit.super.y & 0xffff);
  const float bias0 = -8388608.0f * d0;
  const float bias1 = -8388608.0f * d1;
  // One mma multiplies the minimum of each of 8 blocks by the mean of that
  // block's 32 activations. Along the k dimension of the mma, elements 0 to 7
  // are the means rounded to float16, and elements 8 to 15 are the rounding
  // errors.
  const Word2 means = *(const Word2 *)entries;
  const u32 m0 = ap_permute(unit.minima, 0, 0x4140);
  const u32 m1 = ap_permute(unit.minima, 0, 0x4342);
  float c[4] = {0, 0, 0, 0};
  ap_mma_f16(c, m0, m1, m0, m1, means.x, means.y);
  addScaled(sums.even, c, -32.0f * ap_float_of_half(unit.super.x >> 16),
            -32.0f * ap_float_of_half(unit.super.y >> 16));
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    const Word4 w = unit.codes[i];
    const u32 scales0 = i < 2 ? unit.scales.x : unit.scales.y;
    const u32 scales1 = i < 2 ? unit.scales.z : unit.scales.w;
    Word4 b = *(const Word4 *)(x + i * 128);
    float even[4] = {0, 0, 0, 0};
    ap_mma_f16(even, lowCodes(unit, w.x, i, 0, 0), lowCodes(unit, w.y, i, 1, 0),
               lowCodes(unit, w.x, i, 0, 8), lowCodes(unit, w.y, i, 1, 8), b.x, b.y);
    ap_mma_f16(even, lowCodes(unit, w.z, i, 2, 0), lowCodes(unit, w.w, i, 3, 0),
               lowCodes(unit, w.z, i, 2, 8), lowCodes(unit, w.w, i, 3, 8), b.z, b.w);
    addScaled(sums.even, even, scaleTimes(scales0, 2 * i % 4, d0, bias0),
              scaleTimes(scales1, 2 * i % 4, d1, bias1));
    b = *(const Word4 *)(x + i * 128 + 64);
    float odd[4] = {0, 0, 0, 0};
    ap_mma_f16(odd, highCodes(unit, w.x, i, 0, 0), highCodes(unit, w.y, i, 1, 0),
               highCodes(unit, w.x, i, 0, 8), highCodes(unit, w.y, i, 1, 8), b.x, b.y);
    ap_mma_f16(odd, highCodes(unit, w.z, i, 2, 0), highCodes(unit, w.w, i, 3, 0),
               highCodes(unit, w.z, i, 2, 8), highCodes(unit, w.w, i, 3, 8), b.z, b.w);
    addScaled(sums.odd, odd, scaleTimes(scales0, 2 * i % 4 + 1, d0, bias0),
              scaleTimes(scales1, 2 * i % 4 + 1, d1, bias1));
  }
}
)";

constexpr const char *kQ4_1Load = R"(
constexpr bool kMinima = true;
struct Unit { Word4 codes[4]; Word4 scales[2]; Word2 minima; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.scales[i] = take16(p + 2048 + lane / 4 * 32 + i * 16);
  }
  unit.minima = take8(p + 2304 + lane * 8);
}
)";

constexpr const char *kQ5_0Load = R"(
constexpr bool kMinima = false;
struct Unit { Word4 codes[4]; Word4 upper; Word4 scales[2]; Word2 minima; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.upper = take16(p + 2048 + lane * 16);
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.scales[i] = take16(p + 2560 + lane / 4 * 32 + i * 16);
  }
}
)";

constexpr const char *kQ5_1Load = R"(
constexpr bool kMinima = true;
struct Unit { Word4 codes[4]; Word4 upper; Word4 scales[2]; Word2 minima; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.upper = take16(p + 2048 + lane * 16);
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.scales[i] = take16(p + 2560 + lane / 4 * 32 + i * 16);
  }
  unit.minima = take8(p + 2816 + lane * 8);
}
)";

constexpr const char *kShortBlocks = R"(
AP_DEVICE void beginBlock(float (&c)[4], const u8 *entries, u32 block) {
  if (kMinima) {
    c[0] = c[1] = c[2] = c[3] = 0;
  } else {
    beginSum(c, entries + block * kSumEntry);
  }
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  if (kMinima) {
    // One mma multiplies the minima of 8 blocks by the means of the blocks'
    // activations, as for Q4_K.
    const Word2 means = *(const Word2 *)entries;
    float c[4] = {0, 0, 0, 0};
    ap_mma_f16(c, unit.minima.x, unit.minima.y, unit.minima.x, unit.minima.y, means.x, means.y);
    addScaled(sums.even, c, 0x1p-19f, 0x1p-19f);
  }
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    const Word4 w = unit.codes[i];
    const u32 scales[4] = {unit.scales[i / 2].x, unit.scales[i / 2].y, unit.scales[i / 2].z,
                           unit.scales[i / 2].w};
    const u32 first = scales[2 * i % 4], second = scales[2 * i % 4 + 1];
    float c[4];
    Word4 b = *(const Word4 *)(x + i * 128);
    beginBlock(c, entries, 2 * i);
    ap_mma_f16(c, lowCodes(unit, w.x, i, 0, 0), lowCodes(unit, w.y, i, 1, 0),
               lowCodes(unit, w.x, i, 0, 8), lowCodes(unit, w.y, i, 1, 8), b.x, b.y);
    ap_mma_f16(c, lowCodes(unit, w.z, i, 2, 0), lowCodes(unit, w.w, i, 3, 0),
               lowCodes(unit, w.z, i, 2, 8), lowCodes(unit, w.w, i, 3, 8), b.z, b.w);
    addScaled(sums.even, c, ap_float_of_half(first & 0xffff), ap_float_of_half(first >> 16));
    b = *(const Word4 *)(x + i * 128 + 64);
    beginBlock(c, entries, 2 * i + 1);
    ap_mma_f16(c, highCodes(unit, w.x, i, 0, 0), highCodes(unit, w.y, i, 1, 0),
               highCodes(unit, w.x, i, 0, 8), highCodes(unit, w.y, i, 1, 8), b.x, b.y);
    ap_mma_f16(c, highCodes(unit, w.z, i, 2, 0), highCodes(unit, w.w, i, 3, 0),
               highCodes(unit, w.z, i, 2, 8), highCodes(unit, w.w, i, 3, 8), b.z, b.w);
    addScaled(sums.odd, c, ap_float_of_half(second & 0xffff), ap_float_of_half(second >> 16));
  }
}
)";

constexpr const char *kIQ4 = R"(
struct Sums { float all[4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.all[i] * 0x1p24f;
  }
}
// Replaces the lower four nibbles of `word`, which are indices of IQ4_NL's
// table, by the table's entries plus 128. The entries are -127, -104, -83, -65,
// -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89 and 113. The top bit of a
// nibble selects a half of the table.
AP_DEVICE u32 valuesOf(u32 word) {
  const u32 low = ap_permute(0x3f2d1801, 0x766a5d4f, word & 0x7777);
  const u32 high = ap_permute(0xa6998d81, 0xf1d9c5b5, word & 0x7777);
  return ap_permute(low, high, 0x3210 | (word & 0x8888) >> 1);
}
AP_DEVICE u32 evenBytes(u32 word) { return word & 0x00ff00ff; }
AP_DEVICE u32 oddBytes(u32 word) { return ap_permute(word, 0, 0x4341); }
struct Scales { float even0, even1, odd0, odd1; };
// Multiplies 64 columns, of which the first 32 have their codes in low nibbles.
AP_DEVICE void multiplyPlane(float (&sum)[4], const Word4 &w, const u8 *x, const u8 *entries,
                             const Scales &scales) {
  const u32 words[4] = {w.x, w.y, w.z, w.w};
  u32 first[4], second[4];
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    first[i] = valuesOf(words[i]);
    second[i] = valuesOf(words[i] >> 16);
  }
  float c[4];
  Word4 b = *(const Word4 *)x;
  beginSum(c, entries);
  ap_mma_f16(c, evenBytes(first[0]), evenBytes(first[1]), evenBytes(second[0]),
             evenBytes(second[1]), b.x, b.y);
  ap_mma_f16(c, evenBytes(first[2]), evenBytes(first[3]), evenBytes(second[2]),
             evenBytes(second[3]), b.z, b.w);
  addScaled(sum, c, scales.even0, scales.even1);
  b = *(const Word4 *)(x + 64);
  beginSum(c, entries + kSumEntry);
  ap_mma_f16(c, oddBytes(first[0]), oddBytes(first[1]), oddBytes(second[0]),
             oddBytes(second[1]), b.x, b.y);
  ap_mma_f16(c, oddBytes(first[2]), oddBytes(first[3]), oddBytes(second[2]),
             oddBytes(second[3]), b.z, b.w);
  addScaled(sum, c, scales.odd0, scales.odd1);
}
)";

constexpr const char *kIQ4_NL = R"(
struct Unit { Word4 codes[2]; Word4 scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.scales = take16(p + 1024 + lane / 4 * 16);
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  const u32 scales[4] = {unit.scales.x, unit.scales.y, unit.scales.z, unit.scales.w};
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    const Scales four = {
        ap_float_of_half(scales[2 * i] & 0xffff), ap_float_of_half(scales[2 * i] >> 16),
        ap_float_of_half(scales[2 * i + 1] & 0xffff), ap_float_of_half(scales[2 * i + 1] >> 16)};
    multiplyPlane(sums.all, unit.codes[i], x + i * 128, entries + 2 * i * kSumEntry, four);
  }
}
)";

constexpr const char *kIQ4_XS = R"(
struct Unit { Word4 codes[4]; Word4 scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.scales = take16(p + 2048 + lane / 4 * 16);
  unit.super = take4(p + 2176 + lane / 4 * 4);
}
// The float 0x4b0000ss is 2^23 + ss, where the byte ss is the scale plus 32.
AP_DEVICE float signedScale(u32 word, u32 byte) {
  return ap_float_of_bits(ap_permute(word, 0x4b000000, 0x7440 + byte)) - 8388640.0f;
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  const float d0 = ap_float_of_half(unit.super & 0xffff);
  const float d1 = ap_float_of_half(unit.super >> 16);
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    const u32 scales0 = i < 2 ? unit.scales.x : unit.scales.y;
    const u32 scales1 = i < 2 ? unit.scales.z : unit.scales.w;
    const Scales four = {
        d0 * signedScale(scales0, 2 * i % 4), d1 * signedScale(scales1, 2 * i % 4),
        d0 * signedScale(scales0, 2 * i % 4 + 1), d1 * signedScale(scales1, 2 * i % 4 + 1)};
    multiplyPlane(sums.all, unit.codes[i], x + i * 128, entries + 2 * i * kSumEntry, four);
  }
}
)";

constexpr const char *kQ6_K = R"(
struct Unit { Word4 codes[4]; Word4 upper[2]; Word4 scales[2]; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.upper[i] = take16(p + 2048 + i * 512 + lane * 16);
    unit.scales[i] = take16(p + 3072 + lane / 4 * 32 + i * 16);
  }
  unit.super = take4(p + 3328 + lane / 4 * 4);
}
struct Sums { float all[4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.all[i] * 0x1p24f;
  }
}
AP_DEVICE float signedScale(const Word4 &scales, u32 i) {
  const u32 words[4] = {scales.x, scales.y, scales.z, scales.w};
  return ap_float_of_bits(ap_permute(words[i / 4], 0x4b000000, 0x7440 + i % 4)) - 8388736.0f;
}
AP_DEVICE u32 lowCodes(u32 word, u32 upper, u32 shift) {
  return (word >> shift & 0x000f000f) | (upper >> shift & 0x00300030);
}
AP_DEVICE u32 highCodes(u32 word, u32 upper, u32 shift) {
  return (word >> shift & 0x00f000f0) | (upper << shift & 0x03000300);
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *entries) {
  float even[4] = {0, 0, 0, 0};
  float odd[4] = {0, 0, 0, 0};
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    const u32 words[4] = {unit.codes[i].x, unit.codes[i].y, unit.codes[i].z, unit.codes[i].w};
    const Word4 pair = unit.upper[i / 2];
    const u32 upper[2] = {i % 2 == 0 ? pair.x : pair.z, i % 2 == 0 ? pair.y : pair.w};
    const Word4 b0 = *(const Word4 *)(x + i * 128);
    const Word4 b1 = *(const Word4 *)(x + i * 128 + 64);
#pragma unroll
    for (u32 f = 0; f < 2; ++f) {
      const u32 w0 = words[2 * f];
      const u32 w1 = words[2 * f + 1];
      const u32 u0 = upper[f];
      const u32 u1 = upper[f] >> 2;
      const u32 group = 4 * i + f;
      float c[4];
      beginSum(c, entries + group * kSumEntry);
      ap_mma_f16(c, lowCodes(w0, u0, 0), lowCodes(w1, u1, 0), lowCodes(w0, u0, 8),
                 lowCodes(w1, u1, 8), f == 0 ? b0.x : b0.z, f == 0 ? b0.y : b0.w);
      addScaled(even, c, signedScale(unit.scales[0], group), signedScale(unit.scales[1], group));
      beginSum(c, entries + (group + 2) * kSumEntry);
      ap_mma_f16(c, highCodes(w0, u0, 0), highCodes(w1, u1, 0), highCodes(w0, u0, 8),
                 highCodes(w1, u1, 8), f == 0 ? b1.x : b1.z, f == 0 ? b1.y : b1.w);
      addScaled(odd, c, signedScale(unit.scales[0], group + 2),
                signedScale(unit.scales[1], group + 2));
    }
  }
  const float d0 = ap_float_of_half(unit.super & 0xffff);
  const float d1 = ap_float_of_half(unit.super >> 16);
  addScaled(sums.all, even, d0, d1);
  addScaled(sums.all, odd, 0.0625f * d0, 0.0625f * d1);
}
)";

constexpr const char *kMXFP4 = R"(
struct Unit { Word4 codes[2]; Word2 scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    unit.codes[i] = take16(p + i * 512 + lane * 16);
  }
  unit.scales = take8(p + 1024 + lane / 4 * 8);
}
struct Sums { float all[4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.all[i] * 0x1p15f;
  }
}
// Returns 2^(e - 128), which is half of the block's scale. The results for e =
// 0 and e = 1 are subnormal.
AP_DEVICE float halfScale(u32 word, u32 byte) {
  const u32 e = word >> 8 * byte & 0xff;
  return ap_float_of_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}
// Moves the sign and the other three bits of an e2m1 code in each half of
// `word` to their places in a float16, which is then the code's value times
// 2^-14. The codes start at bit 4 * nibble of each half.
AP_DEVICE u32 elements(u32 word, u32 nibble) {
  const u32 sign = nibble == 3 ? word : word << (12 - 4 * nibble);
  const u32 rest = nibble == 3 ? word >> 3 : word << (9 - 4 * nibble);
  return (sign & 0x80008000) | (rest & 0x0e000e00);
}
AP_DEVICE void multiplyUnit(Sums &sums, const Unit &unit, const u8 *x, const u8 *) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    const Word4 w = unit.codes[i];
    const u32 scales = i == 0 ? unit.scales.x : unit.scales.y;
#pragma unroll
    for (u32 high = 0; high < 2; ++high) {
      const Word4 b = *(const Word4 *)(x + i * 128 + high * 64);
      float c[4] = {0, 0, 0, 0};
      ap_mma_f16(c, elements(w.x, high), elements(w.y, high), elements(w.x, high + 2),
                 elements(w.y, high + 2), b.x, b.y);
      ap_mma_f16(c, elements(w.z, high), elements(w.w, high), elements(w.z, high + 2),
                 elements(w.w, high + 2), b.z, b.w);
      addScaled(sums.all, c, halfScale(scales, 2 * high), halfScale(scales, 2 * high + 1));
    }
  }
}
)";

} // namespace

Result<ActivationForm> activationForm(DType dtype) {
  ActivationForm form;
  switch (dtype) {
  case DType::F16:
  case DType::MXFP4:
    return form;
  case DType::BF16:
    form.bfloat = true;
    form.split = true;
    return form;
  case DType::Q4_0:
    form.sumColumns = 32;
    form.evenFactor = -8 * kSubnormal;
    form.oddFactor = -8 * 16 * kSubnormal;
    return form;
  case DType::Q8_0:
  case DType::IQ4_NL:
  case DType::IQ4_XS:
    form.sumColumns = 32;
    form.evenFactor = form.oddFactor = -128 * kSubnormal;
    return form;
  case DType::Q5_0:
    form.sumColumns = 32;
    form.evenFactor = -16 * kSubnormal;
    form.oddFactor = -16 * 16 * kSubnormal;
    return form;
  case DType::Q4_1:
  case DType::Q5_1:
  case DType::Q4_K:
  case DType::Q5_K:
    form.sumColumns = 32;
    form.sumsAsHalves = true;
    return form;
  case DType::Q6_K:
    form.halves = true;
    form.sumColumns = 16;
    form.evenFactor = -32 * kSubnormal;
    form.oddFactor = -32 * 16 * kSubnormal;
    return form;
  default:
    return unsupportedError("decode matmuls do not support dtype " +
                            std::string(info(dtype).name));
  }
}

std::string unitText(DType dtype) {
  switch (dtype) {
  case DType::F16:
    return std::string(kElements16) + kF16;
  case DType::BF16:
    return std::string(kElements16) + kBF16;
  case DType::Q4_0:
    return std::string(kNibbleSums) + kScaled + kOffset + kQ4_0;
  case DType::Q4_1:
    return std::string(kNibbleSums) + kScaled + kOffset + kQ4_1Load +
           kFourBits + kShortBlocks;
  case DType::Q5_0:
    return std::string(kNibbleSums) + kScaled + kOffset + kQ5_0Load +
           kFiveBits + kShortBlocks;
  case DType::Q5_1:
    return std::string(kNibbleSums) + kScaled + kOffset + kQ5_1Load +
           kFiveBits + kShortBlocks;
  case DType::IQ4_NL:
    return std::string(kScaled) + kOffset + kIQ4 + kIQ4_NL;
  case DType::IQ4_XS:
    return std::string(kScaled) + kOffset + kIQ4 + kIQ4_XS;
  case DType::Q8_0:
    return std::string(kScaled) + kOffset + kQ8_0;
  case DType::Q4_K:
    return std::string(kNibbleSums) + kScaled + kQ4_KLoad + kFourBits + kQ45_K;
  case DType::Q5_K:
    return std::string(kNibbleSums) + kScaled + kQ5_KLoad + kFiveBits + kQ45_K;
  case DType::Q6_K:
    return std::string(kScaled) + kOffset + kQ6_K;
  case DType::MXFP4:
    return std::string(kScaled) + kMXFP4;
  default:
    return {};
  }
}

} // namespace air::codegen::cuda
