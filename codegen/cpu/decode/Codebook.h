//===- Codebook.h - short vectors of few values, by index -------*- C++ -*-===//
//
// The code books of the IQ types (formats/dtype/IqGrids.h) hold 256 to 2048
// vectors of four or eight numbers that take three or eight values. Of a
// number a kernel looks up the place among these values, so that a vector is
// 16 bits: a table that is small enough for registers and the first cache.
//
// With AVX-512 a permutation of two vectors looks up 32 codes among 64, and
// where isa().hasVbmi 64 halves of a code among 128: so many of them that they
// cover the book, chosen from by the index's upper bits, are several times
// faster than gathers. Other instruction sets gather, and large books do where
// there are no permutations of bytes.
//
// Thread-safety: as KernelBuilder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_CODEBOOK_H
#define AIRPACK_CODEGEN_CPU_DECODE_CODEBOOK_H

#include "codegen/cpu/builder/KernelBuilder.h"

#include <array>
#include <cstdint>
#include <span>

namespace air::codegen {

class CodeBook {
public:
  using Value = mlir::Value;
  /// A byte for each place.
  using Table = std::array<int8_t, 8>;

  /// What four indices of each of 16 lanes found.
  struct Codes {
    std::array<Value, 2> words;
  };

  /// A bit for each of four numbers of a lane: number j's is bit `first` + j of
  /// `word`, or `first` for all of them. They lie in one byte.
  struct Choice {
    Value word;
    int64_t first = 0;
    bool isOneForAll = false;
  };

  /// `entries`: vectors of eight numbers of `values`, up to four of them; a
  /// byte each, the lowest first. A power of two of them, 256 at least. `name`:
  /// KernelBuilder::table's.
  CodeBook(KernelBuilder &builder, const char *name,
           std::span<const uint64_t> entries, std::span<const int8_t> values);
  /// The same of four numbers of up to eight values.
  CodeBook(KernelBuilder &builder, const char *name,
           std::span<const uint32_t> entries, std::span<const int8_t> values);

  /// Looks up four indices a lane, whose lower eight bits are the bytes of
  /// `lows` and whose other bits are those of `tops` (null: none); 16 lanes of
  /// i32.
  Codes look(Value lows, Value tops) const;
  /// Numbers 4 * part to 4 * part + 3 of an entry, 0 to 3: the place of each
  /// among the values, a byte each. `part` is 0 in a book of four numbers.
  Value places(const Codes &codes, int64_t entry, int64_t part) const;
  /// The same numbers through a table: `set` where a number's bit of the choice
  /// is set, else `clear`.
  Value numbers(const Codes &codes, int64_t entry, int64_t part,
                const Choice &choice, const Table &clear,
                const Table &set) const;

private:
  void makeTable(const char *name, std::span<const uint16_t> codes);
  Value gathered(Value indices) const;
  Value permutedWords(Value indices) const;
  Codes permutedBytes(Value lows, Value tops) const;
  /// Where isa().hasVbmi: as places(), with other bits above them.
  Value rawPlaces(const Codes &codes, int64_t entry, int64_t part) const;

  KernelBuilder &b;
  const int64_t placeBits; ///< of a number's place: 2 or 3
  int64_t count = 0;       ///< of entries
  Value base;              ///< the codes
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_CODEBOOK_H
