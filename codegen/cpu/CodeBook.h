//===- CodeBook.h - short vectors of few values, by index -------*- C++ -*-===//
//
// The code books of the IQ types (formats/dtype/IqGrids.h) hold 256 to 2048
// vectors of four or eight numbers that take three or eight values. Of a
// number a kernel looks up the place among these values, so that a vector is
// 16 bits: a table that is small enough for registers and the first cache.
//
// Where isa().hasAvx512 a permutation of two vectors looks up 32 codes among
// 64; a few of them and selections by the index's upper bits make the whole
// book, several times faster than gathers. Large books, and other instruction
// sets, gather.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_CODEBOOK_H
#define AIRPACK_CODEGEN_CPU_CODEBOOK_H

#include "codegen/cpu/KernelBuilder.h"

#include <cstdint>
#include <span>

namespace air::codegen {

class CodeBook {
public:
  using Value = mlir::Value;

  /// `entries`: vectors of eight numbers of `values`, up to four of them; a
  /// byte each, the lowest first. A power of two of them, 64 at least. `name`:
  /// KernelBuilder::table's.
  CodeBook(KernelBuilder &builder, const char *name,
           std::span<const uint64_t> entries, std::span<const int8_t> values);
  /// The same of four numbers of up to eight values.
  CodeBook(KernelBuilder &builder, const char *name,
           std::span<const uint32_t> entries, std::span<const int8_t> values);

  KernelBuilder &builder() const { return b; }

  /// The codes of two indices a lane, one in the lower 16 bits and one in the
  /// upper; 16 lanes of i32, and so is the result.
  Value look(Value indices) const;
  /// Of the lower (0) or upper (1) codes numbers 4 * part to 4 * part + 3: the
  /// place of each among the values, a byte each. `part` is 0 in a book of four
  /// numbers.
  Value places(Value codes, int64_t which, int64_t part) const;

private:
  void makeTable(const char *name, std::span<const uint16_t> codes);
  Value permuted(Value indices) const;

  KernelBuilder &b;
  const int64_t placeBits; ///< of a number in its code: 2 or 4
  int64_t count = 0;
  Value base; ///< the codes
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CODEBOOK_H
