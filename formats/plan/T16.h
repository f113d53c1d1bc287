//===- T16.h - the matrix layout for tensor cores ---------------*- C++ -*-===//
//
// T16 divides a matrix [rows, columns] into tiles of 16 rows, and a tile into
// units of 32 to 256 columns, depending on the dtype. The units of a tile are
// contiguous, and so are the tiles, so a thread block that multiplies
// consecutive tiles reads one contiguous stream. Rows and columns are padded
// with zero blocks to whole tiles and units.
//
// A warp of 32 lanes multiplies a unit with mma.sync.m16n8k16 (PTX ISA, "Matrix
// Fragments for mma.m16n8k16 with floating point type"). Lane 4g+t holds rows g
// and g+8 of the A fragment. The order of k within an mma is free as long as
// both operands agree, so a lane takes adjacent columns, in one of two orders:
//
//   octets  A lane takes columns 8t .. 8t+7 of every 32. Two mma multiply these
//           32 columns, the first 8t .. 8t+3 and the second 8t+4 .. 8t+7.
//   halves  A lane takes columns 4t .. 4t+3 of every 16. This order is for
//           dtypes with one scale per 16 columns.
//
// In either order a lane has two groups of four adjacent columns in every 32.
// The codes that a row has in columns 0, 1, 2 and 3 of a group are in bytes 0,
// 2, 1 and 3 of a word. A mask then leaves columns 0 and 1 in the two halves of
// the word, and the same mask after a shift by 8 leaves columns 2 and 3. Word i
// of a lane's 16 bytes holds row g + 8*(i&1) and the group with index i/2.
//
// A unit begins with planes, each of which has 16 bytes per lane and therefore
// 512 bytes per warp. There are ten kinds of planes:
//   nibbles    64 columns of 4-bit codes. Low nibbles hold the first 32 columns
//              and high nibbles the second 32.
//   straight nibbles
//              Like nibbles, but the codes of columns 0, 1, 2 and 3 of a
//              group are in bytes 0, 1, 2 and 3 of a word. The codes are
//              indices of a table with 16 entries.
//   pairs      128 columns of 2-bit codes. The lowest two bits of a byte hold
//              the first 32 columns, and the highest two the last 32.
//   bytes      32 columns of 8-bit codes.
//   words      16-bit elements. Two planes hold 32 columns. In each, the 16
//              bytes of a lane are its operand of one mma: columns 0 and 1 of a
//              group of four for row g, the same for row g+8, and then columns
//              2 and 3 for both rows. The first plane has the lane's first
//              group.
//   long words elements of 32 or 64 bits. Two planes (32 bits) or four planes
//              (64 bits) hold 32 columns of row g, and as many planes follow
//              for row g+8. Each plane has four (32 bits) or two (64 bits) of
//              the lane's columns.
//   bits       The upper bits of the codes of Q5_0, Q5_1 and Q5_K, whose lower
//              4 bits are in nibbles. A lane has one word of bits for each
//              plane of nibbles. The lower half of the word is for columns 0
//              and 2 of the groups of four, and the upper half for columns 1
//              and 3. Each half consists of four fields:
//                bits 4 to 7    column 0 or 1, code in a low nibble
//                bits 8 to 11   column 0 or 1, code in a high nibble
//                bits 12 to 15  column 2 or 3, code in a low nibble
//                bits 0 to 3    column 2 or 3, code in a high nibble
//              Bit i of a field belongs to the code whose lower bits are in
//              word i of the lane's 16 bytes of nibbles.
//   sixes      6-bit codes. For 64 columns, a lane has six words, w0 to w5. The
//              first four are its 16 bytes of plane 0, 1, 2 or 3, and the other
//              two are half of its bytes of plane 4 (columns 0 to 127) or 5.
//              One mma multiplies 16 of the 64 columns. Its operands a0 to a3
//              are columns 0 and 1 of a group of four for row g, the same for
//              row g+8, and then columns 2 and 3 for both rows. The lower half
//              of an operand has the code of the first of its two columns, and
//              the upper half that of the second. A half of an operand takes
//              its code from these bits of the same half of the words:
//                first mma   a0 to a3: bits 4 to 9 of w0 to w3
//                second mma  a0 and a1: bits 4 to 9 of w4 and w5; a2 and a3:
//                            bits 10 to 15 of w4 and w5
//                third mma   a0 to a3: bits 10 to 15 of w0 to w3
//                fourth mma  lower four bits of a0 to a3: bits 0 to 3 of w0,
//                            w1, w3 and w4
//                            upper two bits of a0: bits 0 and 1 of w2
//                            upper two bits of a1: bits 2 and 3 of w2
//                            upper two bits of a2: bits 0 and 1 of w5
//                            upper two bits of a3: bits 2 and 3 of w5
//   third bits The upper bits of the codes of Q3_K, whose lower 2 bits are in
//              pairs. Word 2p of a lane belongs to plane p of pairs and row g,
//              and word 2p+1 to the same plane and row g+8. The lower half of a
//              word is for columns 0 and 2 of the groups of four, and the upper
//              half for columns 1 and 3. In each half, bits 2, 4, 6 and 8
//              belong to the plane's four blocks of 32 columns. These bit
//              indices are 1 higher for the lane's second group of columns, and
//              8 higher, modulo 16, for columns 2 and 3 of a group.
//   selectors  3-bit codes; three planes hold 256 columns. The codes of columns
//              0, 1, 2 and 3 of a group are in nibbles 0, 2, 1 and 3 of a half
//              of a word, where a byte permutation expects the indices of the
//              bytes to select. Plane p has those of block 2p of 32 columns in
//              the lower halves of its words, and those of block 2p+1 in the
//              upper halves, in the lower three bits of the nibbles. The upper
//              bits of the nibbles have the codes of blocks 6 (lower halves)
//              and 7 (upper halves): plane p has bit p of each code.
//
// Scales follow the planes. [g][32s][row 2] means: for each g, for each block
// of 32 columns, the values of rows g and g+8. A last index of [8] or [16]
// counts the blocks of a row; in minima [g][t][row 2][2], it counts blocks 2t
// and 2t+1.
//
//   dtype      columns  planes                                bytes of a unit
//   Q4_0       128      2 of nibbles, octets                  1152
//   Q8_0       128      4 of bytes, octets                    2176
//   MXFP4      128      2 of nibbles, octets                  1088
//   IQ4_NL     128      2 of straight nibbles, octets         1152
//   Q4_1       256      4 of nibbles, octets                  2560
//   Q5_0       256      4 of nibbles, 1 of bits, octets       2816
//   Q5_1       256      4 of nibbles, 1 of bits, octets       3072
//   IQ4_XS     256      4 of straight nibbles, octets         2208
//   Q4_K       256      4 of nibbles, octets                  2368
//   Q5_K       256      4 of nibbles, 1 of bits, octets       2880
//   Q2_K       256      2 of pairs, halves                    1344
//   Q3_K       256      2 of pairs, 1 of third bits, halves   1824
//   Q6_K       256      6 of sixes, halves                    3360
//   IQ3_XXS    256      4 of straight nibbles, octets         2144
//   IQ3_S      256      4 of nibbles, octets                  2144
//   IQ2_XXS    256      3 of selectors, octets                1632
//   IQ2_XS, IQ2_S
//              256      3 of selectors, halves                1696
//   IQ1_S      256      2 of pairs, octets                    1120
//   IQ1_M      256      2 of pairs, halves                    1248
//   TQ1_0, TQ2_0, Q1_0, Q2_0
//              256      2 of pairs, octets                    1152
//   NVFP4      256      4 of nibbles, halves                  2304
//   F16, BF16   64      4 of words, octets                    2048
//   F32         64      8 of long words, octets               4096
//   F64         32      8 of long words, octets               4096
//
//   dtype        what follows the planes
//   Q4_0, Q8_0, IQ4_NL, Q5_0
//                d [g][32s][row 2]
//   Q4_1, Q5_1   d [g][32s][row 2], m [g][t][row 2][2]
//   MXFP4        exponents [g][32s][row 2]
//   Q4_K, Q5_K   scales [g][row 2][8], minima [g][t][row 2][2],
//                (d, dmin) [g][row 2]
//   Q2_K         scales and minima [g][row 2][16], (d, dmin) [g][row 2]
//   Q3_K         scales + 32 [g][row 2][16], d [g][row 2]
//   Q6_K         scales + 128 [g][row 2][16], d [g][row 2]
//   IQ4_XS       scales + 32 [g][row 2][8], d [g][row 2]
//   IQ3, IQ2_XXS, IQ1_S
//                4-bit scales [g][row 2][4 bytes], d [g][row 2]
//   IQ2_XS, IQ2_S
//                4-bit scales [g][row 2][8 bytes], d [g][row 2]
//   IQ1_M        offsets [g][2 words], 4-bit scales [g][row 2][8 bytes],
//                d [g][row 2]
//   TQ1_0, TQ2_0, Q1_0, Q2_0
//                d of 64 columns [g][64s][row 2]
//   NVFP4        scales [g][row 2][16]
//
// The codes of IQ1, IQ2 and IQ3 differ from the source, which stores indices of
// a codebook with entries of 8 or 4 elements. A code is the index of an
// element's value in the ascending list of all values that an element can have.
// In IQ1, these are the codebook's values. In IQ2 and IQ3, whose source stores
// the signs separately, they are the codebook's values and their negatives.
//
// A word of 4-bit scales holds four of them in the lower nibbles of its bytes
// and the next four in the upper nibbles. In IQ1_S, bit 3 of a scale is set if
// the offset of its 32 columns is positive. In IQ1_M, where 8 columns share an
// offset, each g has two words: the first for lanes t = 0 and 1, and the second
// for t = 2 and 3. Bit 8i + 2b + r of half f of a word is for row g + 8r. It is
// set if the offset of these lanes' columns among columns 16f to 16f+15 of
// block 4i + b is positive.
//
// Scales and minima of Q3_K, Q4_K, Q5_K and IQ4_XS take a byte each instead of
// the source's 6 bits, so Q3_K grows by 3.6 %, Q4_K by 2.8 %, Q5_K by 2.3 % and
// IQ4_XS by 1.5 %. In Q2_K, a byte holds a scale in its lower 4 bits and a
// minimum in its upper 4, as in the source.
// Compared with the source, IQ1_S grows by 40 %, IQ1_M by 39 %, IQ2_XXS by
// 55 %, IQ2_XS by 43 %, IQ2_S by 29 %, IQ3_XXS by 37 %, IQ3_S by 22 %, TQ1_0 by
// 33 % and TQ2_0 by 9 %, and Q1_0 doubles.
// Codes are stored as unsigned integers; for example, the code of a Q8_0
// element q is q + 128. Nothing is rounded, so unpacking restores the source's
// bytes. TQ1_0 is an exception: several values of a byte stand for the same
// digits, and unpacking writes the smallest of them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_T16_H
#define AIRPACK_FORMATS_PLAN_T16_H

#include "formats/dtype/DType.h"

#include <span>

namespace air {

inline constexpr uint32_t kT16Rows = 16;

/// The shape of a unit. Offsets are in bytes from the unit's start. The offset
/// of a part that the dtype does not have is 0.
struct T16Unit {
  uint32_t columns; ///< number of columns of a unit
  uint32_t bytes;   ///< size of a unit, a multiple of 16
  /// The number of planes, without those that hold only upper bits of the codes
  /// (the top of this file describes the kinds of planes).
  uint32_t planes;
  /// The offset of the planes of upper bits or, in IQ1_M, of the words called
  /// "offsets" in the table above.
  uint32_t upperOffset;
  /// The offset of the quantised scales or, in dtypes without them, of d.
  uint32_t scaleOffset;
  /// The offset of the minima (the field m of Q4_1 and Q5_1), if they are
  /// stored separately from the scales.
  uint32_t minimumOffset;
  /// The offset of d, and of dmin if the dtype has it, in dtypes that also have
  /// quantised scales.
  uint32_t superOffset;
};

/// Returns the shape of a dtype's units, or Unsupported if the layout does not
/// cover the dtype.
Result<T16Unit> t16Unit(DType dtype);

/// The dtypes that the layout covers, in ascending order of their ids.
std::span<const DType> t16DTypes();

/// The number of units in a tile: columns / unit.columns, rounded up.
uint64_t t16UnitsPerTile(const T16Unit &unit, uint64_t columns);

/// Returns the size of a packed matrix in bytes. Fails with Unsupported if the
/// layout does not cover the dtype, and with Corrupt if a row is not a whole
/// number of blocks or if the size overflows.
Result<uint64_t> t16Bytes(DType dtype, uint64_t rows, uint64_t columns);

/// Returns the size in bytes of a matrix in units of the shape `unit`. Fails
/// with Corrupt in the same cases as t16Bytes.
Result<uint64_t> t16UnitBytes(const T16Unit &unit, DType dtype, uint64_t rows,
                              uint64_t columns);

/// Packs a whole matrix. `source` holds it row by row, and `packed` receives
/// t16Bytes(dtype, rows, columns) bytes. The caller must pass matching sizes
/// and a dtype that the layout covers (asserted).
void packT16(DType dtype, uint64_t rows, uint64_t columns,
             std::span<const uint8_t> source, std::span<uint8_t> packed);

void unpackT16(DType dtype, uint64_t rows, uint64_t columns,
               std::span<const uint8_t> packed, std::span<uint8_t> source);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_T16_H
