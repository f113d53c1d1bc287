//===- PackLayout.cpp - packs and unpacks layouts -------------------------===//
//
// Packing to x16 is a transposition. A block column consists of the blocks that
// 16 rows have at the same position. In every block column, a field of the
// blocks (DType.h, BlockField) is a 16 x count matrix of units, stored row by
// row in the source and unit by unit in the packed layout. With N units per
// 16-byte vector, N rows of N units are transposed in log2(N) rounds of
// interleaving. The compiler uses the host's vector instructions for this where
// they exist.
//
//===----------------------------------------------------------------------===//
#include "codegen/layout/PackLayout.h"

#include "formats/support/CheckedMath.h"

#include <array>
#include <cassert>
#include <cstring>
#include <vector>

namespace air::codegen {
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
// rounds exchange the vector number with the lane number.
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
// rows are `stride` bytes apart. `packed` receives count * 16 units.
template <typename Unit>
void packField(const uint8_t *rows, uint64_t stride, uint64_t count,
               uint8_t *packed) {
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
        std::memcpy(packed + ((unit + i) * kX16Rows + row) * sizeof(Unit),
                    &square[i], 16);
      }
    }
  }
  for (; unit < count; ++unit) {
    for (uint64_t row = 0; row < kX16Rows; ++row) {
      std::memcpy(packed + (unit * kX16Rows + row) * sizeof(Unit),
                  rows + row * stride + unit * sizeof(Unit), sizeof(Unit));
    }
  }
}

template <typename Unit>
void unpackField(const uint8_t *packed, uint64_t stride, uint64_t count,
                 uint8_t *rows) {
  constexpr uint64_t kLaneCount = kLanes<Unit>;
  uint64_t unit = 0;
  for (; unit + kLaneCount <= count; unit += kLaneCount) {
    for (uint64_t row = 0; row < kX16Rows; row += kLaneCount) {
      Square<Unit> square;
      for (uint64_t i = 0; i < kLaneCount; ++i) {
        std::memcpy(&square[i],
                    packed + ((unit + i) * kX16Rows + row) * sizeof(Unit), 16);
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
                  packed + (unit * kX16Rows + row) * sizeof(Unit),
                  sizeof(Unit));
    }
  }
}

// The structure of a row. If a dtype's block has only one field, the blocks of
// a row form one long run of units, which is packed like one field of one
// block.
struct Shape {
  uint64_t rowBytes = 0;
  uint64_t blocks = 0;
  uint64_t blockBytes = 0;
  std::vector<BlockField> fields;
  uint64_t runUnits = 0; // units per row if a block has one field, otherwise 0
};

Shape shapeOf(DType dtype, uint64_t columns) {
  const DTypeInfo &type = info(dtype);
  assert(columns % type.blockElements == 0);
  Shape shape;
  shape.blocks = columns / type.blockElements;
  shape.blockBytes = type.blockBytes;
  shape.rowBytes = shape.blocks * shape.blockBytes;
  shape.fields.assign(type.fields.begin(), type.fields.end());
  if (shape.fields.size() == 1) {
    shape.runUnits = shape.blocks * shape.fields[0].count;
  }
  return shape;
}

void packUnits(uint8_t unit, const uint8_t *rows, uint64_t stride,
               uint64_t count, uint8_t *packed) {
  switch (unit) {
  case 1:
    return packField<uint8_t>(rows, stride, count, packed);
  case 2:
    return packField<uint16_t>(rows, stride, count, packed);
  case 4:
    return packField<uint32_t>(rows, stride, count, packed);
  default:
    assert(unit == 8);
    return packField<uint64_t>(rows, stride, count, packed);
  }
}

void unpackUnits(uint8_t unit, const uint8_t *packed, uint64_t stride,
                 uint64_t count, uint8_t *rows) {
  switch (unit) {
  case 1:
    return unpackField<uint8_t>(packed, stride, count, rows);
  case 2:
    return unpackField<uint16_t>(packed, stride, count, rows);
  case 4:
    return unpackField<uint32_t>(packed, stride, count, rows);
  default:
    assert(unit == 8);
    return unpackField<uint64_t>(packed, stride, count, rows);
  }
}

void packGroup(const Shape &shape, const uint8_t *rows, uint8_t *packed) {
  if (shape.runUnits != 0) {
    return packUnits(shape.fields[0].unit, rows, shape.rowBytes, shape.runUnits,
                     packed);
  }
  for (uint64_t block = 0; block < shape.blocks; ++block) {
    for (const BlockField &field : shape.fields) {
      packUnits(field.unit, rows + block * shape.blockBytes + field.offset,
                shape.rowBytes, field.count, packed);
      packed += uint64_t(field.unit) * field.count * kX16Rows;
    }
  }
}

void unpackGroup(const Shape &shape, const uint8_t *packed, uint8_t *rows) {
  if (shape.runUnits != 0) {
    return unpackUnits(shape.fields[0].unit, packed, shape.rowBytes,
                       shape.runUnits, rows);
  }
  for (uint64_t block = 0; block < shape.blocks; ++block) {
    for (const BlockField &field : shape.fields) {
      unpackUnits(field.unit, packed, shape.rowBytes, field.count,
                  rows + block * shape.blockBytes + field.offset);
      packed += uint64_t(field.unit) * field.count * kX16Rows;
    }
  }
}

} // namespace

void packRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
              std::span<const uint8_t> source, std::span<uint8_t> packed) {
  const Shape shape = shapeOf(dtype, columns);
  assert(source.size() == rowCount * shape.rowBytes);
  if (layout == Layout::Rows) {
    assert(packed.size() == source.size());
    if (!source.empty()) {
      std::memcpy(packed.data(), source.data(), source.size());
    }
    return;
  }
  const uint64_t groupBytes = shape.rowBytes * kX16Rows;
  assert(packed.size() == ceilDiv(rowCount, kX16Rows) * groupBytes);
  const uint64_t whole = rowCount / kX16Rows;
  for (uint64_t group = 0; group < whole; ++group) {
    packGroup(shape, source.data() + group * groupBytes,
              packed.data() + group * groupBytes);
  }
  if (whole * kX16Rows != rowCount) {
    std::vector<uint8_t> filled(groupBytes, 0);
    const std::span<const uint8_t> rest = source.subspan(whole * groupBytes);
    if (!rest.empty()) {
      std::memcpy(filled.data(), rest.data(), rest.size());
    }
    packGroup(shape, filled.data(), packed.data() + whole * groupBytes);
  }
}

void unpackRows(DType dtype, Layout layout, uint64_t rowCount, uint64_t columns,
                std::span<const uint8_t> packed, std::span<uint8_t> source) {
  const Shape shape = shapeOf(dtype, columns);
  assert(source.size() == rowCount * shape.rowBytes);
  if (layout == Layout::Rows) {
    assert(packed.size() == source.size());
    if (!source.empty()) {
      std::memcpy(source.data(), packed.data(), source.size());
    }
    return;
  }
  const uint64_t groupBytes = shape.rowBytes * kX16Rows;
  assert(packed.size() == ceilDiv(rowCount, kX16Rows) * groupBytes);
  const uint64_t whole = rowCount / kX16Rows;
  for (uint64_t group = 0; group < whole; ++group) {
    unpackGroup(shape, packed.data() + group * groupBytes,
                source.data() + group * groupBytes);
  }
  if (whole * kX16Rows != rowCount) {
    std::vector<uint8_t> filled(groupBytes);
    unpackGroup(shape, packed.data() + whole * groupBytes, filled.data());
    const std::span<uint8_t> rest = source.subspan(whole * groupBytes);
    if (!rest.empty()) {
      std::memcpy(rest.data(), filled.data(), rest.size());
    }
  }
}

} // namespace air::codegen
