//===- DecodeUnits.cpp - how a warp multiplies a unit of each dtype -------===//
#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/Literals.h"

#include <algorithm>
#include <cmath>

namespace air::codegen::cuda {
namespace {

/// The value of a float16 whose bits are those of the integer 1.
constexpr float kSubnormal = 0x1p-24F;

// The common texts kSums, kMinima and kMultiply use these definitions:
//   Unit, loadUnit  a lane's part of a T16 unit
//   blockOf         the A operands of the 32 columns of block i of a unit, and
//                   the factors for the sums of rows g and g+8
//   minimaOf        the minima of a unit as operands and factors, if
//                   kSumsAsHalves is set
//   kScaled         whether the factors are used
//   kNibbles        whether odd blocks have their codes in high nibbles, so
//                   that their operands are 16 times the codes
//   kUnitValue      what the codes' sums are multiplied by at the end
//   multiply        the mma instruction
constexpr const char *kParts = R"(
// Planes and Words are the parts of a unit that a lane reads: 16 bytes of each
// plane, and words of 4 bytes. Without kLazy, loadUnit reads them into
// registers. With kLazy, it only stores pointers to them: the parts stay in
// shared memory and are read where they are used, so few registers hold
// weights. The blocks of a unit are then multiplied in a loop that is unrolled
// by a factor of 2. If it were unrolled completely, the compiler would move
// reads to its beginning until no register is left.
constexpr u32 kBlockUnroll = kLazy ? 2 : 8;
template <u32 count> struct HeldPlanes {
  Word4 planes[count];
  AP_MEMBER void load(const u8 *p) {
#pragma unroll
    for (u32 i = 0; i < count; ++i) {
      planes[i] = take16(p + i * 512);
    }
  }
  AP_MEMBER Word4 operator[](u32 i) const { return planes[i]; }
};
template <u32 count> struct HeldWords {
  u32 words[count];
  AP_MEMBER void load(const u8 *p) {
#pragma unroll
    for (u32 i = 0; i < count / 4; ++i) {
      const Word4 v = take16(p + i * 16);
      words[4 * i] = v.x;
      words[4 * i + 1] = v.y;
      words[4 * i + 2] = v.z;
      words[4 * i + 3] = v.w;
    }
    if (count == 2) {
      const Word2 v = take8(p);
      words[0] = v.x;
      words[1] = v.y;
    }
  }
  AP_MEMBER u32 operator[](u32 i) const { return words[i]; }
};
struct LazyPlanes {
  const u8 *from;
  AP_MEMBER void load(const u8 *p) { from = p; }
  AP_MEMBER Word4 operator[](u32 i) const { return take16(from + i * 512); }
};
struct LazyWords {
  const u8 *from;
  AP_MEMBER void load(const u8 *p) { from = p; }
  AP_MEMBER u32 operator[](u32 i) const { return take4(from + i * 4); }
};
template <bool lazy, typename Held, typename Lazy> struct Choose { typedef Held Type; };
template <typename Held, typename Lazy> struct Choose<true, Held, Lazy> { typedef Lazy Type; };
template <u32 count> using Planes = typename Choose<kLazy, HeldPlanes<count>, LazyPlanes>::Type;
template <u32 count> using Words = typename Choose<kLazy, HeldWords<count>, LazyWords>::Type;
)";

constexpr const char *kBlock = R"(
struct Block { u32 a[8]; float first, second; };
)";

constexpr const char *kHalfMultiply = R"(
AP_DEVICE void multiply(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  ap_mma_f16(c, a0, a1, a2, a3, b0, b1);
}
)";

constexpr const char *kBfloatMultiply = R"(
AP_DEVICE void multiply(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  ap_mma_bf16(c, a0, a1, a2, a3, b0, b1);
}
)";

constexpr const char *kNoMinima = R"(
AP_DEVICE Block minimaOf(const Unit &) { return {}; }
)";

constexpr const char *kElements16 = R"(
constexpr bool kScaled = false, kNibbles = false;
constexpr float kUnitValue = 1;
struct Unit { Planes<4> words; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) { unit.words.load(p + lane * 16); }
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const Word4 first = unit.words[2 * i], second = unit.words[2 * i + 1];
  return {{first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w}, 1, 1};
}
)";

constexpr const char *kHeldActivations = R"(
// The activations of a unit's columns in registers, by which a warp multiplies
// several tiles.
struct Held { Word4 high[kUnitColumns / 32], low[kUnitColumns / 32]; };
AP_DEVICE void holdActivations(Held &held, const u8 *x) {
#pragma unroll
  for (u32 i = 0; i < kUnitColumns / 32; ++i) {
    held.high[i] = *(const Word4 *)(x + i * kBlockStride);
    if (kSplitActivations && !kSplitColumns) {
      held.low[i] = *(const Word4 *)(x + i * kBlockStride + kXLow);
    }
  }
}
AP_DEVICE void multiplyHeld(Sums &sums, const Unit &unit, const Held &held) {
#pragma unroll
  for (u32 i = 0; i < kUnitColumns / 32; ++i) {
    const Block block = blockOf(unit, i);
    addBlock(sums, block, held.high[i], 2 * i);
    if (kSplitActivations && !kSplitColumns) {
      addBlock(sums, block, held.low[i], 2 * i + 2);
    }
  }
}
)";

// The text of the accumulators and of the loops over the columns of a unit. A
// warp multiplies kRowTiles tiles of 16 rows by kTokenGroups groups of 8
// tokens, so an operand that it has decoded or read serves several mma.
constexpr const char *kSums = R"(
// If kNibbles is set, the operands of odd blocks are 16 times their codes. With
// one group of tokens, odd blocks have sums of their own, which are multiplied
// by 1/16 at the end. With several groups, each scale of an odd block is
// multiplied by 1/16 instead.
//
// Without scales and with one group of tokens, successive mma use different
// accumulators, because an mma that adds to the result of the previous one has
// to wait for it.
constexpr u32 kParities = kTokenGroups != 1 ? 1 : kNibbles ? 2 : kScaled ? 1 : 4;
struct Sums { float of[kParities][4]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    total[i] = sums.of[0][i] * kUnitValue;
#pragma unroll
    for (u32 parity = 1; parity < kParities; ++parity) {
      total[i] += sums.of[parity][i] * (kNibbles ? kUnitValue * 0.0625f : kUnitValue);
    }
    if (kSplitColumns) {
      total[i] += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(total[i]), 2));
    }
  }
}
// A lane has one even and one odd column of the mma's result. With one token,
// only column 0 is used, so the sums of the odd column are not computed.
AP_DEVICE void addScaled(float (&sum)[4], const float (&c)[4], float first, float second) {
  sum[0] = ap_fma(first, c[0], sum[0]);
  sum[2] = ap_fma(second, c[2], sum[2]);
  if (kTokens > 1) {
    sum[1] = ap_fma(first, c[1], sum[1]);
    sum[3] = ap_fma(second, c[3], sum[3]);
  }
}
// Initialises an accumulator with the correction for the codes' zero point.
// `entry` stores the correction in the order of the mma's registers, so no
// values have to move between lanes.
AP_DEVICE void beginSum(float (&c)[4], const u8 *entry) {
  Word4 sum = {0, 0, 0, 0};
  if (kSumColumns != 0 && !kSumsAsHalves) {
    sum = *(const Word4 *)entry;
  }
  c[0] = ap_float_of_bits(sum.x);
  c[1] = ap_float_of_bits(sum.y);
  c[2] = ap_float_of_bits(sum.z);
  c[3] = ap_float_of_bits(sum.w);
}
)";

constexpr const char *kMinima = R"(
AP_DEVICE void multiplyMinima(Sums (&sums)[kRowTiles][kTokenGroups],
                              const Unit (&units)[kRowTiles], const u8 *entries) {
  if (kSumsAsHalves) {
    // The minimum of each block of 32 or 16 columns is multiplied by the mean
    // of that block's activations. If a unit has 8 blocks, one mma suffices:
    // along its k dimension, elements 0 to 7 are the means, rounded to float16,
    // and elements 8 to 15 are the rounding errors. If it has 16 blocks, the
    // first mma has the means, and a second one has the errors.
#pragma unroll
    for (u32 group = 0; group < kTokenGroups; ++group) {
      const Word2 means = *(const Word2 *)(entries + group * kGroupStride);
      Word2 errors = {0, 0};
      if (kSumColumns == 16) {
        errors = *(const Word2 *)(entries + group * kGroupStride + 8);
      }
#pragma unroll
      for (u32 tile = 0; tile < kRowTiles; ++tile) {
        const Block m = minimaOf(units[tile]);
        float c[4] = {0, 0, 0, 0};
        ap_mma_f16(c, m.a[0], m.a[1], m.a[2], m.a[3], means.x, means.y);
        if (kSumColumns == 16) {
          ap_mma_f16(c, m.a[0], m.a[1], m.a[2], m.a[3], errors.x, errors.y);
        }
        addScaled(sums[tile][group].of[0], c, m.first, m.second);
      }
    }
  }
}
)";

constexpr const char *kMultiply = R"(
AP_DEVICE void multiplyBlock(float (&c)[4], const Block &block, const Word4 &b) {
  multiply(c, block.a[0], block.a[1], block.a[2], block.a[3], b.x, b.y);
  multiply(c, block.a[4], block.a[5], block.a[6], block.a[7], b.z, b.w);
}
AP_DEVICE void addBlock(Sums &sums, const Block &block, const Word4 &b, u32 first) {
  multiply(sums.of[first % kParities], block.a[0], block.a[1], block.a[2], block.a[3], b.x, b.y);
  multiply(sums.of[(first + 1) % kParities], block.a[4], block.a[5], block.a[6], block.a[7], b.z,
           b.w);
}
AP_DEVICE void multiplyUnits(Sums (&sums)[kRowTiles][kTokenGroups],
                             const Unit (&units)[kRowTiles], const u8 *x, const u8 *entries) {
  multiplyMinima(sums, units, entries);
#pragma unroll kBlockUnroll
  for (u32 i = 0; i < kUnitColumns / 32; ++i) {
    constexpr float kOddFactor = kNibbles && kParities == 1 ? 0.0625f : 1;
    Block blocks[kRowTiles];
#pragma unroll
    for (u32 tile = 0; tile < kRowTiles; ++tile) {
      blocks[tile] = blockOf(units[tile], i);
      blocks[tile].first *= i % 2 == 0 ? 1 : kOddFactor;
      blocks[tile].second *= i % 2 == 0 ? 1 : kOddFactor;
    }
#pragma unroll
    for (u32 group = 0; group < kTokenGroups; ++group) {
      const u8 *from = x + group * kGroupStride + i * kBlockStride;
      const Word4 b = *(const Word4 *)from;
      Word4 low = {};
      if (kSplitActivations && !kSplitColumns) {
        low = *(const Word4 *)(from + kXLow);
      }
#pragma unroll
      for (u32 tile = 0; tile < kRowTiles; ++tile) {
        Sums &sum = sums[tile][group];
        if (kScaled) {
          float c[4];
          beginSum(c, entries + group * kGroupStride + i * kSumEntry);
          multiplyBlock(c, blocks[tile], b);
          addScaled(sum.of[i % kParities], c, blocks[tile].first, blocks[tile].second);
        } else {
          addBlock(sum, blocks[tile], b, 2 * i);
          if (kSplitActivations && !kSplitColumns) {
            addBlock(sum, blocks[tile], low, 2 * i + 2);
          }
        }
      }
    }
  }
}
)";

// The text of multiplyUnits with wgmma. Each warp of a warpgroup has one tile
// of 16 rows.
constexpr const char *kWgmmaMultiply = R"(
AP_DEVICE void multiplyUnits(Sums (&sums)[1][kTokenGroups], const Unit (&units)[1], const u8 *x,
                             const u8 *entries) {
  multiplyMinima(sums, units, entries);
#pragma unroll kBlockUnroll
  for (u32 i = 0; i < kUnitColumns / 32; ++i) {
    constexpr float kOddFactor = kNibbles && kParities == 1 ? 0.0625f : 1;
    const float factor = i % 2 == 0 ? 1 : kOddFactor;
    Block block = blockOf(units[0], i);
    const u8 *b = x + i * kBlockStride;
    float c[kTokenGroups][4];
#pragma unroll
    for (u32 group = 0; group < kTokenGroups; ++group) {
      beginSum(c[group], entries + group * kGroupStride + i * kSumEntry);
    }
    ap_wgmma_begin(c, block.a);
    multiplyBlock(c, block, b);
    if (kSplitActivations) {
      multiplyBlock(c, block, b + kXLow);
    }
    ap_wgmma_end(c);
#pragma unroll
    for (u32 group = 0; group < kTokenGroups; ++group) {
      addScaled(sums[0][group].of[i % kParities], c[group], factor * block.first,
                factor * block.second);
    }
  }
}
)";

constexpr const char *kWgmmaHalf = R"(
AP_DEVICE void multiplyBlock(float (&c)[kTokenGroups][4], const Block &block, const u8 *b) {
  ap_wgmma_f16(c, block.a[0], block.a[1], block.a[2], block.a[3], b, kGroupStride);
  ap_wgmma_f16(c, block.a[4], block.a[5], block.a[6], block.a[7], b + 256, kGroupStride);
}
)";
constexpr const char *kWgmmaBfloat = R"(
AP_DEVICE void multiplyBlock(float (&c)[kTokenGroups][4], const Block &block, const u8 *b) {
  ap_wgmma_bf16(c, block.a[0], block.a[1], block.a[2], block.a[3], b, kGroupStride);
  ap_wgmma_bf16(c, block.a[4], block.a[5], block.a[6], block.a[7], b + 256, kGroupStride);
}
)";

constexpr const char *kNibbleValue = R"(
constexpr bool kScaled = true, kNibbles = true;
constexpr float kUnitValue = 0x1p24f;
)";

constexpr const char *kByteValue = R"(
constexpr bool kScaled = true, kNibbles = false;
constexpr float kUnitValue = 0x1p24f;
)";

// The value for IQ4_XS in a decode step, whose broadcast scales are 2^-12
// times too small (pickExponent).
constexpr const char *kPickedByteValue = R"(
constexpr bool kScaled = true, kNibbles = false;
constexpr float kUnitValue = 0x1p36f;
)";

constexpr const char *kQ4_0 = R"(
struct Unit { Planes<2> codes; Words<4> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1024 + lane / 4 * 16);
}
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const u32 scales = unit.scales[i];
  const u32 mask = i % 2 == 0 ? 0x000f000f : 0x00f000f0;
  const Word4 w = unit.codes[i / 2];
  return {{w.x & mask, w.y & mask, w.x >> 8 & mask, w.y >> 8 & mask, w.z & mask, w.w & mask,
           w.z >> 8 & mask, w.w >> 8 & mask},
          ap_float_of_half(scales & 0xffff), ap_float_of_half(scales >> 16)};
}
)";

constexpr const char *kQ8_0 = R"(
struct Unit { Planes<4> codes; Words<4> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 2048 + lane / 4 * 16);
}
AP_DEVICE u32 evenBytes(u32 word) { return word & 0x00ff00ff; }
AP_DEVICE u32 oddBytes(u32 word) { return ap_permute(word, 0, 0x4341); }
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const u32 scales = unit.scales[i];
  const Word4 w = unit.codes[i];
  return {{evenBytes(w.x), evenBytes(w.y), oddBytes(w.x), oddBytes(w.y), evenBytes(w.z),
           evenBytes(w.w), oddBytes(w.z), oddBytes(w.w)},
          ap_float_of_half(scales & 0xffff), ap_float_of_half(scales >> 16)};
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
  return unit.upper[pair] >> index;
}
AP_DEVICE u32 lowCodes(const Unit &unit, u32 word, u32 pair, u32 index, u32 shift) {
  return (word >> shift & 0x000f000f) | (upperBits(unit, pair, index) >> shift & 0x00100010);
}
AP_DEVICE u32 highCodes(const Unit &unit, u32 word, u32 pair, u32 index, u32 shift) {
  return (word >> shift & 0x00f000f0) | (upperBits(unit, pair, index) << shift & 0x01000100);
}
)";

constexpr const char *kCodes = R"(
// Returns the operands of columns 32i to 32i+31 of a unit whose codes have four
// bits in planes of nibbles, and perhaps more bits in other planes. `first` and
// `second` are the factors for the sums of the lane's two rows.
AP_DEVICE Block codesOf(const Unit &unit, u32 i, float first, float second) {
  const Word4 w = unit.codes[i / 2];
  const u32 words[4] = {w.x, w.y, w.z, w.w};
  Block block = {{}, first, second};
#pragma unroll
  for (u32 j = 0; j < 8; ++j) {
    const u32 word = j / 4 * 2 + j % 2;
    const u32 shift = j % 4 / 2 * 8;
    block.a[j] = i % 2 == 0 ? lowCodes(unit, words[word], i / 2, word, shift)
                            : highCodes(unit, words[word], i / 2, word, shift);
  }
  return block;
}
)";

constexpr const char *kQ4_KLoad = R"(
struct Unit { Planes<4> codes; Words<4> scales; u32 minima; Word2 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 2048 + lane / 4 * 16);
  unit.minima = take4(p + 2176 + lane * 4);
  unit.super = take8(p + 2304 + lane / 4 * 8);
}
)";

constexpr const char *kQ5_KLoad = R"(
struct Unit { Planes<4> codes; Words<4> upper; Words<4> scales; u32 minima; Word2 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.upper.load(p + 2048 + lane * 16);
  unit.scales.load(p + 2560 + lane / 4 * 16);
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
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const float d0 = ap_float_of_half(unit.super.x & 0xffff);
  const float d1 = ap_float_of_half(unit.super.y & 0xffff);
  const u32 scales0 = unit.scales[i / 4];
  const u32 scales1 = unit.scales[2 + i / 4];
  return codesOf(unit, i, scaleTimes(scales0, i % 4, d0, -8388608.0f * d0),
                 scaleTimes(scales1, i % 4, d1, -8388608.0f * d1));
}
AP_DEVICE Block minimaOf(const Unit &unit) {
  const u32 m0 = ap_permute(unit.minima, 0, 0x4140);
  const u32 m1 = ap_permute(unit.minima, 0, 0x4342);
  return {{m0, m1, m0, m1}, -32.0f * ap_float_of_half(unit.super.x >> 16),
          -32.0f * ap_float_of_half(unit.super.y >> 16)};
}
)";

constexpr const char *kQ4_1Load = R"(
struct Unit { Planes<4> codes; Words<8> scales; Word2 minima; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 2048 + lane / 4 * 32);
  unit.minima = take8(p + 2304 + lane * 8);
}
)";

constexpr const char *kQ5_0Load = R"(
struct Unit { Planes<4> codes; Words<4> upper; Words<8> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.upper.load(p + 2048 + lane * 16);
  unit.scales.load(p + 2560 + lane / 4 * 32);
}
)";

constexpr const char *kQ5_1Load = R"(
struct Unit { Planes<4> codes; Words<4> upper; Words<8> scales; Word2 minima; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.upper.load(p + 2048 + lane * 16);
  unit.scales.load(p + 2560 + lane / 4 * 32);
  unit.minima = take8(p + 2816 + lane * 8);
}
)";

constexpr const char *kShortBlocks = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const u32 scales = unit.scales[i];
  return codesOf(unit, i, ap_float_of_half(scales & 0xffff), ap_float_of_half(scales >> 16));
}
)";

constexpr const char *kShortMinima = R"(
AP_DEVICE Block minimaOf(const Unit &unit) {
  return {{unit.minima.x, unit.minima.y, unit.minima.x, unit.minima.y}, 0x1p-19f, 0x1p-19f};
}
)";

constexpr const char *kE2m1 = R"(
// Moves the sign and the other three bits of an e2m1 code in each half of
// `word` to their places in a float16, which is then the code's value times
// 2^-14. The codes start at bit 4 * nibble of each half.
AP_DEVICE u32 elements(u32 word, u32 nibble) {
  const u32 sign = nibble == 3 ? word : word << (12 - 4 * nibble);
  const u32 rest = nibble == 3 ? word >> 3 : word << (9 - 4 * nibble);
  return (sign & 0x80008000) | (rest & 0x0e000e00);
}
)";

constexpr const char *kMXFP4 = R"(
constexpr bool kScaled = true, kNibbles = false;
constexpr float kUnitValue = 0x1p14f;
struct Unit { Planes<2> codes; Words<2> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1024 + lane / 4 * 8);
}
// Returns the block's scale 2^(e - 127), which is a subnormal number if e is 0.
// If e is 255, which stands for NaN, returns infinity.
AP_DEVICE float scaleOf(u32 word, u32 byte) {
  const u32 shifted = byte == 3 ? word >> 1 : word << (23 - 8 * byte);
  const u32 bits = shifted & 0x7f800000;
  return ap_float_of_bits(bits < 0x00400000 ? 0x00400000 : bits);
}
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const Word4 w = unit.codes[i / 2];
  const u32 scales = unit.scales[i / 2];
  const u32 high = i % 2;
  return {{elements(w.x, high), elements(w.y, high), elements(w.x, high + 2),
           elements(w.y, high + 2), elements(w.z, high), elements(w.w, high),
           elements(w.z, high + 2), elements(w.w, high + 2)},
          scaleOf(scales, 2 * high), scaleOf(scales, 2 * high + 1)};
}
)";

/// The bytes of the float32 values to which the accumulators of one group of
/// columns are initialised. Lane 4g+t reads four floats, which depend on t if
/// there are several tokens.
constexpr uint32_t sumEntryBytes(uint32_t tokens) {
  return tokens == 1 ? 16 : 64;
}

/// The bytes of sums that a lane reads for one token and 256 columns, or 0 if
/// sums are not stored as float16. A lane reads a fourth of the sums, each as
/// two float16 numbers.
constexpr uint32_t sumLaneBytes(const ActivationForm &form) {
  return form.scaledSums ? 16 : form.sumsAsHalves ? 256 / form.sumColumns : 0;
}

/// Sets scaledSums. The left operands of the scales of blocks 4 to 7 are `odd`
/// times the scales, and `bias` is the constant part of a scale, divided by
/// kOnes.
void scaleSums(ActivationForm &form, DType dtype, float zeroPoint, float odd,
               float bias) {
  form.sumColumns = 32;
  form.sumsAsHalves = true;
  form.scaledSums = true;
  form.zeroFactor = -std::ldexp(zeroPoint, pickExponent(dtype) - 24);
  form.oddFactor = 1 / odd;
  form.biasFactor = bias;
}

} // namespace

Result<ActivationForm> activationForm(DType dtype, const CudaTarget &target,
                                      UnitLoop loop) {
  ActivationForm form;
  switch (dtype) {
  case DType::F32:
  case DType::F64:
    form.floats = true;
    form.split = true;
    return form;
  case DType::F16:
  case DType::MXFP4:
    return form;
  case DType::BF16:
    form.bfloat = target.hasAsyncCopy;
    form.floats = !form.bfloat;
    form.split = true;
    return form;
  case DType::Q4_0:
    form.sumColumns = 32;
    form.zeroFactor = -8 * kSubnormal;
    form.fieldBits = 4;
    return form;
  case DType::Q8_0:
  case DType::IQ4_NL:
  case DType::IQ4_XS:
  case DType::IQ3_XXS:
    form.sumColumns = 32;
    form.zeroFactor = -128 * kSubnormal;
    if (broadcasts(loop) && dtype == DType::IQ4_XS) {
      scaleSums(form, dtype, 128, 1, -1);
    } else if (broadcasts(loop) && dtype == DType::IQ3_XXS) {
      scaleSums(form, dtype, 128, 16, 0.5F);
    }
    return form;
  case DType::IQ1_S:
  case DType::IQ1_M:
    form.halves = dtype == DType::IQ1_M;
    form.sumColumns = form.halves ? 16 : 32;
    form.zeroFactor = -4.5F * kSubnormal;
    form.fieldBits = 2;
    return form;
  case DType::IQ2_XXS:
  case DType::IQ2_XS:
  case DType::IQ2_S:
    form.halves = dtype != DType::IQ2_XXS;
    form.sumColumns = form.halves ? 16 : 32;
    form.zeroFactor = -43 * kSubnormal;
    if (broadcasts(loop) && dtype == DType::IQ2_XXS) {
      scaleSums(form, dtype, 43, 16, 0.5F);
    }
    return form;
  case DType::IQ3_S:
    form.sumColumns = 32;
    form.zeroFactor = -7.5F * kSubnormal;
    form.fieldBits = 4;
    if (broadcasts(loop)) {
      scaleSums(form, dtype, 7.5F, 16, 0.5F);
    }
    return form;
  case DType::TQ1_0:
  case DType::TQ2_0:
  case DType::Q1_0:
  case DType::Q2_0:
    form.sumColumns = 32;
    form.zeroFactor = -1 * kSubnormal;
    form.fieldBits = 2;
    return form;
  case DType::NVFP4:
    form.halves = true;
    return form;
  case DType::Q5_0:
    form.sumColumns = 32;
    form.zeroFactor = -16 * kSubnormal;
    form.fieldBits = 4;
    return form;
  case DType::Q4_1:
  case DType::Q5_1:
  case DType::Q4_K:
  case DType::Q5_K:
    form.sumColumns = 32;
    form.sumsAsHalves = true;
    return form;
  case DType::Q2_K:
  case DType::Q3_K:
    form.halves = true;
    form.sumColumns = 16;
    form.sumsAsHalves = dtype == DType::Q2_K || loop == UnitLoop::Decode;
    form.zeroFactor = -4 * kSubnormal;
    form.fieldBits = 2;
    return form;
  case DType::Q6_K:
    form.halves = true;
    form.sumColumns = 16;
    form.sumsAsHalves = loop == UnitLoop::Decode;
    form.zeroFactor = -32 * kSubnormal;
    form.sixes = true;
    return form;
  default:
    return unsupportedError("matmuls for GPUs do not support dtype " +
                            std::string(info(dtype).name));
  }
}

uint32_t unitSumBytes(const ActivationForm &form, const T16Unit &unit,
                      uint32_t tokens) {
  if (form.sumsAsHalves) {
    return unit.columns / 256 * tokens * 4 * sumLaneBytes(form);
  }
  return form.sumColumns == 0
             ? 0
             : unit.columns / form.sumColumns * sumEntryBytes(tokens);
}

std::string formLiterals(const ActivationForm &form, uint32_t tokens,
                         uint32_t blockStride, bool coreMatrices) {
  std::string text;
  literal(text, "kHalves", form.halves);
  literal(text, "kSplitActivations", form.split);
  literal(text, "kBfloat", form.bfloat);
  literal(text, "kFloats", form.floats);
  literal(text, "kSumColumns", form.sumColumns);
  literal(text, "kSumDivisor", std::max(1U, form.sumColumns));
  literal(text, "kSumsAsHalves", form.sumsAsHalves);
  literal(text, "kSumTokens", tokens);
  literal(text, "kSumEntry", sumEntryBytes(tokens));
  literal(text, "kSumLane", sumLaneBytes(form));
  literal(text, "kZeroFactor", form.zeroFactor);
  literal(text, "kScaledSums", form.scaledSums);
  literal(text, "kOddFactor", form.oddFactor);
  literal(text, "kBiasFactor", form.biasFactor);
  literal(text, "kFieldBits", form.fieldBits);
  literal(text, "kFields", 8 / form.fieldBits);
  literal(text, "kSixes", form.sixes);
  literal(text, "kBlockStride", blockStride);
  literal(text, "kCoreMatrices", coreMatrices);
  return text;
}

Result<T16Unit> unitOf(DType dtype, Layout layout) {
  if (layout == Layout::T16) {
    return t16Unit(dtype);
  }
  if (layout == Layout::T16Indices) {
    AIR_ASSIGN_OR_RETURN(const T16IndexUnit shape, t16IndexUnit(dtype));
    return shape.unit;
  }
  return unsupportedError("matmuls for GPUs do not read layout " +
                          std::string(layoutName(layout)));
}

std::string unitText(DType dtype, Layout layout, const ActivationForm &form,
                     UnitLoop loop) {
  if (form.floats) {
    return kParts + floatUnitText(dtype);
  }
  const bool bfloat = form.bfloat;
  const bool wgmma = loop == UnitLoop::Wgmma;
  const std::string parts = std::string(kParts) + kBlock;
  const std::string common =
      parts + (wgmma    ? (bfloat ? kWgmmaBfloat : kWgmmaHalf)
               : bfloat ? kBfloatMultiply
                        : kHalfMultiply);
  const std::string withMinima =
      std::string(kSums) + kMinima + (wgmma ? kWgmmaMultiply : kMultiply);
  const std::string plain = kNoMinima + withMinima;
  const std::string broadcast =
      broadcasts(loop)
          ? kNoMinima + std::string(kSums) + std::string(broadcastText())
          : plain;
  const std::string halves =
      std::string(kSums) + kMinima + halfMultiplyText(dtype, loop);
  switch (dtype) {
  case DType::F16:
  case DType::BF16:
    return common + kElements16 + plain +
           (loop == UnitLoop::Decode ? kHeldActivations : "");
  case DType::Q4_0:
    return common + kNibbleValue + kQ4_0 + plain;
  case DType::Q4_1:
    return common + kNibbleValue + kQ4_1Load + fourBitText() + kShortBlocks +
           kShortMinima + withMinima;
  case DType::Q5_0:
    return common + kNibbleValue + kQ5_0Load + kFiveBits + kCodes +
           kShortBlocks + plain;
  case DType::Q5_1:
    return common + kNibbleValue + kQ5_1Load + kFiveBits + kCodes +
           kShortBlocks + kShortMinima + withMinima;
  case DType::IQ4_NL:
    return common + kByteValue + tableUnitText(dtype) + plain;
  case DType::IQ4_XS:
    return common + (broadcasts(loop) ? kPickedByteValue : kByteValue) +
           tableUnitText(dtype) + broadcast;
  case DType::Q8_0:
    return common + kByteValue + kQ8_0 + plain;
  case DType::Q4_K:
    return common + kNibbleValue + kQ4_KLoad + fourBitText() + kQ45_K +
           withMinima;
  case DType::Q5_K:
    return common + kNibbleValue + kQ5_KLoad + kFiveBits + kCodes + kQ45_K +
           withMinima;
  case DType::Q2_K:
  case DType::Q3_K:
  case DType::Q6_K:
    return parts + kByteValue + halfUnitText(dtype, loop) + halves;
  case DType::MXFP4:
    return common + kE2m1 + kMXFP4 + plain;
  case DType::IQ1_M:
  case DType::IQ2_XS:
  case DType::IQ2_S:
    return parts + smallUnitText(dtype, layout, loop) + wordScalesText() +
           kNoMinima + halves;
  case DType::NVFP4:
    return parts + smallUnitText(dtype, layout, loop) + kNoMinima + halves;
  case DType::IQ2_XXS:
  case DType::IQ3_XXS:
  case DType::IQ3_S:
    return common + smallUnitText(dtype, layout, loop) + broadcast;
  default:
    return common + smallUnitText(dtype, layout, loop) + plain;
  }
}

std::string_view e2m1Text() { return kE2m1; }

std::string fourBitText() { return std::string(kFourBits) + kCodes; }

} // namespace air::codegen::cuda
