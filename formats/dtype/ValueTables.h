//===- ValueTables.h - the small codebooks of 4-bit types -------*- C++ -*-===//
//
// These constants are part of the formats. The decoders in this folder and the
// code generators share them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_VALUETABLES_H
#define AIRPACK_FORMATS_DTYPE_VALUETABLES_H

#include <array>
#include <bit>
#include <cstdint>

namespace air {

/// The value of each nibble in IQ4_NL and IQ4_XS, before it is multiplied by
/// the scale. Source: kvalues_iq4nl of ggml.
inline constexpr std::array<int8_t, 16> kIq4Values = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// A nibble of MXFP4 and NVFP4 is an E2M1 number. This table has twice the
/// value of each, which is an integer; halfOfE8m0() and halfOfUe4m3() halve the
/// scales to compensate. Source: OCP Microscaling Formats (MX), version 1.0.
inline constexpr std::array<int8_t, 16> kE2m1Doubled = {
    0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Returns 2^(e - 128), which is half of the E8M0 scale `e`. For `e` of 0 and 1
/// the result is a subnormal float. 255, which is NaN in the OCP standard,
/// results in 2^127, as in ggml.
constexpr float halfOfE8m0(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1U) << 23);
}

/// Returns half of the scale `bits`, an unsigned E4M3 number with an exponent
/// bias of 7. As in ggml, 0x7f, which is NaN in the OCP standard, results in
/// zero. If `bits` is not 0x7f, its bit 7 is ignored, so 0xff stands for a
/// scale of 480 and results in 240.
constexpr float halfOfUe4m3(uint8_t bits) {
  uint32_t exponent = (bits >> 3) & 15;
  uint32_t fraction = bits & 7;
  if (bits == 0 || bits == 0x7f) {
    return 0.0F;
  }
  if (exponent == 0) {
    return static_cast<float>(fraction) * 0x1p-10F;
  }
  return std::bit_cast<float>((exponent + 119) << 23 | fraction << 20);
}

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_VALUETABLES_H
