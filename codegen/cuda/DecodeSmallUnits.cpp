//===- DecodeSmallUnits.cpp - units of IQ1 to IQ3 and of ternary codes ----===//
#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/Literals.h"

#include <cmath>

namespace air::codegen::cuda {
namespace {

// The scales of IQ1, IQ2 and IQ3 are d * (s + 1/2), times a constant, where s
// is a number of 3 or 4 bits. A unit has eight of these numbers in a word:
// numbers 0 to 3 in the lower nibbles of its bytes, and 4 to 7 in the upper
// ones.

// The text of scaleOf for one scale per 32 columns.
constexpr const char *kNibbleScales = R"(
AP_DEVICE float scaleOf(const Unit &unit, u32 row, u32 i) {
  const u32 d = row == 0 ? unit.super & 0xffff : unit.super >> 16;
  return ap_float_of_half(d) * (kNibbles ? 1 : fieldFactor(i)) *
         signedScale(unit.scales[row] >> i / 4 * 4 & kScaleMask, i % 4);
}
)";

// The text of scalesOf for one scale per 16 columns.
constexpr const char *kHalfNibbleScales = R"(
AP_DEVICE u32 scalesOf(const Unit &unit, u32 i) {
  return unit.scales[i / 2] >> i % 2 * 4 & kScaleMask;
}
)";

constexpr const char *kIQ1_SLoad = R"(
struct Unit { Planes<2> codes; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1024 + lane / 4 * 8);
  unit.super = take4(p + 1088 + lane / 4 * 4);
}
)";

constexpr const char *kIQ1_SOffset = R"(
// Returns all ones if the elements of row `row` in block i are 1/8 larger than
// -1, 0 or 1, and 0 if they are 1/8 smaller. The top bit of the scale's nibble
// says which. If a nibble of the selector is 8 or more, ap_permute fills the
// byte of the result with copies of the top bit of the byte that it selects.
AP_DEVICE u32 offsetOf(const Unit &unit, u32 row, u32 i, u32) {
  const u32 scales = unit.scales[row];
  return ap_permute(i < 4 ? scales << 4 : scales, 0, 0x8888 + i % 4 * 0x1111);
}
)";

constexpr const char *kIQ1_MLoad = R"(
struct Unit { Planes<2> codes; u32 offsets; Words<4> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.offsets = take4(p + 1024 + lane / 4 * 8 + lane % 4 / 2 * 4);
  unit.scales.load(p + 1088 + lane / 4 * 16);
  unit.super = take4(p + 1216 + lane / 4 * 4);
}
// Returns a word whose bit 2 * (i % 4) is 1 if the lane's elements of row `row`
// in half f of block i are digits plus 1/8, and 0 if they are digits minus 1/8.
// Bit 16 + 2 * (i % 4) is the same, because codesOf puts one element into each
// half of a word. codesOf ignores all other bits.
AP_DEVICE u32 offsetOf(const Unit &unit, u32 row, u32 i, u32 f) {
  return ap_permute(unit.offsets, 0, f == 0 ? 0x1010 : 0x3232) >> (i / 4 * 8 + row);
}
)";

constexpr const char *kIQ1 = R"(
// An element is a digit -1, 0 or 1, plus or minus 1/8. The operand is 4 * c + o
// = 4 * element + 4.5, where the code c is the digit plus 1, and o is 1 for
// plus and 0 for minus. Each byte of a plane holds four codes, one from each of
// four successive blocks of 32 columns.
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  const Word4 codes = unit.codes[i / 4];
  const u32 mask = 0x000c000cu << i % 4 * 2;
  const u32 lowest = 0x00010001u << i % 4 * 2;
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 w = row == 0 ? (f == 0 ? codes.x : codes.z) : (f == 0 ? codes.y : codes.w);
    const u32 offset = offsetOf(unit, row, i, f);
    a[row] = (w << 2 & mask) | (offset & lowest);
    a[row + 2] = (w >> 6 & mask) | (offset & lowest);
  }
}
)";

constexpr const char *kIQ2_XXSLoad = R"(
struct Unit { Planes<3> codes; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1536 + lane / 4 * 8);
  unit.super = take4(p + 1600 + lane / 4 * 4);
}
)";

constexpr const char *kIQ2_SLoad = R"(
struct Unit { Planes<3> codes; Words<4> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1536 + lane / 4 * 16);
  unit.super = take4(p + 1664 + lane / 4 * 4);
}
)";

constexpr const char *kIQ2 = R"(
// The 3-bit code of an element is its index in the list -43, -25, -8, 8, 25,
// 43. A byte permutation looks up the elements of four codes, plus 43. The
// codes are the lower four nibbles of its last operand, and the top bit of each
// of these nibbles must be 0.
AP_DEVICE u32 wordOf(const Word4 &words, u32 row, u32 f) {
  return row == 0 ? (f == 0 ? words.x : words.z) : (f == 0 ? words.y : words.w);
}
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    u32 selectors;
    if (i < 6) {
      selectors = wordOf(unit.codes[i / 2], row, f) & 0x77777777;
    } else {
      // The lower three bits of a nibble in plane n are a code of block 2n or
      // 2n+1. The nibble's top bit is bit n of a code of block 6 or 7.
      selectors = (wordOf(unit.codes[0], row, f) >> 3 & 0x11111111) |
                  (wordOf(unit.codes[1], row, f) >> 2 & 0x22222222) |
                  (wordOf(unit.codes[2], row, f) >> 1 & 0x44444444);
    }
    const u32 values = ap_permute(ap_in_register(0x33231200), 0x00005644,
                                  ap_opaque(selectors) >> i % 2 * 16);
    a[row] = values & 0x00ff00ff;
    a[row + 2] = ap_permute(values, 0, 0x4341);
  }
}
)";

// The text of blockOf for dtypes whose codesOf returns half of a block.
constexpr const char *kTwoHalves = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  u32 a[4], b[4];
  codesOf(a, unit, i, 0);
  codesOf(b, unit, i, 1);
  return {{a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]},
          scaleOf(unit, 0, i), scaleOf(unit, 1, i)};
}
)";

constexpr const char *kIQ3Load = R"(
struct Unit { Planes<4> codes; Words<2> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 2048 + lane / 4 * 8);
  unit.super = take4(p + 2112 + lane / 4 * 4);
}
)";

constexpr const char *kNibbleOperands = R"(
// Returns the scales of blocks t and t+4 of both rows as operands. The scale of
// block t+4 comes from an upper nibble, so it is 16 times too large. kPickOdd
// is therefore 1/16 of kPickEven.
AP_DEVICE Word2 scaleOperands(const Unit &unit, u32 t) {
  const u32 selector = 0x4040 + t * 0x0101;
  return {ap_permute(unit.scales[0], 0, selector) & 0x00f0000f,
          ap_permute(unit.scales[1], 0, selector) & 0x00f0000f};
}
// The float16 number 2^e is (e + 15) << 10.
constexpr u32 kPickEven = (kPickExponent + 15) << 10, kPickOdd = (kPickExponent + 11) << 26;
// A scale is d * (s + 1/2), times a constant. The left operands of the mma in
// multiplyUnits are integers times 2^-24, so an mma computes 2^-24 * (s * 2^e +
// 8 * b), where e is kPickExponent, and b = 1/2 * 2^e / 8 is in both halves of
// kScaleBias. This is 2^(e-24) * (s + 1/2).
constexpr u32 kOnes = 0x00010001, kScaleBias = (kPickExponent + 11) * 0x04000400;
)";

constexpr const char *kBroadcast = R"(
// The four lanes that share rows g and g+8 need the 8 scales of both rows as
// float32. Four mma distribute the scales, so that no lane has to convert all
// 16. The left operand has 8 scales and 8 times the number kOnes in each row.
// The right operand of mma i picks scale i of the row for the even columns of
// the result, and scale i + 4 for the odd columns, so the mma gives every lane
// both scales of each of its two rows. It also multiplies each kOnes by
// kScaleBias, which adds a constant to every scale.
AP_DEVICE void multiplyUnits(Sums (&sums)[1][1], const Unit (&units)[1], const u8 *x,
                             const u8 *entries) {
  const Unit &unit = units[0];
  const u32 lane = ap_thread() % 32;
  const u32 t = lane % 4;
  const u32 pick = lane / 4 % 2 == 0 ? kPickEven : kPickOdd;
  const Word2 operands = scaleOperands(unit, t);
  float scales[4][4] = {};
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    ap_mma_f16(scales[i], operands.x, operands.y, kOnes, kOnes, t == i ? pick : 0, kScaleBias);
  }
  // `late` accumulates the sum of each block times its quantised scale. The
  // factor d, which all blocks of a row share, is applied once at the end. The
  // correction for the codes' zero point is a sum over the blocks as well: of
  // each scale times the block's sum of activations. Two mma compute it, one
  // with the sums rounded to float16 and one with the rounding errors.
  float late[kParities][4] = {};
  const Word4 zero = *(const Word4 *)entries;
  ap_mma_f16(late[0], operands.x, operands.y, kOnes, kOnes, zero.x, zero.y);
  ap_mma_f16(late[0], operands.x, operands.y, kOnes, kOnes, zero.z, zero.w);
#pragma unroll
  for (u32 i = 0; i < 8; ++i) {
    const Block block = blockOf(unit, i);
    const Word4 b = *(const Word4 *)(x + i * kBlockStride);
    float c[4] = {0, 0, 0, 0};
    multiply(c, block.a[0], block.a[1], block.a[2], block.a[3], b.x, b.y);
    multiply(c, block.a[4], block.a[5], block.a[6], block.a[7], b.z, b.w);
    const float (&scale)[4] = scales[i % 4];
    addScaled(late[i % kParities], c, scale[i / 4], scale[2 + i / 4]);
  }
  const float d0 = ap_float_of_half(unit.super & 0xffff);
  const float d1 = ap_float_of_half(unit.super >> 16);
#pragma unroll
  for (u32 parity = 0; parity < kParities; ++parity) {
    addScaled(sums[0][0].of[parity], late[parity], d0, d1);
  }
}
)";

constexpr const char *kIQ3_XXS = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  return valuesOfBlock(unit, i, scaleOf(unit, 0, i), scaleOf(unit, 1, i));
}
)";

constexpr const char *kIQ3_S = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  return codesOf(unit, i, scaleOf(unit, 0, i), scaleOf(unit, 1, i));
}
)";

constexpr const char *kTernary = R"(
struct Unit { Planes<2> codes; Words<4> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1024 + lane / 4 * 16);
}
// The codes of -1, 0, 1 and 2 are 0, 1, 2 and 3. Each byte of a plane holds
// four codes, one from each of four successive blocks of 32 columns.
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const Word4 w = unit.codes[i / 4];
  const u32 scales = unit.scales[i / 2];
  const u32 mask = 0x00030003u << i % 4 * 2;
  const float factor = fieldFactor(i);
  return {{w.x & mask, w.y & mask, w.x >> 8 & mask, w.y >> 8 & mask, w.z & mask, w.w & mask,
           w.z >> 8 & mask, w.w >> 8 & mask},
          factor * ap_float_of_half(scales & 0xffff), factor * ap_float_of_half(scales >> 16)};
}
)";

constexpr const char *kNVFP4 = R"(
struct Unit { Planes<4> codes; Words<8> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 2048 + lane / 4 * 32);
}
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  const Word4 codes = unit.codes[i / 2];
  const u32 w0 = f == 0 ? codes.x : codes.z;
  const u32 w1 = f == 0 ? codes.y : codes.w;
  a[0] = elements(w0, i % 2);
  a[1] = elements(w1, i % 2);
  a[2] = elements(w0, i % 2 + 2);
  a[3] = elements(w1, i % 2 + 2);
}
AP_DEVICE u32 scalesOf(const Unit &unit, u32 i) { return unit.scales[i]; }
// Returns 2^-8 times an e4m3 scale (four exponent bits, three mantissa bits):
// the value of a float16 with the same exponent and mantissa bits. As in ggml,
// the byte 0x7f means 0, and the top bit is ignored.
AP_DEVICE float halfScale(u32 word, u32 byte) {
  const u32 scale = word >> 8 * byte & 0xff;
  return scale == 0x7f ? 0 : ap_float_of_half((scale & 0x7f) << 7);
}
// NVFP4 has no float16 scale by which the scales of 16 columns are multiplied,
// so this function returns 1, as the bits of a float16, for both rows. The
// scale of the whole matrix, if there is one, is applied elsewhere.
AP_DEVICE Word2 superOf(const Unit &) { return {0x3c00, 0x3c00}; }
)";

} // namespace

std::string_view broadcastText() { return kBroadcast; }

std::string_view offsetText() { return kIQ1_SOffset; }

std::string smallUnitText(DType dtype, Layout layout, UnitLoop loop) {
  std::string text;
  const float picked =
      broadcasts(loop) ? std::ldexp(1.0F, 24 - pickExponent(dtype)) : 1;
  // The products of codes and scales are multiplied by `factor` at the end. A
  // code c in the low bits of a float16 has the value c * 2^-24.
  const auto begin = [&](float factor, bool nibbles, uint32_t scaleMask) {
    literal(text, "kScaled", true);
    literal(text, "kNibbles", nibbles);
    literal(text, "kUnitValue", factor);
    literal(text, "kScaleMask", scaleMask);
    text += signedScaleText(-0.5F) + std::string(fieldFactorText()) +
            std::string(fieldKindsText());
  };
  std::string operands;
  literal(operands, "kPickExponent",
          static_cast<uint32_t>(pickExponent(dtype)));
  operands += kNibbleOperands;
  IndexUnitText indices;
  if (layout == Layout::T16Indices) {
    indices = indexUnitText(dtype);
  }
  const auto units = [&](const std::string &load, const std::string &scales,
                         const std::string &codes) {
    return layout == Layout::T16Indices ? indices.load + scales + indices.codes
                                        : load + scales + codes;
  };
  switch (dtype) {
  case DType::IQ1_S:
    // An element is (operand - 4.5) / 4, and a scale is d * (2s + 1).
    begin(0x1p23F, false, 0x07070707);
    return text + units(kIQ1_SLoad + std::string(kIQ1_SOffset) + kIQ1,
                        kNibbleScales, kTwoHalves);
  case DType::IQ1_M:
    begin(0x1p23F, false, 0x07070707);
    return text + units(kIQ1_MLoad, kHalfNibbleScales, kIQ1);
  case DType::IQ2_XXS:
    // A scale is d * (s + 1/2) / 4.
    begin(0x1p22F * picked, false, 0x0f0f0f0f);
    return text +
           units(kIQ2_XXSLoad, kNibbleScales, std::string(kIQ2) + kTwoHalves) +
           operands;
  case DType::IQ2_XS:
  case DType::IQ2_S:
    begin(0x1p22F, false, 0x0f0f0f0f);
    return text + units(kIQ2_SLoad, kHalfNibbleScales, kIQ2);
  case DType::IQ3_XXS:
    // A scale is d * (s + 1/2) / 2, and an element is twice its entry in the
    // table. The product of the two is therefore d * (s + 1/2) * entry.
    begin(0x1p24F * picked, false, 0x0f0f0f0f);
    return text + units(kIQ3Load, kNibbleScales, tableText(dtype) + kIQ3_XXS) +
           operands;
  case DType::IQ3_S:
    // An element is 2 * (code - 7.5), and a scale is d * (2s + 1).
    begin(0x1p26F * picked, true, 0x0f0f0f0f);
    return text + units(kIQ3Load, kNibbleScales, fourBitText() + kIQ3_S) +
           operands;
  case DType::TQ1_0:
  case DType::TQ2_0:
  case DType::Q1_0:
  case DType::Q2_0:
    begin(0x1p24F, false, 0);
    return text + kTernary;
  case DType::NVFP4:
    // The operands are 2^-14 times the elements, and halfScale() returns 2^-8
    // times a scale.
    begin(0x1p22F, false, 0);
    return text + std::string(e2m1Text()) + kNVFP4;
  default:
    return {};
  }
}

} // namespace air::codegen::cuda
