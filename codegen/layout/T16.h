//===- T16.h - the matrix layout for tensor cores ---------------*- C++ -*-===//
//
// T16 cuts a matrix [rows, columns] into tiles of 16 rows, and a tile into
// units of 64, 128 or 256 columns, depending on the dtype. The units of a tile
// follow one another, and tiles follow one another, so a thread block that
// multiplies consecutive tiles reads one contiguous stream. Rows and columns
// are padded with zero blocks to whole tiles and units.
//
// A warp of 32 lanes multiplies a unit with mma.sync.m16n8k16 (PTX ISA, "Matrix
// Fragments for mma.m16n8k16 with floating point type"). Lane 4g+t holds rows g
// and g+8 of the A fragment. The order of k within an mma is free as long as
// both operands agree, so a lane takes adjacent columns, in one of two orders:
//
//   octets  columns 8t .. 8t+7 of every 32. Of the two mma of 32 columns, the
//           first takes 8t .. 8t+3 and the second 8t+4 .. 8t+7.
//   halves  columns 4t .. 4t+3 of every 16, for dtypes with a scale per 16.
//
// Four codes of a row (columns j = 0..3 of a lane's four) are in the bytes 0,
// 2, 1, 3 of a word. A mask then leaves columns 0 and 1 in the two halves of
// the word, and the same mask after a shift by 8 leaves columns 2 and 3. Word i
// of a lane's 16 bytes holds row g + 8*(i&1) and the four columns number i/2.
//
// A unit consists of planes, each with 16 bytes per lane and so 512 bytes per
// warp:
//   nibbles   64 columns: low nibbles hold the first 32 columns, high nibbles
//             the second 32.
//   bit pairs (Q6_K) and bits (Q5_K): the upper bits of the codes. In each half
//             of a word the fields start at bits 4, 8, 12 and 0 for (low
//             nibble, columns 0-1), (high, 0-1), (low, 2-3) and (high, 2-3).
//             Further rows and columns follow 2 bits (1 bit) above.
//   bytes     32 columns of 8-bit codes.
//   words     16-bit elements: two planes hold 32 columns, the first for row g
//             and the second for row g+8.
//
// Scales follow the planes. [g][32s][row 2] means: for each g, for each block
// of 32 columns, the values of rows g and g+8.
//
//   dtype      columns  planes                                bytes of a unit
//   Q4_0       128      2 of nibbles, octets                  1152
//   Q8_0       128      4 of bytes, octets                    2176
//   MXFP4      128      2 of nibbles, octets                  1088
//   Q4_K       256      4 of nibbles, octets                  2368
//   Q5_K       256      4 of nibbles, 1 of bits, octets       2880
//   Q6_K       256      4 of nibbles, 2 of bit pairs, halves  3360
//   F16, BF16   64      4 of words, octets                    2048
//
//   dtype        then
//   Q4_0, Q8_0   d [g][32s][row 2]
//   MXFP4        exponents [g][32s][row 2]
//   Q4_K, Q5_K   scales [g][row 2][8], minima [g][t][row 2][2],
//                (d, dmin) [g][row 2]
//   Q6_K         scales + 128 [g][row 2][16], d [g][row 2]
//
// Scales and minima of Q4_K and Q5_K take a byte each (6 bits in the source),
// so Q4_K grows by 2.8 % and Q5_K by 2.3 %. Codes are stored without an offset;
// for example, Q8_0's are q + 128. Nothing is rounded, so unpacking restores
// the source's bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_LAYOUT_T16_H
#define AIRPACK_CODEGEN_LAYOUT_T16_H

#include "formats/dtype/DType.h"

#include <span>

namespace air::codegen {

inline constexpr uint32_t kT16Rows = 16;

/// The shape of a unit. Offsets are in bytes from the unit's start. The offset
/// of a part that the dtype does not have is 0.
struct T16Unit {
  uint32_t columns;     ///< columns of a unit
  uint32_t bytes;       ///< size of a unit, a multiple of 16
  uint32_t planes;      ///< planes of 512 bytes that hold codes or elements
  uint32_t upperOffset; ///< upper bits of the codes
  uint32_t scaleOffset; ///< quantised scales, or d for dtypes without them
  uint32_t minimumOffset;
  uint32_t superOffset; ///< d, and dmin if any, of 256 columns
};

/// Unsupported for dtypes that the layout does not cover.
Result<T16Unit> t16Unit(DType dtype);

/// The dtypes that the layout covers, ascending by id.
std::span<const DType> t16DTypes();

/// The units of a tile: columns / unit.columns, rounded up.
uint64_t t16UnitsPerTile(const T16Unit &unit, uint64_t columns);

/// The size of a whole matrix. Corrupt when a row is not a whole number of
/// blocks or the size overflows.
Result<uint64_t> t16Bytes(DType dtype, uint64_t rows, uint64_t columns);

/// `source` holds the matrix row by row; `packed` receives t16Bytes bytes. The
/// caller must pass matching sizes and a supported dtype (asserted).
void packT16(DType dtype, uint64_t rows, uint64_t columns,
             std::span<const uint8_t> source, std::span<uint8_t> packed);

void unpackT16(DType dtype, uint64_t rows, uint64_t columns,
               std::span<const uint8_t> packed, std::span<uint8_t> source);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_LAYOUT_T16_H
