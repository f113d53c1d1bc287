//===- ValueTables.h - the small codebooks of 4-bit types -------*- C++ -*-===//
//
// Constants of the formats, which decoders and code generators share.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_VALUETABLES_H
#define AIRPACK_FORMATS_DTYPE_VALUETABLES_H

#include <array>
#include <bit>
#include <cstdint>

namespace air {

/// IQ4_NL and IQ4_XS: nibble -> value (ggml, kvalues_iq4nl).
inline constexpr std::array<int8_t, 16> kIq4Values = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// MXFP4 and NVFP4: nibble -> twice the E2M1 value (OCP Microscaling Formats
/// v1.0), which is an integer. The functions below halve the scales to
/// compensate.
inline constexpr std::array<int8_t, 16> kE2m1Doubled = {
    0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Half of an E8M0 scale: 2^(e - 128); 0 and 1 map to subnormal floats. 255,
/// which is NaN in the OCP standard, maps to 2^127 as in ggml.
constexpr float halfOfE8m0(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1U) << 23);
}

/// Half of an unsigned E4M3 scale (bias 7). As in ggml, bit 7 is ignored,
/// except that 0x7f maps to zero and 0xff does not.
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
