//===- DecodeHalfUnits.cpp - units with one scale per 16 columns ----------===//
#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/Literals.h"

namespace air::codegen::cuda {
namespace {

constexpr const char *kSignedScale = R"(
// The float 0x4b0000ss is 2^23 + ss, where ss is the scale plus kScaleZero.
AP_DEVICE float signedScale(u32 word, u32 byte) {
  return ap_float_of_bits(ap_permute(word, 0x4b000000, 0x7440 + byte)) -
         (8388608.0f + kScaleZero);
}
)";

// Besides Unit, loadUnit and minimaOf, every dtype's text defines these
// functions, which the text for all dtypes calls:
//   codesOf(a, unit, i, f)  sets `a` to the A operand of the mma for columns
//                           16f to 16f+15 of block i
//   scalesOf(unit, i)       returns word i of the scales: four scales of one
//                           byte each
//   halfScale(word, byte)   returns the scale in byte `byte` of such a word
//   superOf(unit)           returns the float16 d of row g and that of row g+8,
//                           as bits
//   kindOf(i, f)            returns the kind of the columns of codesOf(): which
//                           factor their sums need, because their codes are not
//                           in the lowest bits of the operands
//   kindFactor(kind)        returns this factor
// If a dtype's scales are broadcast in a decode step (kHalvesDecode), its text
// also defines:
//   scaleOperands  the lane's scales as operands of an mma
//   kPick          the float16 number by which that mma multiplies the scales
//   kPicked        the factor by which the mma's results must be multiplied
constexpr const char *kQ6_K = R"(
// Each half of this word is the float16 number -(1024 + kScaleZero).
constexpr u32 kScaleOffset = 0xe480e480;
constexpr float kZeroPoint = 32;
struct Unit { Planes<6> codes; RowScales scales; Word2 own; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  loadScales(unit.scales, unit.own, p + 3072, lane);
  unit.super = take4(p + 3328 + lane / 4 * 4);
}
// A unit stores a lane's codes of 64 columns in six words. Each half of a word
// has one code in bits 4 to 9 and another code in bits 10 to 15. Bits 0 to 3
// have parts of codes that are split between two words. codesOf puts one code
// into each half of an operand: a split code (kind 1) into bits 0 to 5, and any
// other code (kind 0) into bits 4 to 9, where its value is 16 times the code.
AP_DEVICE u32 kindOf(u32 i, u32 f) { return i % 2 * f; }
AP_DEVICE float kindFactor(u32 kind) { return kind == 0 ? 0.0625f : 1; }
constexpr u32 kKinds = 2;
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  const Word4 v = unit.codes[i / 2];
  const Word4 pair = unit.codes[4 + i / 4];
  const bool odd = i / 2 % 2 != 0;
  const u32 w[6] = {v.x, v.y, v.z, v.w, odd ? pair.z : pair.x, odd ? pair.w : pair.y};
  const u32 mma = i % 2 * 2 + f;
#pragma unroll
  for (u32 j = 0; j < 4; ++j) {
    if (mma == 3) {
      a[j] = (w[j / 2 * 3 + j % 2] & 0x000f000f) |
             (w[j / 2 * 3 + 2] << (4 - j % 2 * 2) & 0x00300030);
    } else {
      const u32 word = mma == 1 ? w[4 + j % 2] : w[j];
      a[j] = (mma == 2 || (mma == 1 && j >= 2) ? word >> 6 : word) & 0x03f003f0;
    }
  }
}
)";

constexpr const char *kSignedOperands = R"(
// Returns scales 4t to 4t+3 of rows g and g+8 as operands of an mma, in the
// order 0, 2, 1, 3. The bytes 0x64 and b are the float16 number 1024 + b, to
// which kScaleOffset is added.
AP_DEVICE void scaleOperands(u32 (&a)[4], const Unit &unit) {
  a[0] = ap_add_halves(ap_permute(unit.own.x, 0x64646464, 0x4240), kScaleOffset);
  a[1] = ap_add_halves(ap_permute(unit.own.y, 0x64646464, 0x4240), kScaleOffset);
  a[2] = ap_add_halves(ap_permute(unit.own.x, 0x64646464, 0x4341), kScaleOffset);
  a[3] = ap_add_halves(ap_permute(unit.own.y, 0x64646464, 0x4341), kScaleOffset);
}
constexpr u32 kPick = 0x3c00; // 1
constexpr float kPicked = 1;
// The codes' zero point is treated as a minimum: the scale times kZeroPoint.
AP_DEVICE Block minimaOf(const Unit &unit) {
  u32 a[4];
  scaleOperands(a, unit);
  const Word2 super = superOf(unit);
  constexpr float kFactor = -16 * kZeroPoint / kUnitValue;
  return {{a[0], a[1], a[2], a[3]}, kFactor * ap_float_of_half(super.x),
          kFactor * ap_float_of_half(super.y)};
}
)";

constexpr const char *kWordScales = R"(
AP_DEVICE u32 scalesOf(const Unit &unit, u32 i) { return unit.scales[i]; }
)";

constexpr const char *kByteScales = R"(
AP_DEVICE float halfScale(u32 word, u32 byte) { return signedScale(word, byte); }
)";

constexpr const char *kWordSuper = R"(
AP_DEVICE Word2 superOf(const Unit &unit) { return {unit.super & 0xffff, unit.super >> 16}; }
)";

constexpr const char *kQ2_K = R"(
// Each byte of the scales packs the scale of 16 columns (lower 4 bits) and
// their minimum (upper 4 bits). `super` has d (lower 16 bits) and dmin (upper
// 16 bits) of each row.
struct Unit { Planes<2> codes; RowScales scales; Word2 own; Word2 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  loadScales(unit.scales, unit.own, p + 1024, lane);
  unit.super = take8(p + 1280 + lane / 4 * 8);
}
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  const Word4 codes = unit.codes[i / 4];
  const u32 w0 = f == 0 ? codes.x : codes.z;
  const u32 w1 = f == 0 ? codes.y : codes.w;
  const u32 mask = 0x00030003u << i % 4 * 2;
  a[0] = w0 & mask;
  a[1] = w1 & mask;
  a[2] = w0 >> 8 & mask;
  a[3] = w1 >> 8 & mask;
}
AP_DEVICE u32 scalesOf(const Unit &unit, u32 i) { return unit.scales[i] & 0x0f0f0f0f; }
AP_DEVICE Word2 superOf(const Unit &unit) {
  return {unit.super.x & 0xffff, unit.super.y & 0xffff};
}
AP_DEVICE void scaleOperands(u32 (&a)[4], const Unit &unit) {
  a[0] = unit.own.x & 0x000f000f;
  a[1] = unit.own.y & 0x000f000f;
  a[2] = unit.own.x >> 8 & 0x000f000f;
  a[3] = unit.own.y >> 8 & 0x000f000f;
}
// The scales are subnormal numbers, which are multiplied by 2^15.
constexpr u32 kPick = 0x7800;
constexpr float kPicked = 512;
AP_DEVICE Block minimaOf(const Unit &unit) {
  // unit.own.x has four minima of row g, and .y four of row g+8, each in the
  // upper half of a byte. An operand word holds two numbers of 16 bits: the
  // first two words get minima 0 and 2 of the two rows, and the other two words
  // get minima 1 and 3.
  return {{unit.own.x >> 4 & 0x000f000f, unit.own.y >> 4 & 0x000f000f,
           unit.own.x >> 12 & 0x000f000f, unit.own.y >> 12 & 0x000f000f},
          -16.0f * ap_float_of_half(unit.super.x >> 16),
          -16.0f * ap_float_of_half(unit.super.y >> 16)};
}
)";

constexpr const char *kQ3_K = R"(
// Each half of this word is the float16 number -(1024 + kScaleZero).
constexpr u32 kScaleOffset = 0xe420e420;
constexpr float kZeroPoint = 4;
struct Unit { Planes<2> codes; Planes<1> upper; RowScales scales; Word2 own; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.upper.load(p + 1024 + lane * 16);
  loadScales(unit.scales, unit.own, p + 1536, lane);
  unit.super = take4(p + 1792 + lane / 4 * 4);
}
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  const Word4 codes = unit.codes[i / 4];
  const Word4 upper = unit.upper[0];
  const u32 low = 0x00030003u << i % 4 * 2;
  const u32 high = 0x00040004u << i % 4 * 2;
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
    const u32 w = row == 0 ? (f == 0 ? codes.x : codes.z) : (f == 0 ? codes.y : codes.w);
    const u32 u = (row == 0 ? (i < 4 ? upper.x : upper.z) : (i < 4 ? upper.y : upper.w)) >> f;
    a[row] = (w & low) | (u & high);
    // In each half of u, one byte has the third bits of the codes in columns 0
    // and 1, and the other byte those in columns 2 and 3. Swapping the two
    // bytes moves the bits of columns 2 and 3 to where the mask expects them.
    a[row + 2] = (w >> 8 & low) | (ap_permute(u, 0, 0x2301) & high);
  }
}
)";

constexpr const char *kFieldFactor = R"(
// Returns 2^(-kFieldBits * (i % kFields)), by which the sums of block i must be
// multiplied because its codes are not shifted to the lowest bits.
AP_DEVICE float fieldFactor(u32 i) {
  constexpr float kStep = 1.0f / (1u << kFieldBits);
  const u32 field = i % kFields;
  return (field % 2 == 0 ? 1 : kStep) * (field < 2 ? 1 : kStep * kStep);
}
)";

constexpr const char *kFieldKinds = R"(
constexpr u32 kKinds = kFields;
AP_DEVICE u32 kindOf(u32 i, u32) { return i % kFields; }
AP_DEVICE float kindFactor(u32 kind) { return fieldFactor(kind); }
)";

constexpr const char *kRowScales = R"(
// If scales are broadcast, NoWords stands in for the words with all 16 scales
// of rows g and g+8. A lane then reads only scales 4t to 4t+3 of these rows,
// which its operands need (`own`).
struct NoWords {
  AP_MEMBER void load(const u8 *) {}
  AP_MEMBER u32 operator[](u32) const { return 0; }
};
typedef Choose<kBroadcast, Words<8>, NoWords>::Type RowScales;
AP_DEVICE void loadScales(RowScales &scales, Word2 &own, const u8 *p, u32 lane) {
  const u8 *from = p + lane / 4 * 32;
  scales.load(from);
  if (kSumsAsHalves) {
    own = Word2{take4(from + lane % 4 * 4), take4(from + 16 + lane % 4 * 4)};
  }
}
)";

constexpr const char *kHalves = R"(
// The A operands of columns 16f to 16f+15 of a block of 32 columns, and the
// scales of rows g and g+8.
struct Half { u32 a[4]; float first, second; };
AP_DEVICE Half halfOf(const Unit &unit, u32 i, u32 f) {
  Half half;
  codesOf(half.a, unit, i, f);
  half.first = halfScale(scalesOf(unit, i / 2), i % 2 * 2 + f);
  half.second = halfScale(scalesOf(unit, 4 + i / 2), i % 2 * 2 + f);
  return half;
}
)";

constexpr const char *kHalvesWarps = R"(
AP_DEVICE void multiplyUnits(Sums (&sums)[kRowTiles][kTokenGroups],
                             const Unit (&units)[kRowTiles], const u8 *x, const u8 *entries) {
  multiplyMinima(sums, units, entries);
  // The scale of 16 columns is a quantised scale times d, and each row of a
  // unit has one d. If a warp has only one accumulator, as in a decode step,
  // sums are first scaled by the quantised scales and then once by d. With
  // several accumulators, this would take a second set of sums and too many
  // registers, so each quantised scale is multiplied by d instead.
  constexpr bool kLate = kRowTiles * kTokenGroups == 1 && !kLazy;
  float late[kKinds][4] = {};
  float d[kRowTiles][2];
#pragma unroll
  for (u32 tile = 0; tile < kRowTiles; ++tile) {
    const Word2 super = superOf(units[tile]);
    d[tile][0] = ap_float_of_half(super.x);
    d[tile][1] = ap_float_of_half(super.y);
  }
#pragma unroll kBlockUnroll
  for (u32 i = 0; i < 8; ++i) {
    Half halves[kRowTiles][2];
#pragma unroll
    for (u32 at = 0; at < 2 * kRowTiles; ++at) {
      const u32 tile = at / 2;
      Half half = halfOf(units[tile], i, at % 2);
      if (!kLate) {
        const float factor = kindFactor(kindOf(i, at % 2));
        half.first *= factor * d[tile][0];
        half.second *= factor * d[tile][1];
      }
      halves[tile][at % 2] = half;
    }
#pragma unroll
    for (u32 group = 0; group < kTokenGroups; ++group) {
      const Word4 b = *(const Word4 *)(x + group * kGroupStride + i * kBlockStride);
#pragma unroll
      for (u32 at = 0; at < 2 * kRowTiles; ++at) {
        const u32 tile = at / 2;
        const u32 f = at % 2;
        const Half &half = halves[tile][f];
        float c[4];
        beginSum(c, entries + group * kGroupStride + (2 * i + f) * kSumEntry);
        ap_mma_f16(c, half.a[0], half.a[1], half.a[2], half.a[3], f == 0 ? b.x : b.z,
                   f == 0 ? b.y : b.w);
        addScaled(kLate ? late[kindOf(i, f)] : sums[tile][group].of[0], c, half.first,
                  half.second);
      }
    }
  }
  if (kLate) {
#pragma unroll
    for (u32 kind = 0; kind < kKinds; ++kind) {
      addScaled(sums[0][0].of[0], late[kind], kindFactor(kind) * d[0][0],
                kindFactor(kind) * d[0][1]);
    }
  }
}
)";

constexpr const char *kHalvesWgmma = R"(
AP_DEVICE void multiplyUnits(Sums (&sums)[1][kTokenGroups], const Unit (&units)[1], const u8 *x,
                             const u8 *entries) {
  multiplyMinima(sums, units, entries);
  const Word2 super = superOf(units[0]);
  const float d0 = ap_float_of_half(super.x);
  const float d1 = ap_float_of_half(super.y);
#pragma unroll kBlockUnroll
  for (u32 i = 0; i < 8; ++i) {
#pragma unroll
    for (u32 f = 0; f < 2; ++f) {
      const float factor = kindFactor(kindOf(i, f));
      Half half = halfOf(units[0], i, f);
      float c[kTokenGroups][4];
#pragma unroll
      for (u32 group = 0; group < kTokenGroups; ++group) {
        beginSum(c[group], entries + group * kGroupStride + (2 * i + f) * kSumEntry);
      }
      ap_wgmma_begin(c, half.a);
      ap_wgmma_f16(c, half.a[0], half.a[1], half.a[2], half.a[3],
                   x + i * kBlockStride + f * 256, kGroupStride);
      ap_wgmma_end(c);
#pragma unroll
      for (u32 group = 0; group < kTokenGroups; ++group) {
        addScaled(sums[0][group].of[0], c[group], factor * d0 * half.first,
                  factor * d1 * half.second);
      }
    }
  }
}
)";

constexpr const char *kHalvesDecode = R"(
// The four lanes that share rows g and g+8 need the 16 scales of both rows as
// float32. Each lane supplies four scales of each row as float16, and eight mma
// distribute the scales. The left operand has the 16 scales of each row. The
// right operand picks one scale of the row for the even columns of the result,
// and another scale for the odd columns, so an mma gives every lane two scales
// of each of its two rows.
AP_DEVICE void multiplyUnits(Sums (&sums)[1][1], const Unit (&units)[1], const u8 *x,
                             const u8 *entries) {
  const Unit &unit = units[0];
  multiplyMinima(sums, units, entries);
  u32 operands[4];
  scaleOperands(operands, unit);
  const u32 lane = ap_thread() % 32;
  const u32 pick = lane / 4 % 2 == 0 ? kPick : kPick << 16;
  float scales[8][4] = {};
#pragma unroll
  for (u32 i = 0; i < 8; ++i) {
    const u32 own = lane % 4 == i / 2 ? pick : 0;
    ap_mma_f16(scales[i], operands[0], operands[1], operands[2], operands[3],
               i % 2 == 0 ? own : 0, i % 2 == 0 ? 0 : own);
  }
  // `late` accumulates the sum of every 16 columns times their quantised scale.
  // The factor d, which all columns of a row share, is applied once at the end.
  float late[kKinds][4] = {};
#pragma unroll
  for (u32 i = 0; i < 8; ++i) {
    const Word4 b = *(const Word4 *)(x + i * kBlockStride);
#pragma unroll
    for (u32 f = 0; f < 2; ++f) {
      u32 a[4];
      codesOf(a, unit, i, f);
      float c[4] = {0, 0, 0, 0};
      ap_mma_f16(c, a[0], a[1], a[2], a[3], f == 0 ? b.x : b.z, f == 0 ? b.y : b.w);
      const float (&scale)[4] = scales[i / 2 * 2 + f];
      addScaled(late[kindOf(i, f)], c, scale[i % 2], scale[2 + i % 2]);
    }
  }
  const float first = kPicked * kindFactor(0);
  const Word2 super = superOf(unit);
#pragma unroll
  for (u32 kind = 1; kind < kKinds; ++kind) {
    const float factor = kindFactor(kind) / kindFactor(0);
    addScaled(late[0], late[kind], factor, factor);
  }
  addScaled(sums[0][0].of[0], late[0], first * ap_float_of_half(super.x),
            first * ap_float_of_half(super.y));
}
)";

} // namespace

std::string signedScaleText(float zero) {
  std::string text;
  literal(text, "kScaleZero", zero);
  return text + kSignedScale;
}

std::string halfUnitText(DType dtype, UnitLoop loop) {
  std::string text;
  literal(text, "kBroadcast", loop == UnitLoop::Decode);
  switch (dtype) {
  case DType::Q2_K:
    return text + signedScaleText(0) + kFieldFactor + kFieldKinds +
           kByteScales + kRowScales + kQ2_K;
  case DType::Q3_K:
    return text + signedScaleText(32) + kFieldFactor + kFieldKinds +
           kByteScales + kRowScales + kQ3_K + kWordScales + kWordSuper +
           kSignedOperands;
  case DType::Q6_K:
    return text + signedScaleText(128) + kByteScales + kRowScales + kQ6_K +
           kWordScales + kWordSuper + kSignedOperands;
  default:
    return {};
  }
}

std::string_view fieldFactorText() { return kFieldFactor; }

std::string_view fieldKindsText() { return kFieldKinds; }

std::string wordScalesText() { return std::string(kByteScales) + kWordSuper; }

std::string halfMultiplyText(DType dtype, UnitLoop loop) {
  const bool broadcasts =
      dtype == DType::Q2_K || dtype == DType::Q3_K || dtype == DType::Q6_K;
  if (loop == UnitLoop::Decode && broadcasts) {
    return kHalvesDecode;
  }
  return std::string(kHalves) +
         (loop == UnitLoop::Wgmma ? kHalvesWgmma : kHalvesWarps);
}

} // namespace air::codegen::cuda
