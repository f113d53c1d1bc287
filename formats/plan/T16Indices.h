//===- T16Indices.h - t16 with indices of a codebook ------------*- C++ -*-===//
//
// Layout t16i has the tiles and units of layout t16 (T16.h), for IQ1, IQ2 and
// IQ3 only. Where t16 has a code for each element, t16i keeps what the source
// has: indices of a codebook, whose entries are 8 elements (IQ1 and IQ2) or 4
// elements (IQ3), and the signs of the elements (IQ2 and IQ3). It is smaller
// than t16, but a kernel has to look up entries in shared memory.
//
// A unit has 256 columns. Its columns have the order that they have in t16:
// octets in IQ1_S, IQ2_XXS and IQ3, halves in IQ1_M, IQ2_XS and IQ2_S. With
// octets, the 8 adjacent columns of a lane are one or two entries. With halves,
// a lane has only 4 adjacent columns, which are half of an entry. Lanes 4g+2u
// and 4g+2u+1 are then a pair with the index 2g+u: they have the two halves of
// the same entries, and read the same indices.
//
// A unit consists of these parts, in which i is the index of a block of 32
// columns, and r is 0 for row g and 1 for row g+8:
//
//   lower bits   The lowest 8 bits of the indices, a byte each.
//                entries of 8, octets: [lane][i][r]
//                entries of 4, octets: [i / 4][lane][i % 4][r][entry 2]
//                halves: [i / 4][pair][i % 4][f][r], where f is 0 for the first
//                16 columns of a block and 1 for the last 16
//   signs        [lane][i / 2] a word, with a bit for each of the 32 elements
//                that a lane has in two blocks. The bit is set if the element
//                is negative. An element of block i has bit 2(i % 2) + r
//                (octets) or bit 2(i % 2) + f (halves) of a nibble of the word.
//                In the kernel's registers, its code is in the nibble with the
//                same index. These are the indices:
//                IQ2_XXS, IQ3_XXS  columns 0 to 7: nibbles 0, 2, 1, 3, 4, 6, 5,
//                                  7
//                IQ3_S             columns 0 to 7: nibbles 0, 4, 1, 5, 2, 6, 3,
//                                  7
//                IQ2_XS, IQ2_S     columns 0 to 3: nibbles 0, 2, 1, 3 for row
//                                  g, and 4, 6, 5, 7 for row g+8
//   upper bits   The other bits of the indices.
//                IQ3_S   [lane] a word, whose bit 4i + 2r + entry is bit 8 of
//                        an index
//                IQ1_S   [lane][i / 4] a word, in which nibble 2(i % 4) + r has
//                        bits 8 to 10 of an index
//                IQ2_XS  [pair] a word, whose bit 4i + 2f + r is bit 8 of an
//                        index
//                IQ2_S   [pair][i / 4] a word, in which two bits, from bit
//                        8(i % 4) + 4f + 2r on, are bits 8 and 9 of an index
//                IQ1_M   [pair][i / 2] a word, in which nibble 4(i % 2) + 2f +
//                        r has bits 8 to 10 of an index. The top bit of the
//                        nibble is set if the offset of the entry is positive
//   scales, d    as in t16
//
//             bytes of   bytes of 256 weights
//   dtype     a unit     here   in the source
//   IQ1_S      864        54     50
//   IQ1_M      928        58     56
//   IQ2_XXS   1120        70     66
//   IQ2_XS    1248        78     74
//   IQ2_S     1312        82     82
//   IQ3_XXS   1632       102     98
//   IQ3_S     1760       110    110
//
// For every 8 elements of IQ2_XXS, IQ2_XS and IQ3_XXS, a unit has 8 signs. The
// source has only 7, from which the eighth follows. Unpacking restores the
// source's bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_T16INDICES_H
#define AIRPACK_FORMATS_PLAN_T16INDICES_H

#include "formats/plan/T16.h"

namespace air {

/// The shape of a unit of layout t16i. Offsets are in bytes from the unit's
/// start. The offset of a part that the dtype does not have is 0.
struct T16IndexUnit {
  T16Unit unit; ///< the upper bits of the indices are at `upperOffset`
  uint32_t signOffset;
  uint32_t entryElements; ///< number of elements of an entry of the codebook
  uint32_t upperBits;     ///< bits of an index above the lowest 8
  bool halves;            ///< whether columns have the order "halves"
};

/// Returns the shape of a dtype's units in layout t16i, or Unsupported if the
/// layout does not cover the dtype.
Result<T16IndexUnit> t16IndexUnit(DType dtype);

/// The dtypes that layout t16i covers, in ascending order of their ids.
std::span<const DType> t16IndexDTypes();

/// These functions do for layout t16i what t16Bytes, packT16 and unpackT16
/// (T16.h) do for layout t16.
Result<uint64_t> t16IndexBytes(DType dtype, uint64_t rows, uint64_t columns);
void packT16Indices(DType dtype, uint64_t rows, uint64_t columns,
                    std::span<const uint8_t> source, std::span<uint8_t> packed);
void unpackT16Indices(DType dtype, uint64_t rows, uint64_t columns,
                      std::span<const uint8_t> packed,
                      std::span<uint8_t> source);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_T16INDICES_H
