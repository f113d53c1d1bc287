//===- T16Indices.cpp - converts between blocks and t16i units ------------===//
#include "formats/plan/T16Indices.h"

#include "formats/plan/T16Blocks.h"
#include "formats/support/CheckedMath.h"

#include <array>
#include <cassert>
#include <cstring>
#include <string>

namespace air {
namespace {

struct Row {
  DType dtype;
  T16IndexUnit shape;
};

constexpr uint32_t kPlane = 512; ///< bytes of a plane: 16 for each lane

constexpr std::array<Row, 7> kShapes = {{
    {DType::IQ2_XXS, {{256, 1120, 1, 0, 1024, 0, 1088}, 512, 8, 0, false}},
    {DType::IQ2_XS, {{256, 1248, 1, 1024, 1088, 0, 1216}, 512, 8, 1, true}},
    {DType::IQ3_XXS, {{256, 1632, 2, 0, 1536, 0, 1600}, 1024, 4, 0, false}},
    {DType::IQ1_S, {{256, 864, 1, 512, 768, 0, 832}, 0, 8, 3, false}},
    {DType::IQ3_S, {{256, 1760, 2, 1536, 1664, 0, 1728}, 1024, 4, 1, false}},
    {DType::IQ2_S, {{256, 1312, 1, 1024, 1152, 0, 1280}, 512, 8, 2, true}},
    {DType::IQ1_M, {{256, 928, 1, 512, 768, 0, 896}, 0, 8, 3, true}},
}};

const Row *find(DType dtype) {
  for (const Row &row : kShapes) {
    if (row.dtype == dtype) {
      return &row;
    }
  }
  return nullptr;
}

/// The place of a bit field in a unit. All of its bits are in one byte.
struct Place {
  uint32_t byte;
  uint32_t shift;
  uint32_t bits;
};

/// The place of the `bits` bits from bit `bit` on of the little-endian 32-bit
/// word that begins at byte `word` of a unit.
Place inWord(uint32_t word, uint32_t bit, uint32_t bits) {
  return {word + bit / 8, bit % 8, bits};
}

/// Which 8 columns of which row of a tile are meant.
struct Octet {
  uint32_t g, r; ///< the row is g + 8r
  uint32_t i;    ///< block of 32 columns
  uint32_t of;   ///< index of the 8 columns in the block

  Octet(uint32_t row, uint32_t k)
      : g(row % 8), r(row / 8), i(k / 4), of(k % 4) {}
  uint32_t lane() const { return g * 4 + of; }
  uint32_t pair() const { return g * 2 + of % 2; }
  /// Which half of the block's 32 columns has these 8 columns: 0 or 1.
  uint32_t f() const { return of / 2; }
};

/// The place of the lowest 8 bits of an index. If entries have 4 elements,
/// `entry` is 0 for the first 4 of the 8 columns and 1 for the last 4.
/// Otherwise, it is 0.
Place lowerPlace(const T16IndexUnit &shape, Octet at, uint32_t entry) {
  const uint32_t four = at.i / 4;
  const uint32_t rest = at.i % 4 * 4;
  if (shape.halves) {
    return {four * 256 + at.pair() * 16 + rest + at.f() * 2 + at.r, 0, 8};
  }
  if (shape.entryElements == 4) {
    return {four * kPlane + at.lane() * 16 + rest + at.r * 2 + entry, 0, 8};
  }
  return {at.lane() * 16 + at.i * 2 + at.r, 0, 8};
}

/// The place of the bits of an index above the lowest 8, for dtypes whose
/// indices have more than 8 bits. In IQ1_M, the bit directly above this place
/// is set if the offset is positive.
Place upperPlace(const T16IndexUnit &shape, Octet at, uint32_t entry) {
  const uint32_t from = shape.unit.upperOffset;
  if (!shape.halves) {
    return shape.upperBits == 1
               ? inWord(from + at.lane() * 4, at.i * 4 + at.r * 2 + entry, 1)
               : inWord(from + at.lane() * 8 + at.i / 4 * 4,
                        at.i % 4 * 8 + at.r * 4, 3);
  }
  const uint32_t index = at.f() * 2 + at.r;
  switch (shape.upperBits) {
  case 1:
    return inWord(from + at.pair() * 4, at.i * 4 + index, 1);
  case 2:
    return inWord(from + at.pair() * 8 + at.i / 4 * 4, at.i % 4 * 8 + index * 2,
                  2);
  default:
    return inWord(from + at.pair() * 16 + at.i / 2 * 4,
                  at.i % 2 * 16 + index * 4, 3);
  }
}

Place signPlace(DType dtype, const T16IndexUnit &shape, Octet at,
                uint32_t column) {
  constexpr uint32_t kOrder[] = {0, 2, 1, 3};
  const uint32_t lane =
      shape.halves ? at.g * 4 + at.of % 2 * 2 + column / 4 : at.lane();
  const uint32_t group = shape.halves ? at.f() : at.r;
  const uint32_t nibble =
      dtype == DType::IQ3_S
          ? column / 2 + column % 2 * 4
          : kOrder[column % 4] + (shape.halves ? at.r : column / 4) * 4;
  return inWord(shape.signOffset + lane * 16 + at.i / 2 * 4,
                nibble * 4 + at.i % 2 * 2 + group, 1);
}

/// The place of a 4-bit scale, as in layout t16. A row has `count` of them.
Place scalePlace(const T16IndexUnit &shape, uint32_t row, uint32_t index,
                 uint32_t count) {
  return {shape.unit.scaleOffset + (row % 8 * 2 + row / 8) * count / 2 +
              index / 8 * 4 + index % 4,
          index / 4 % 2 * 4, 4};
}

/// When packing, copies `place.bits` bits of `value`, from bit `from` on, to
/// `place` in the unit. When unpacking, copies them back. The bits that are
/// overwritten must be 0 before.
template <bool Packing, typename Value>
void moveBits(uint8_t *unit, Place place, uint32_t from, Value &value) {
  const uint32_t mask = (1U << place.bits) - 1;
  if (Packing) {
    unit[place.byte] |=
        static_cast<uint8_t>((value >> from & mask) << place.shift);
  } else {
    value = static_cast<Value>(value | (unit[place.byte] >> place.shift & mask)
                                           << from);
  }
}

template <bool Packing>
void moveRow(DType dtype, const T16IndexUnit &shape, uint8_t *unit,
             uint32_t row, T16IndexParts &parts) {
  for (uint32_t k = 0; k < 32; ++k) {
    const Octet at(row, k);
    T16Eight &eight = parts.eights[k];
    for (uint32_t entry = 0; entry < 8 / shape.entryElements; ++entry) {
      uint32_t &index = eight.index[entry];
      moveBits<Packing>(unit, lowerPlace(shape, at, entry), 0, index);
      if (shape.upperBits != 0) {
        moveBits<Packing>(unit, upperPlace(shape, at, entry), 8, index);
      }
    }
    if (dtype == DType::IQ1_M) {
      Place place = upperPlace(shape, at, 0);
      place.shift += shape.upperBits;
      place.bits = 1;
      moveBits<Packing>(unit, place, 0, parts.offsets[k]);
    }
    if (shape.signOffset != 0) {
      for (uint32_t column = 0; column < 8; ++column) {
        moveBits<Packing>(unit, signPlace(dtype, shape, at, column), column,
                          eight.signs);
      }
    }
  }
  const uint32_t scales = t16ScaleCount(dtype);
  for (uint32_t i = 0; i < scales; ++i) {
    moveBits<Packing>(unit, scalePlace(shape, row, i, scales), 0,
                      parts.scales[i]);
  }
  uint8_t *d = unit + shape.unit.superOffset + row % 8 * 4 + row / 8 * 2;
  if (Packing) {
    putHalf(d, parts.d);
  } else {
    parts.d = loadHalf(d);
  }
}

} // namespace

Result<T16IndexUnit> t16IndexUnit(DType dtype) {
  if (const Row *row = find(dtype)) {
    return row->shape;
  }
  return unsupportedError("layout t16i does not support dtype " +
                          std::string(info(dtype).name));
}

std::span<const DType> t16IndexDTypes() {
  static constexpr std::array<DType, kShapes.size()> dtypes = [] {
    std::array<DType, kShapes.size()> list{};
    for (size_t i = 0; i < kShapes.size(); ++i) {
      list[i] = kShapes[i].dtype;
    }
    return list;
  }();
  return dtypes;
}

Result<uint64_t> t16IndexBytes(DType dtype, uint64_t rows, uint64_t columns) {
  AIR_ASSIGN_OR_RETURN(const T16IndexUnit shape, t16IndexUnit(dtype));
  return t16UnitBytes(shape.unit, dtype, rows, columns);
}

// If this function is changed so that it writes other bytes, kT16Revision in
// compiler/emit/PackedSegments.h must be raised.
void packT16Indices(DType dtype, uint64_t rows, uint64_t columns,
                    std::span<const uint8_t> source,
                    std::span<uint8_t> packed) {
  const Row *record = find(dtype);
  assert(record && "t16IndexUnit must refuse the dtype");
  const T16IndexUnit &shape = record->shape;
  const uint64_t blockBytes = info(dtype).blockBytes;
  const uint64_t blocks = columns / shape.unit.columns;
  assert(source.size() == rows * blocks * blockBytes);
  std::memset(packed.data(), 0, packed.size());
  for (uint64_t row = 0; row < (rows + kT16Rows - 1) / kT16Rows * kT16Rows;
       ++row) {
    for (uint64_t block = 0; block < blocks; ++block) {
      static constexpr std::array<uint8_t, 256> zeros{};
      T16IndexParts parts;
      readIndexBlock(dtype,
                     row < rows
                         ? source.data() + (row * blocks + block) * blockBytes
                         : zeros.data(),
                     parts);
      moveRow<true>(dtype, shape,
                    packed.data() +
                        (row / kT16Rows * blocks + block) * shape.unit.bytes,
                    static_cast<uint32_t>(row % kT16Rows), parts);
    }
  }
}

void unpackT16Indices(DType dtype, uint64_t rows, uint64_t columns,
                      std::span<const uint8_t> packed,
                      std::span<uint8_t> source) {
  const Row *record = find(dtype);
  assert(record && "t16IndexUnit must refuse the dtype");
  const T16IndexUnit &shape = record->shape;
  const uint64_t blockBytes = info(dtype).blockBytes;
  const uint64_t blocks = columns / shape.unit.columns;
  assert(source.size() == rows * blocks * blockBytes);
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t block = 0; block < blocks; ++block) {
      // moveRow serves both directions and so takes a mutable unit, but when
      // unpacking it only reads it.
      auto *unit = const_cast<uint8_t *>(packed.data()) +
                   (row / kT16Rows * blocks + block) * shape.unit.bytes;
      T16IndexParts parts;
      moveRow<false>(dtype, shape, unit, static_cast<uint32_t>(row % kT16Rows),
                     parts);
      writeIndexBlock(dtype, parts,
                      source.data() + (row * blocks + block) * blockBytes);
    }
  }
}

} // namespace air
