//===- T16.h - matrices in the order of tensor cores ------------*- C++ -*-===//
//
// T16 cuts a matrix [rows, columns] into tiles of 16 rows and a tile into units
// of some columns (64, 128 or 256, by dtype). Units follow each other along a
// row of tiles, so that a block of threads which multiplies consecutive tiles
// reads one contiguous stream. Rows and columns are filled up with zero blocks
// to whole tiles and units.
//
// A warp of 32 lanes multiplies a unit with mma.sync.m16n8k16 (PTX ISA, "Matrix
// Fragments for mma.m16n8k16 with floating point type"): lane 4g+t holds rows g
// and g+8 of the A fragment. The order of k within a product is free as long as
// both operands agree, so a lane takes neighbouring columns:
//
//   octets  columns 8t .. 8t+7 of every 32; the two products of 32 columns take
//           8t .. 8t+3 and 8t+4 .. 8t+7.
//   halves  columns 4t .. 4t+3 of every 16; for dtypes with a scale per 16.
//
// Four codes of a row (columns j = 0..3 of a lane's four) lie in the bytes
// 0, 2, 1, 3 of a word: a mask leaves columns 0 and 1 in the two halves of the
// word, the same mask after a shift by 8 leaves columns 2 and 3. Word i of a
// lane's 16 bytes holds row g + 8*(i&1) and the four columns i/2.
//
// Planes of a unit, each 16 bytes a lane and 512 bytes a warp:
//   nibbles   64 columns: the low nibble is of the first 32, the high one of
//             the second 32.
//   bit pairs (Q6_K) and bits (Q5_K): the code's upper bits. In each half of a
//             word the fields start at bits 4, 8, 12 and 0 for (low nibble,
//             columns 0-1), (high, 0-1), (low, 2-3) and (high, 2-3); further
//             rows and columns follow 2 bits (1 bit) above.
//   bytes     32 columns of 8-bit codes.
//   words     16-bit elements: 32 columns are two planes, row g and row g+8.
//
// | dtype     | columns | planes                   | then | bytes | | Q4_0 |
// 128 | 2 nibbles, octets            | d [g][32s][row 2]         | 1152 | |
// Q8_0      | 128 | 4 bytes, octets              | d [g][32s][row 2]         |
// 2176 | | Q4_K      | 256 | 4 nibbles, octets            | scales [g][row
// 2][8], minima [g][t][row 2][2], (d, dmin) [g][row 2] | 2368 | | Q5_K      |
// 256 | 4 nibbles, 1 of bits, octets | as Q4_K                   | 2880 | |
// Q6_K      | 256 | 4 nibbles, 2 of bit pairs, halves | scales + 128 [g][row
// 2][16], d [g][row 2] | 3360 | | F16, BF16 | 64  | 4 words, octets | | 2048 |
//
// Scales and minima of Q4_K and Q5_K are a byte each (6 bits in the source), so
// these two take 2.8 % (2.3 %) more bytes. Codes are stored without an offset:
// Q8_0's are q + 128. Nothing is rounded: unpack gives back the source's bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_LAYOUT_T16_H
#define AIRPACK_CODEGEN_LAYOUT_T16_H

#include "formats/dtype/DType.h"

#include <span>

namespace air::codegen {

inline constexpr uint32_t kT16Rows = 16;

/// Byte offsets are from a unit's start; a dtype without a part has 0 there.
struct T16Unit {
  uint32_t columns;     ///< columns of a unit
  uint32_t bytes;       ///< bytes of a unit, a multiple of 16
  uint32_t planes;      ///< planes of 512 bytes that hold codes or elements
  uint32_t upperOffset; ///< the codes' upper bits
  uint32_t scaleOffset; ///< quantised scales, or d where there are none
  uint32_t minimumOffset;
  uint32_t superOffset; ///< d (and dmin) of 256 columns
};

/// Unsupported for dtypes that the layout has no record of.
Result<T16Unit> t16Unit(DType dtype);

/// Dtypes that the layout has, ascending by id.
std::span<const DType> t16DTypes();

/// Units of a row of tiles: columns / unit.columns, rounded up.
uint64_t t16UnitsPerTile(const T16Unit &unit, uint64_t columns);

/// Bytes of a whole matrix; Corrupt when a row is no whole number of blocks or
/// the size overflows.
Result<uint64_t> t16Bytes(DType dtype, uint64_t rows, uint64_t columns);

/// `source` holds the matrix row after row, `packed` receives t16Bytes bytes.
/// Sizes and dtype are the caller's duty (asserted).
void packT16(DType dtype, uint64_t rows, uint64_t columns,
             std::span<const uint8_t> source, std::span<uint8_t> packed);

void unpackT16(DType dtype, uint64_t rows, uint64_t columns,
               std::span<const uint8_t> packed, std::span<uint8_t> source);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_LAYOUT_T16_H
