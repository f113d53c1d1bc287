//===- IqGrids.h - the codebooks of the IQ types ----------------*- C++ -*-===//
//
// A codebook, which ggml calls a grid, maps an index to an entry: a vector of
// four or eight small numbers. The entries are those of ggml (ggml-common.h,
// https://github.com/ggml-org/ggml, MIT licence, copyright The ggml authors).
// They were found by search, so no formula generates them.
//
// Element j of an entry is byte j, where byte 0 is the least significant one.
// The codebooks, with their numbers of entries, are:
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

/// Returns the signs of eight elements; bit j is set if element j is negative.
/// IQ2_XXS, IQ2_XS and IQ3_XXS store only seven of the signs, because the
/// eighth always makes the number of negative elements even.
constexpr uint8_t iqSigns(uint32_t sevenBits) {
  return static_cast<uint8_t>(sevenBits | (std::popcount(sevenBits) & 1) << 7);
}

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_IQGRIDS_H
