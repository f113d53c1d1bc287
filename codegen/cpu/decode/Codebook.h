//===- Codebook.h - look-up of short vectors by index -----------*- C++ -*-===//
//
// The codebooks of the IQ types (formats/dtype/IqGrids.h) hold 256 to 2048
// vectors of four or eight elements, which take only three to eight different
// values. Kernels therefore store a value index per element instead of the
// value. The value indices of a vector make up its 16-bit code, and the table
// of codes is small enough for registers and L1.
//
// A two-register AVX-512 permutation looks up 32 codes in a table of 64. With
// isa().hasVbmi, it can look up 64 half codes (bytes) in a table of 128.
// Covering the whole codebook with such permutations, and selecting between
// their results by the upper index bits, is several times faster than
// gathering. Gathers are used on other instruction sets and, where there are no
// byte permutations, for large codebooks.
//
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_CODEBOOK_H
#define AIRPACK_CODEGEN_CPU_DECODE_CODEBOOK_H

#include "codegen/cpu/builder/KernelBuilder.h"

#include <array>
#include <cstdint>
#include <span>

namespace air::codegen {

class Codebook {
public:
  using Value = mlir::Value;
  /// Maps each value index to a byte.
  using Table = std::array<int8_t, 8>;

  /// The codes of four entries in each of 16 lanes, as lookUp() returns them.
  struct Codes {
    std::array<Value, 2> words;
  };

  /// Selects a bit for each of four elements in each lane: bit `first` + j of
  /// `word` for element j or, if isOneForAll, bit `first` for all four
  /// elements. The bits lie within one byte of the word.
  struct Choice {
    Value word;
    int64_t first = 0;
    bool isOneForAll = false;
  };

  /// Each of the `entries` is a vector of eight elements, one per byte with the
  /// lowest byte first. Every element is one of the `values`, of which there
  /// may be at most four. The number of entries must be a power of two, and at
  /// least 256. `name` is passed to KernelBuilder::table().
  Codebook(KernelBuilder &builder, const char *name,
           std::span<const uint64_t> entries, std::span<const int8_t> values);
  /// A codebook like that of the first constructor, but with vectors of four
  /// elements and with at most eight values.
  Codebook(KernelBuilder &builder, const char *name,
           std::span<const uint32_t> entries, std::span<const int8_t> values);

  /// Looks up four entries per lane. Byte i of `lows` holds the low eight bits
  /// of the index of entry i, and byte i of `tops` the bits above them. `tops`
  /// is null if there are none. Both have 16 lanes of i32.
  Codes lookUp(Value lows, Value tops) const;
  /// The value indices of elements 4 * part to 4 * part + 3 of an entry, one
  /// per byte. `entry` says which of the four entries of each lane: 0 to 3.
  /// `part` is 0 for entries of four elements, and 0 or 1 for entries of eight.
  Value valueIndices(const Codes &codes, int64_t entry, int64_t part) const;
  /// Looks up each value index that valueIndices() returns: in the table `set`
  /// if the element's bit of `choice` is set, and otherwise in `clear`.
  Value numbers(const Codes &codes, int64_t entry, int64_t part,
                const Choice &choice, const Table &clear,
                const Table &set) const;

private:
  void makeTable(const char *name, std::span<const uint16_t> codes);
  Value gathered(Value indices) const;
  Value permutedWords(Value indices) const;
  Codes permutedBytes(Value lows, Value tops) const;
  /// Like valueIndices(), but the upper bits of each byte are unspecified.
  /// Requires isa().hasVbmi.
  Value rawValueIndices(const Codes &codes, int64_t entry, int64_t part) const;

  KernelBuilder &b;
  const int64_t valueIndexBits; ///< bits of a value index: 2 or 3
  int64_t count = 0;            ///< number of entries of the codebook
  Value base;                   ///< address of the table of codes
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_CODEBOOK_H
