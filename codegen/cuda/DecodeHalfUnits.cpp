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
//   scalesOf(unit, i)       returns word i of the scales, four of a byte each
//   halfScale(word, byte)   returns the scale in byte `byte` of such a word
//   superOf(unit)           returns the float16 d of row g and that of row g+8,
//                           as bits
constexpr const char *kQ6_K = R"(
struct Unit { Planes<4> codes; Planes<2> upper; Words<8> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.upper.load(p + 2048 + lane * 16);
  unit.scales.load(p + 3072 + lane / 4 * 32);
  unit.super = take4(p + 3328 + lane / 4 * 4);
}
AP_DEVICE u32 lowCodes(u32 word, u32 upper, u32 shift) {
  return (word >> shift & 0x000f000f) | (upper >> shift & 0x00300030);
}
AP_DEVICE u32 highCodes(u32 word, u32 upper, u32 shift) {
  return (word >> shift & 0x00f000f0) | (upper << shift & 0x03000300);
}
AP_DEVICE void codesOf(u32 (&a)[4], const Unit &unit, u32 i, u32 f) {
  const Word4 codes = unit.codes[i / 2];
  const u32 w0 = f == 0 ? codes.x : codes.z;
  const u32 w1 = f == 0 ? codes.y : codes.w;
  const Word4 pair = unit.upper[i / 4];
  const u32 u0 = i / 2 % 2 == 0 ? (f == 0 ? pair.x : pair.y) : (f == 0 ? pair.z : pair.w);
  const u32 u1 = u0 >> 2;
#pragma unroll
  for (u32 j = 0; j < 4; ++j) {
    const u32 word = j % 2 == 0 ? w0 : w1;
    const u32 upper = j % 2 == 0 ? u0 : u1;
    a[j] = i % 2 == 0 ? lowCodes(word, upper, j / 2 * 8) : highCodes(word, upper, j / 2 * 8);
  }
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
// What a lane reads of a unit of Q2_K. Each byte of `scales` and `minima` packs
// the scale of 16 columns (lower 4 bits) and their minimum (upper 4 bits).
// `scales` has the 16 bytes of row g, followed by those of row g+8. In the mma
// that multiplies the minima, a lane supplies only four minima of each row;
// `minima` is a copy of the four bytes per row that contain them. `super` has d
// (lower 16 bits) and dmin (upper 16 bits) of each row.
struct Unit { Planes<2> codes; Words<8> scales; Word2 minima; Word2 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  const u8 *scales = p + 1024 + lane / 4 * 32;
  unit.scales.load(scales);
  unit.minima = Word2{take4(scales + lane % 4 * 4), take4(scales + 16 + lane % 4 * 4)};
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
AP_DEVICE Block minimaOf(const Unit &unit) {
  // unit.minima.x has four minima of row g, and .y four of row g+8, each in the
  // upper half of a byte. An operand word holds two numbers of 16 bits: the
  // first two words get minima 0 and 2 of the two rows, and the other two words
  // get minima 1 and 3.
  return {{unit.minima.x >> 4 & 0x000f000f, unit.minima.y >> 4 & 0x000f000f,
           unit.minima.x >> 12 & 0x000f000f, unit.minima.y >> 12 & 0x000f000f},
          -16.0f * ap_float_of_half(unit.super.x >> 16),
          -16.0f * ap_float_of_half(unit.super.y >> 16)};
}
)";

constexpr const char *kQ3_K = R"(
struct Unit { Planes<2> codes; Planes<1> upper; Words<8> scales; u32 super; };
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) {
  unit.codes.load(p + lane * 16);
  unit.upper.load(p + 1024 + lane * 16);
  unit.scales.load(p + 1536 + lane / 4 * 32);
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
  // The scale of 16 columns is a small integer times d, and each row of a unit
  // has one d. If a warp has only one accumulator, as in a decode step, sums
  // are first scaled by the integers and then once by d. With several
  // accumulators, this would take a second set of sums and too many registers,
  // so each integer is multiplied by d instead.
  constexpr bool kLate = kRowTiles * kTokenGroups == 1 && !kLazy;
  float late[kFields][4] = {};
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
        half.first *= fieldFactor(i) * d[tile][0];
        half.second *= fieldFactor(i) * d[tile][1];
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
        addScaled(kLate ? late[i % kFields] : sums[tile][group].of[0], c, half.first, half.second);
      }
    }
  }
  if (kLate) {
#pragma unroll
    for (u32 field = 0; field < kFields; ++field) {
      addScaled(sums[0][0].of[0], late[field], fieldFactor(field) * d[0][0],
                fieldFactor(field) * d[0][1]);
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
    const float factor = fieldFactor(i);
#pragma unroll
    for (u32 f = 0; f < 2; ++f) {
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

} // namespace

std::string signedScaleText(float zero) {
  std::string text;
  literal(text, "kScaleZero", zero);
  return text + kSignedScale;
}

std::string halfUnitText(DType dtype) {
  switch (dtype) {
  case DType::Q2_K:
    return signedScaleText(0) + kFieldFactor + kByteScales + kQ2_K;
  case DType::Q3_K:
    return signedScaleText(32) + kFieldFactor + kByteScales + kQ3_K +
           kWordScales + kWordSuper;
  case DType::Q6_K:
    return signedScaleText(128) + kFieldFactor + kByteScales + kQ6_K +
           kWordScales + kWordSuper;
  default:
    return {};
  }
}

std::string_view fieldFactorText() { return kFieldFactor; }

std::string wordScalesText() { return std::string(kByteScales) + kWordSuper; }

std::string halfMultiplyText(bool wgmma) {
  return std::string(kHalves) + (wgmma ? kHalvesWgmma : kHalvesWarps);
}

} // namespace air::codegen::cuda
