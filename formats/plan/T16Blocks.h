//===- T16Blocks.h - a dtype's block as codes and scales --------*- C++ -*-===//
//
// Private to formats/plan. The bit order of blocks is GGUF's (ggml-common.h of
// https://github.com/ggml-org/ggml). readT16Block and writeT16Block are
// inverses of each other on every bit pattern, with one exception: several
// bytes of TQ1_0 may mean the same digits, and writeT16Block writes the
// smallest of them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_T16BLOCKS_H
#define AIRPACK_FORMATS_PLAN_T16BLOCKS_H

#include "formats/dtype/DType.h"

namespace air {

/// The codes and scales of one row of a T16 unit, as separate numbers.
struct T16Parts {
  /// Unsigned codes. F16, BF16, F32 and F64 have no codes: this array then
  /// contains the bits of the elements, each in 1, 1, 2 or 4 array elements,
  /// with the lowest bits first.
  uint16_t codes[256] = {};
  /// The quantised scales, to which 128 has been added in Q6_K, and 32 in Q3_K
  /// and IQ4_XS. In Q2_K, each byte has a scale in its lower 4 bits and a
  /// minimum in its upper 4. In MXFP4, these are the exponents. In IQ1_S, bit 3
  /// of a scale is set if the offset of the scale's 32 elements is positive.
  uint8_t scales[16] = {};
  uint8_t minima[8] = {};
  uint16_t d[8] = {}; ///< the bits of each block's float16 scale d
  uint16_t m[8] = {}; ///< Q4_1, Q5_1: the bits of each block's float16 minimum
  uint16_t dmin = 0;
  /// IQ1_M: for every 8 codes, 1 if their offset is positive and 0 otherwise.
  uint8_t offsets[32] = {};
};

/// 8 elements of IQ1, IQ2 or IQ3, as the source stores them. In IQ1 and IQ2,
/// they are one entry of the codebook. In IQ3, where an entry has 4 elements,
/// they are two entries. IQ2 and IQ3 also have a sign for each element.
struct T16Eight {
  uint32_t index[2];
  uint32_t signs; ///< bit j is set if element j is negative
};

/// A block of IQ1, IQ2 or IQ3. Scales and offsets are as in T16Parts.
struct T16IndexParts {
  T16Eight eights[32] = {};
  uint8_t scales[16] = {};
  uint8_t offsets[32] = {};
  uint16_t d = 0;
};

/// Returns the little-endian 16-bit number at `bytes`, which need not be
/// aligned.
inline uint16_t loadHalf(const uint8_t *bytes) {
  return static_cast<uint16_t>(bytes[0] | bytes[1] << 8);
}

/// Writes the lower 16 bits of `value` in little-endian order.
inline void putHalf(uint8_t *bytes, uint32_t value) {
  bytes[0] = static_cast<uint8_t>(value);
  bytes[1] = static_cast<uint8_t>(value >> 8);
}

/// The number of quantised scales that a row of a unit has, for dtypes whose
/// scales take 4 bits: IQ1, IQ2 and IQ3.
uint32_t t16ScaleCount(DType dtype);

/// Reads a block in GGUF's format into `parts`, which describes one row of a
/// unit. `index` is the index of the block in that row.
void readT16Block(DType dtype, const uint8_t *block, uint32_t index,
                  T16Parts &parts);

void writeT16Block(DType dtype, const T16Parts &parts, uint32_t index,
                   uint8_t *block);

/// Reads a block of IQ1, IQ2 or IQ3 in GGUF's format into `parts`.
void readIndexBlock(DType dtype, const uint8_t *block, T16IndexParts &parts);
void writeIndexBlock(DType dtype, const T16IndexParts &parts, uint8_t *block);

/// readT16Block and writeT16Block for IQ1, IQ2 and IQ3. Instead of indices of a
/// codebook, `parts` has a code for each element: the index of its value in the
/// ascending list of all values that an element can have. In IQ1, these are the
/// codebook's values. In IQ2 and IQ3, they are the codebook's values and their
/// negatives.
void readCodebookBlock(DType dtype, const uint8_t *block, T16Parts &parts);
void writeCodebookBlock(DType dtype, const T16Parts &parts, uint8_t *block);

/// readT16Block and writeT16Block for TQ1_0, TQ2_0, Q1_0, Q2_0 and NVFP4. In
/// all of these dtypes but NVFP4, parts.d has a scale d for every 64 columns,
/// and an element is d * (code - 1).
void readSmallBlock(DType dtype, const uint8_t *block, uint32_t index,
                    T16Parts &parts);
void writeSmallBlock(DType dtype, const T16Parts &parts, uint32_t index,
                     uint8_t *block);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_T16BLOCKS_H
