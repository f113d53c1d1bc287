//===- IqGrids.h - the codebooks of the IQ types ----------------*- C++ -*-===//
//
// An index selects a small vector of magnitudes. The entries are ggml's
// (ggml-common.h, https://github.com/ggml-org/ggml, MIT licence, copyright The
// ggml authors); they were found by search, so they are data, not a formula.
//
// Packing: element j of an entry is byte j, the least significant byte first.
//   iq2xxs (256), iq2xs (512), iq2s (1024): 8 unsigned bytes, each 8, 25 or 43
//   iq3xxs (256): 4 unsigned bytes, each 4, 12, 20, 28, 36, 44, 52 or 62
//   iq3s (512):   4 unsigned bytes, each odd and from 1 to 15
//   iq1s (2048):  8 signed bytes, each -1, 0 or 1 (IQ1_S and IQ1_M)
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_IQGRIDS_H
#define AIRPACK_FORMATS_DTYPE_IQGRIDS_H

#include <bit>
#include <cstdint>
#include <span>

namespace air {

std::span<const uint64_t> iq2xxsGrid();
std::span<const uint64_t> iq2xsGrid();
std::span<const uint64_t> iq2sGrid();
std::span<const uint32_t> iq3xxsGrid();
std::span<const uint32_t> iq3sGrid();
std::span<const uint64_t> iq1sGrid();

/// IQ2_XXS, IQ2_XS and IQ3_XXS store seven signs; the eighth makes the number
/// of negative elements even. If bit j is set, element j is negative.
constexpr uint8_t iqSigns(uint32_t sevenBits) {
  return static_cast<uint8_t>(sevenBits | (std::popcount(sevenBits) & 1) << 7);
}

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_IQGRIDS_H
