//===- PackLayout.cpp - packs and unpacks layouts -------------------------===//
//
// Packing to x16 is a transposition. A block column consists of the blocks at
// the same position in 16 rows. Each field of these blocks (DType.h,
// BlockField) is a matrix of units with 16 rows. The source stores this matrix
// row by row. The packed layout stores each column contiguously, at the place
// that X16Order.h states. With N units per 16-byte vector, N rows of N units
// are transposed in log2(N) rounds of interleaving. The code uses vector types
// of the C++ compiler, which become vector instructions on hosts that have
// them.
//
//===----------------------------------------------------------------------===//
#include "formats/plan/PackLayout.h"

#include "formats/plan/T16Indices.h"
#include "formats/plan/X16Order.h"
#include "formats/support/CheckedMath.h"

#include <array>
#include <cassert>
#include <cstring>
#include <vector>

namespace air {
namespace {

template <typename Unit>
using UnitVector __attribute__((vector_size(16))) = Unit;

template <typename Unit> constexpr int kLanes = 16 / sizeof(Unit);

// Interleaves the first halves of a and b (their second halves if Second is
// true): the result is a0 b0 a1 b1 and so on.
template <typename Unit, bool Second, int... Lane>
UnitVector<Unit> interleave(UnitVector<Unit> a, UnitVector<Unit> b,
                            std::integer_sequence<int, Lane...>) {
  constexpr int kLaneCount = kLanes<Unit>;
  constexpr int kFirst = Second ? kLaneCount / 2 : 0;
  return __builtin_shufflevector(
      a, b, (kFirst + Lane / 2 + (Lane % 2) * kLaneCount)...);
}

template <typename Unit>
using Square = std::array<UnitVector<Unit>, kLanes<Unit>>;

// Transposes N vectors of N lanes in place: afterwards, vector i holds what was
// in lane i of every vector. A round interleaves vector i with vector i + N/2.
// This rotates the bits of an element's index (vector, lane) by one, so log2(N)
// rounds exchange the index of the vector with that of the lane.
template <typename Unit> void transpose(Square<Unit> &square) {
  constexpr int kLaneCount = kLanes<Unit>;
  constexpr auto kSequence = std::make_integer_sequence<int, kLaneCount>();
  for (int round = 1; round < kLaneCount; round *= 2) {
    Square<Unit> next;
    for (int i = 0; i < kLaneCount / 2; ++i) {
      const UnitVector<Unit> a = square[i];
      const UnitVector<Unit> b = square[i + kLaneCount / 2];
      next[2 * i] = interleave<Unit, false>(a, b, kSequence);
      next[2 * i + 1] = interleave<Unit, true>(a, b, kSequence);
    }
    square = next;
  }
}

// Packs one field of one block column. `rows` points at the field in row 0, and
// rows are `stride` bytes apart. The units with index i of all 16 rows are
// stored from packed + place(i) on.
template <typename Unit, typename Place>
void packField(const uint8_t *rows, uint64_t stride, uint64_t count,
               uint8_t *packed, Place place) {
  constexpr uint64_t kLaneCount = kLanes<Unit>;
  uint64_t unit = 0;
  for (; unit + kLaneCount <= count; unit += kLaneCount) {
    for (uint64_t row = 0; row < kX16Rows; row += kLaneCount) {
      Square<Unit> square;
      for (uint64_t i = 0; i < kLaneCount; ++i) {
        std::memcpy(&square[i], rows + (row + i) * stride + unit * sizeof(Unit),
                    16);
      }
      transpose<Unit>(square);
      for (uint64_t i = 0; i < kLaneCount; ++i) {
        std::memcpy(packed + place(unit + i) + row * sizeof(Unit), &square[i],
                    16);
      }
    }
  }
  for (; unit < count; ++unit) {
    for (uint64_t row = 0; row < kX16Rows; ++row) {
      std::memcpy(packed + place(unit) + row * sizeof(Unit),
                  rows + row * stride + unit * sizeof(Unit), sizeof(Unit));
    }
  }
}

template <typename Unit, typename Place>
void unpackField(const uint8_t *packed, uint64_t stride, uint64_t count,
                 uint8_t *rows, Place place) {
  constexpr uint64_t kLaneCount = kLanes<Unit>;
  uint64_t unit = 0;
  for (; unit + kLaneCount <= count; unit += kLaneCount) {
    for (uint64_t row = 0; row < kX16Rows; row += kLaneCount) {
      Square<Unit> square;
      for (uint64_t i = 0; i < kLaneCount; ++i) {
        std::memcpy(&square[i], packed + place(unit + i) + row * sizeof(Unit),
                    16);
      }
      transpose<Unit>(square);
      for (uint64_t i = 0; i < kLaneCount; ++i) {
        std::memcpy(rows + (row + i) * stride + unit * sizeof(Unit), &square[i],
                    16);
      }
    }
  }
  for (; unit < count; ++unit) {
    for (uint64_t row = 0; row < kX16Rows; ++row) {
      std::memcpy(rows + row * stride + unit * sizeof(Unit),
                  packed + place(unit) + row * sizeof(Unit), sizeof(Unit));
    }
  }
}

/// A field of a block, with the offsets at which x16 stores its units.
struct PackedField {
  BlockField field;
  std::vector<uint32_t> places; ///< each unit's byte offset in a block column
};

// The structure of a row. If a dtype's block has only one field, the blocks of
// a row form one long run of units, which is packed like one field of one
// block.
struct Shape {
  uint64_t rowBytes = 0;
  uint64_t blocks = 0;
  uint64_t blockBytes = 0;
  std::vector<PackedField> fields;
  uint64_t runUnits = 0; // units per row if a block has one field, otherwise 0
};

Shape shapeOf(DType dtype, uint64_t columns) {
  const DTypeInfo &type = info(dtype);
  assert(columns % type.blockElements == 0);
  Shape shape;
  shape.blocks = columns / type.blockElements;
  shape.blockBytes = type.blockBytes;
  shape.rowBytes = shape.blocks * shape.blockBytes;
  for (const BlockField &field : type.fields) {
    PackedField packed = {field, {}};
    for (uint32_t unit = 0; unit < field.count; ++unit) {
      packed.places.push_back(kX16Rows * x16Offset(dtype, field.name, unit));
    }
    shape.fields.push_back(std::move(packed));
  }
  if (shape.fields.size() == 1) {
    shape.runUnits = shape.blocks * shape.fields[0].field.count;
  }
  return shape;
}

/// Calls body(Unit()), where Unit is the unsigned integer type of `bytes`
/// bytes.
template <typename Body> void withUnit(uint8_t bytes, Body body) {
  switch (bytes) {
  case 1:
    return body(uint8_t());
  case 2:
    return body(uint16_t());
  case 4:
    return body(uint32_t());
  default:
    assert(bytes == 8);
    return body(uint64_t());
  }
}

/// Calls `body` for each field of each block column of 16 rows. If
/// shape.runUnits is not 0, a whole row counts as one block. The arguments are:
///   - the number 0, whose type is the unsigned integer type of the field's
///     units
///   - the byte offset of the field in an unpacked row
///   - the number of units that the field has in one row
///   - the byte offset of the block column in the 16 packed rows
///   - a function from the index of a unit to a byte offset in the packed block
///     column; the units with this index of all 16 rows are stored from there
template <typename Body> void forEachField(const Shape &shape, Body body) {
  if (shape.runUnits != 0) {
    withUnit(shape.fields[0].field.unit, [&](auto unit) {
      body(unit, uint64_t{0}, shape.runUnits, uint64_t{0},
           [](uint64_t i) { return i * kX16Rows * sizeof(unit); });
    });
    return;
  }
  for (uint64_t block = 0; block < shape.blocks; ++block) {
    const uint64_t start = block * shape.blockBytes;
    for (const PackedField &packed : shape.fields) {
      withUnit(packed.field.unit, [&](auto unit) {
        body(unit, start + packed.field.offset, uint64_t{packed.field.count},
             start * kX16Rows,
             [places = packed.places.data()](uint64_t i) { return places[i]; });
      });
    }
  }
}

/// Packing reads rows and writes their packed form; unpacking is the reverse.
enum class Direction : uint8_t { Pack, Unpack };

/// Converts between 16 rows and a block of 16 interleaved rows.
template <Direction direction>
void convertGroup(const Shape &shape, auto *rows, auto *packed) {
  forEachField(shape, [&](auto unit, uint64_t offset, uint64_t count,
                          uint64_t column, auto place) {
    if constexpr (direction == Direction::Pack) {
      packField<decltype(unit)>(rows + offset, shape.rowBytes, count,
                                packed + column, place);
    } else {
      unpackField<decltype(unit)>(packed + column, shape.rowBytes, count,
                                  rows + offset, place);
    }
  });
}

/// Converts between rows and their packed form.
template <Direction direction>
void convertRows(DType dtype, Layout layout, uint64_t rowCount,
                 uint64_t columns, auto rows, auto packed) {
  const Shape shape = shapeOf(dtype, columns);
  assert(rows.size() == rowCount * shape.rowBytes);
  const auto copy = [](auto from, auto to) {
    if (!from.empty()) {
      std::memcpy(to.data(), from.data(), from.size());
    }
  };
  if (layout == Layout::Rows) {
    assert(packed.size() == rows.size());
    if constexpr (direction == Direction::Pack) {
      copy(rows, packed);
    } else {
      copy(packed, rows);
    }
    return;
  }
  const uint64_t groupBytes = shape.rowBytes * kX16Rows;
  assert(packed.size() == ceilDiv(rowCount, kX16Rows) * groupBytes);
  const uint64_t whole = rowCount / kX16Rows;
  for (uint64_t group = 0; group < whole; ++group) {
    convertGroup<direction>(shape, rows.data() + group * groupBytes,
                            packed.data() + group * groupBytes);
  }
  if (whole * kX16Rows != rowCount) {
    // The last rows, padded with rows of zeros to 16 rows.
    std::vector<uint8_t> filled(groupBytes, 0);
    const auto rest = rows.subspan(whole * groupBytes);
    if constexpr (direction == Direction::Pack) {
      copy(rest, std::span(filled));
    }
    convertGroup<direction>(shape, filled.data(),
                            packed.data() + whole * groupBytes);
    if constexpr (direction == Direction::Unpack) {
      copy(std::span(filled).first(rest.size()), rest);
    }
  }
}

} // namespace

void packRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
              std::span<const uint8_t> source, std::span<uint8_t> packed) {
  if (layout == Layout::T16) {
    packT16(dtype, rowCount, columns, source, packed);
    return;
  }
  if (layout == Layout::T16Indices) {
    packT16Indices(dtype, rowCount, columns, source, packed);
    return;
  }
  convertRows<Direction::Pack>(dtype, layout, rowCount, columns, source,
                               packed);
}

void unpackRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
                std::span<const uint8_t> packed, std::span<uint8_t> source) {
  if (layout == Layout::T16) {
    unpackT16(dtype, rowCount, columns, packed, source);
    return;
  }
  if (layout == Layout::T16Indices) {
    unpackT16Indices(dtype, rowCount, columns, packed, source);
    return;
  }
  convertRows<Direction::Unpack>(dtype, layout, rowCount, columns, source,
                                 packed);
}

} // namespace air
