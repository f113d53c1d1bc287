//===- Half.h - IEEE binary16 and bfloat16 to and from float ----*- C++ -*-===//
//
// The conversions use bit arithmetic, so that every machine produces the same
// bits. Widening is exact and keeps a NaN's payload; narrowing rounds to
// nearest, ties to even, and makes a NaN quiet.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_HALF_H
#define AIRPACK_FORMATS_DTYPE_HALF_H

#include <bit>
#include <cstdint>

namespace air {

constexpr float halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31;
  uint32_t fraction = half & 0x3ff;
  if (exponent == 31) {
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  }
  if (exponent != 0) {
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  }
  if (fraction == 0) {
    return std::bit_cast<float>(sign);
  }
  // Every subnormal half is a normal float. The shift moves the leading one of
  // `fraction` to bit 10, the place of the implicit one of a normal half.
  int shift = std::countl_zero(fraction) - 21;
  fraction = (fraction << shift) & 0x3ff;
  return std::bit_cast<float>(sign | static_cast<uint32_t>(113 - shift) << 23 |
                              fraction << 13);
}

constexpr uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return static_cast<uint16_t>(sign | 0x7e00 | ((magnitude >> 13) & 0x1ff));
  }
  // Magnitudes of 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) {
    return static_cast<uint16_t>(sign | 0x7c00);
  }
  uint32_t shift = 13;
  uint32_t base = magnitude - (112U << 23);
  if (magnitude < 0x38800000) { // below 2^-14: a subnormal half
    uint32_t exponent = magnitude >> 23;
    if (exponent < 102) { // below 2^-25: rounds to zero
      return sign;
    }
    base = (magnitude & 0x7fffff) | 0x800000;
    shift = 126 - exponent;
  }
  uint32_t odd = (base >> shift) & 1;
  uint32_t rounded = (base + ((1U << (shift - 1)) - 1) + odd) >> shift;
  return static_cast<uint16_t>(sign | rounded);
}

constexpr float bfloat16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

constexpr uint16_t floatToBfloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return static_cast<uint16_t>((bits >> 16) | 0x40);
  }
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_HALF_H
