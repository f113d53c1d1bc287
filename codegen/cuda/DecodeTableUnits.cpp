//===- DecodeTableUnits.cpp - units whose codes are indices of a table ----===//
#include "codegen/cuda/DecodeMatMulText.h"

namespace air::codegen::cuda {
namespace {

constexpr const char *kIQ4Table = R"(
// The table of IQ4_NL has the negative entries -127, -104, -83, -65, -49, -35,
// -22 and -10, whose absolute values are in kNegative0 and kNegative1, and the
// positive entries 1, 13, 25, 38, 53, 69, 89 and 113.
constexpr u32 kNegative0 = 0x4153687f, kNegative1 = 0x0a162331;
constexpr u32 kPositive0 = 0x26190d01, kPositive1 = 0x71594535;
)";

constexpr const char *kIQ3Table = R"(
// The 16 possible elements of IQ3_XXS, each divided by 2: -31, -26, -22, -18,
// -14, -10, -6 and -2, whose absolute values are in kNegative0 and kNegative1,
// and 2, 6, 10, 14, 18, 22, 26 and 31.
constexpr u32 kNegative0 = 0x12161a1f, kNegative1 = 0x02060a0e;
constexpr u32 kPositive0 = 0x0e0a0602, kPositive1 = 0x1f1a1612;
)";

constexpr const char *kTableLookup = R"(
// Returns the table's entries, plus 128, at the indices in the lower four
// nibbles of `word`. `inverted` is `word` with the top bit of each nibble
// inverted. Indices below 8 stand for negative entries, and the others for
// positive ones. If a nibble of the selector is 8 or more, ap_permute fills the
// byte of the result with copies of the top bit of the byte that it selects.
// All top bits in the table are 0. So the first permutation returns the
// magnitudes of the negative entries, and 0 in place of the positive ones. The
// second permutation returns the positive entries, and 0 in place of the
// negative ones.
AP_DEVICE u32 valuesOf(u32 word, u32 inverted) {
  const u32 negative = ap_permute(ap_in_register(kNegative0), kNegative1, word);
  const u32 positive = ap_permute(ap_in_register(kPositive0), kPositive1, inverted);
  return ap_opaque(0x80808080 + positive - negative);
}
// Returns block i of a unit. Even blocks have their codes in low nibbles.
AP_DEVICE Block valuesOfBlock(const Unit &unit, u32 i, float first, float second) {
  const Word4 w = unit.codes[i / 2];
  const u32 words[4] = {w.x, w.y, w.z, w.w};
  Block block = {{}, first, second};
#pragma unroll
  for (u32 j = 0; j < 8; ++j) {
    const u32 word = words[j / 4 * 2 + j % 2];
    const u32 shift = j % 4 / 2 * 16;
    const u32 values = valuesOf(word >> shift, ap_opaque(word ^ 0x88888888) >> shift);
    block.a[j] = i % 2 == 0 ? values & 0x00ff00ff : ap_permute(values, 0, 0x4341);
  }
  return block;
}
)";

constexpr const char *kIQ4_NLLoad = R"(
struct Unit { Planes<2> codes; Words<4> scales; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 1024 + lane / 4 * 16);
}
)";

constexpr const char *kIQ4_NL = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const u32 scales = unit.scales[i];
  return valuesOfBlock(unit, i, ap_float_of_half(scales & 0xffff),
                       ap_float_of_half(scales >> 16));
}
)";

constexpr const char *kIQ4_XSLoad = R"(
struct Unit { Planes<4> codes; Words<4> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.scales.load(p + 2048 + lane / 4 * 16);
  unit.super = take4(p + 2176 + lane / 4 * 4);
}
)";

constexpr const char *kIQ4_XS = R"(
AP_DEVICE Block blockOf(const Unit &unit, u32 i) {
  const u32 scales0 = unit.scales[i / 4];
  const u32 scales1 = unit.scales[2 + i / 4];
  return valuesOfBlock(unit, i,
                       ap_float_of_half(unit.super & 0xffff) * signedScale(scales0, i % 4),
                       ap_float_of_half(unit.super >> 16) * signedScale(scales1, i % 4));
}
)";

constexpr const char *kIQ4_XSOperands = R"(
// Returns the scales of blocks t and t+4 of both rows as operands. For a nibble
// of the selector that is 8 or more, ap_permute fills the byte of the result
// with copies of the top bit of a scale, which is 0 because scales are below
// 128.
AP_DEVICE Word2 scaleOperands(const Unit &unit, u32 t) {
  const u32 selector = 0x8480 + t * 0x1111;
  return {ap_permute(unit.scales[0], unit.scales[1], selector),
          ap_permute(unit.scales[2], unit.scales[3], selector)};
}
constexpr u32 kPickEven = 0x6c00, kPickOdd = 0x6c000000; // 2^12 (pickExponent)
// A scale is d * (s - 32). The left operands of the mma in multiplyUnits are
// integers times 2^-24, so an mma computes 2^-24 * (s * 2^12 + 8 * 32 * b),
// where b = -2^12 / 8 = -2^9 is in both halves of kScaleBias. This is 2^-12 *
// (s - 32).
constexpr u32 kOnes = 0x00200020, kScaleBias = 0xe000e000;
)";

} // namespace

std::string tableText(DType dtype) {
  return std::string(dtype == DType::IQ3_XXS ? kIQ3Table : kIQ4Table) +
         kTableLookup;
}

std::string tableUnitText(DType dtype) {
  if (dtype == DType::IQ4_NL) {
    return kIQ4_NLLoad + tableText(dtype) + kIQ4_NL;
  }
  return signedScaleText(32) + kIQ4_XSLoad + tableText(dtype) + kIQ4_XS +
         kIQ4_XSOperands;
}

} // namespace air::codegen::cuda
