//===- T16.cpp - converts between a dtype's blocks and T16 units ----------===//
#include "formats/plan/T16.h"

#include "formats/plan/T16Blocks.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <array>
#include <cassert>
#include <cstring>
#include <string>

namespace air {
namespace {

struct Row {
  DType dtype;
  T16Unit unit;
};

/// The number of bytes that a lane reads from each plane.
constexpr uint32_t kPlaneBytesOfLane = 16;

constexpr std::array<Row, 29> kUnits = {{
    {DType::F32, {64, 4096, 8, 0, 0, 0, 0}},
    {DType::F16, {64, 2048, 4, 0, 0, 0, 0}},
    {DType::Q4_0, {128, 1152, 2, 0, 1024, 0, 0}},
    {DType::Q4_1, {256, 2560, 4, 0, 2048, 2304, 0}},
    {DType::Q5_0, {256, 2816, 4, 2048, 2560, 0, 0}},
    {DType::Q5_1, {256, 3072, 4, 2048, 2560, 2816, 0}},
    {DType::Q8_0, {128, 2176, 4, 0, 2048, 0, 0}},
    {DType::Q2_K, {256, 1344, 2, 0, 1024, 0, 1280}},
    {DType::Q3_K, {256, 1824, 2, 1024, 1536, 0, 1792}},
    {DType::Q4_K, {256, 2368, 4, 0, 2048, 2176, 2304}},
    {DType::Q5_K, {256, 2880, 4, 2048, 2560, 2688, 2816}},
    {DType::Q6_K, {256, 3360, 6, 0, 3072, 0, 3328}},
    {DType::IQ2_XXS, {256, 1632, 3, 0, 1536, 0, 1600}},
    {DType::IQ2_XS, {256, 1696, 3, 0, 1536, 0, 1664}},
    {DType::IQ3_XXS, {256, 2144, 4, 0, 2048, 0, 2112}},
    {DType::IQ1_S, {256, 1120, 2, 0, 1024, 0, 1088}},
    {DType::IQ4_NL, {128, 1152, 2, 0, 1024, 0, 0}},
    {DType::IQ3_S, {256, 2144, 4, 0, 2048, 0, 2112}},
    {DType::IQ2_S, {256, 1696, 3, 0, 1536, 0, 1664}},
    {DType::IQ4_XS, {256, 2208, 4, 0, 2048, 0, 2176}},
    {DType::F64, {32, 4096, 8, 0, 0, 0, 0}},
    {DType::IQ1_M, {256, 1248, 2, 1024, 1088, 0, 1216}},
    {DType::BF16, {64, 2048, 4, 0, 0, 0, 0}},
    {DType::TQ1_0, {256, 1152, 2, 0, 1024, 0, 0}},
    {DType::TQ2_0, {256, 1152, 2, 0, 1024, 0, 0}},
    {DType::MXFP4, {128, 1088, 2, 0, 1024, 0, 0}},
    {DType::NVFP4, {256, 2304, 4, 0, 2048, 0, 0}},
    {DType::Q1_0, {256, 1152, 2, 0, 1024, 0, 0}},
    {DType::Q2_0, {256, 1152, 2, 0, 1024, 0, 0}},
}};

const Row *find(DType dtype) {
  for (const Row &row : kUnits) {
    if (row.dtype == dtype) {
      return &row;
    }
  }
  return nullptr;
}

/// The place of a bit field in a unit.
struct Place {
  uint32_t byte;
  uint32_t shift;
  uint32_t bits;
};

/// The place of a code in a plane. The code belongs to one of the 16 rows of a
/// tile, and to one of 32 consecutive columns.
struct Position {
  uint32_t lane;
  /// The index of one of the lane's 4 words. Its bit 0 is set for rows 8 to 15
  /// of the tile, and its bit 1 for the lane's second group of four columns.
  uint32_t word;
  uint32_t four; ///< the column's index in its group of four
};

/// Returns the position of the code at `row` and `column`. If `halves`, columns
/// have the order "halves" (T16.h); otherwise, they have the order "octets".
Position positionOf(uint32_t row, uint32_t column, bool halves) {
  const uint32_t quad = halves ? (column / 4) % 4 : column / 8;
  const uint32_t fours = halves ? column / 16 : (column / 4) % 2;
  return {(row % 8) * 4 + quad, row / 8 + 2 * fours, column % 4};
}

uint32_t byteOfFour(uint32_t four) { return (four & 1) * 2 + four / 2; }

Place nibblePlace(uint32_t row, uint32_t column, bool halves,
                  bool straight = false) {
  const Position at = positionOf(row, column % 32, halves);
  return {column / 64 * 512 + at.lane * 16 + at.word * 4 +
              (straight ? at.four : byteOfFour(at.four)),
          (column / 32) % 2 * 4, 4};
}

Place bytePlace(uint32_t row, uint32_t column) {
  const Position at = positionOf(row, column % 32, false);
  return {column / 32 * 512 + at.lane * 16 + at.word * 4 + byteOfFour(at.four),
          0, 8};
}

/// The place of the fifth bit of a code.
Place fifthBitPlace(const T16Unit &unit, uint32_t row, uint32_t column) {
  const Position at = positionOf(row, column % 32, false);
  const uint32_t high = (column / 32) % 2;
  const uint32_t first = at.four / 2 == 0 ? 4 + 4 * high : 12 - 12 * high;
  const uint32_t bit = (at.four & 1) * 16 + first + at.word;
  return {unit.upperOffset + at.lane * 16 + column / 64 * 4 + bit / 8, bit % 8,
          1};
}

/// The places of the lower four bits of a 6-bit code and of its upper two bits.
/// T16.h describes the planes of the kind "sixes".
struct SixBitPlaces {
  Place lower, upper;
};
SixBitPlaces sixBitPlaces(uint32_t row, uint32_t column) {
  const Position at = positionOf(row, column % 32, true);
  // Four mma multiply 64 columns. The codes are their operands a0 to a3
  // (T16.h). This code is in operand number `operand` of mma number `mma`.
  const uint32_t mma = column / 16 % 4;
  const uint32_t operand = at.word % 2 + at.four / 2 * 2;
  const uint32_t run = column / 64;
  const auto place = [&](uint32_t word, uint32_t first, uint32_t bits) {
    const uint32_t plane = word < 4 ? run : 4 + run / 2;
    const uint32_t at4 = word < 4 ? word : run % 2 * 2 + word - 4;
    const uint32_t bit = at.four % 2 * 16 + first;
    return Place{plane * 512 + at.lane * 16 + at4 * 4 + bit / 8, bit % 8, bits};
  };
  if (mma == 3) {
    const uint32_t word = operand / 2 * 3;
    return {place(word + operand % 2, 0, 4),
            place(word + 2, operand % 2 * 2, 2)};
  }
  const bool atTop = mma == 2 || (mma == 1 && operand >= 2);
  const uint32_t word = mma == 1 ? 4 + operand % 2 : operand;
  return {place(word, atTop ? 10 : 4, 4), place(word, atTop ? 14 : 8, 2)};
}

/// The place of a 2-bit code in the planes of the kind pairs (T16.h).
Place pairPlace(uint32_t row, uint32_t column, bool halves) {
  const Position at = positionOf(row, column % 32, halves);
  return {column / 128 * 512 + at.lane * 16 + at.word * 4 + byteOfFour(at.four),
          column / 32 % 4 * 2, 2};
}

/// The place of the upper bit of a Q3_K code. T16.h describes these bits as
/// "third bits".
Place thirdBitPlace(const T16Unit &unit, uint32_t row, uint32_t column) {
  const Position at = positionOf(row, column % 32, true);
  const uint32_t word = column / 128 * 2 + at.word % 2;
  const uint32_t first =
      column / 32 % 4 * 2 + 2 + at.word / 2 + at.four / 2 * 8;
  const uint32_t bit = (at.four & 1) * 16 + first % 16;
  return {unit.upperOffset + at.lane * 16 + word * 4 + bit / 8, bit % 8, 1};
}

/// The place of one or all bits of a selector, the 3-bit code of an element of
/// IQ2 (T16.h). A unit has eight blocks of 32 columns. In blocks 0 to 5, the
/// three bits of a selector are the lower three bits of a nibble. The result is
/// then the place of all three, and `plane` is ignored. In blocks 6 and 7, each
/// bit is in another plane: bit i is the upper bit of a nibble in plane i. The
/// result is then the place of the bit that is in the plane with index `plane`.
Place selectorPlace(uint32_t row, uint32_t column, bool halves,
                    uint32_t plane) {
  const Position at = positionOf(row, column % 32, halves);
  const uint32_t block = column / 32;
  const bool spread = block >= 6;
  const uint32_t bit =
      block % 2 * 16 + byteOfFour(at.four) * 4 + (spread ? 3 : 0);
  return {(spread ? plane : block / 2) * 512 + at.lane * 16 + at.word * 4 +
              bit / 8,
          bit % 8, spread ? 1U : 3U};
}

/// The place of a 4-bit scale. A row has `count` of them. In each word, the low
/// nibbles hold the first four scales and the high nibbles the next four.
Place nibbleScalePlace(const T16Unit &unit, uint32_t row, uint32_t index,
                       uint32_t count) {
  return {unit.scaleOffset + (row % 8 * 2 + row / 8) * count / 2 +
              index / 8 * 4 + index % 4,
          index / 4 % 2 * 4, 4};
}

/// The place of an offset of IQ1_M, which 8 columns share.
Place offsetPlace(const T16Unit &unit, uint32_t row, uint32_t index) {
  const uint32_t block = index / 4;
  const uint32_t bit =
      index % 4 / 2 * 16 + block / 4 * 8 + block % 4 * 2 + row / 8;
  return {unit.upperOffset + row % 8 * 8 + index % 2 * 4 + bit / 8, bit % 8, 1};
}

/// moveByte and moveHalf copy a value, which is a byte or 16 bits in
/// little-endian order, into a unit when packing and out of it when unpacking.
template <bool Packing> void moveByte(uint8_t *unit, uint8_t &value) {
  if (Packing) {
    *unit = value;
  } else {
    value = *unit;
  }
}

template <bool Packing> void moveHalf(uint8_t *unit, uint16_t &value) {
  if (Packing) {
    unit[0] = static_cast<uint8_t>(value);
    unit[1] = static_cast<uint8_t>(value >> 8);
  } else {
    value = static_cast<uint16_t>(unit[0] | unit[1] << 8);
  }
}

template <bool Packing, typename Code>
void moveBits(uint8_t *unit, Place place, uint32_t fromBit, Code &code) {
  const uint32_t mask = (1U << place.bits) - 1;
  if (Packing) {
    unit[place.byte] |=
        static_cast<uint8_t>((code >> fromBit & mask) << place.shift);
  } else {
    code = static_cast<Code>(code | (unit[place.byte] >> place.shift & mask)
                                        << fromBit);
  }
}

/// The offset, in bytes, of a 16-bit element in a unit, which consists of
/// planes of the kind "words" (T16.h).
uint32_t wordByte(uint32_t row, uint32_t column) {
  const Position at = positionOf(row, column % 32, false);
  return (column / 32 * 2 + at.word / 2) * 512 + at.lane * kPlaneBytesOfLane +
         at.four / 2 * 8 + at.word % 2 * 4 + at.four % 2 * 2;
}

/// Packs or unpacks the 16-bit part with index `half` of an element that has
/// `halves` such parts. A lane's 8 adjacent columns of a row are in `halves`
/// successive planes.
template <bool Packing>
void moveElementHalf(uint8_t *unit, uint32_t row, uint32_t column,
                     uint32_t halves, uint32_t half, uint16_t &value) {
  const uint32_t byte = (column % 8 * halves + half) * 2;
  const uint32_t plane =
      (column / 32 * 2 + row / 8) * halves + byte / kPlaneBytesOfLane;
  moveHalf<Packing>(unit + plane * 512 +
                        ((row % 8) * 4 + column % 32 / 8) * kPlaneBytesOfLane +
                        byte % kPlaneBytesOfLane,
                    value);
}

template <bool Packing>
void moveCodes(DType dtype, const T16Unit &shape, uint8_t *unit, uint32_t row,
               T16Parts &parts) {
  for (uint32_t column = 0; column < shape.columns; ++column) {
    uint16_t &code = parts.codes[column];
    switch (dtype) {
    case DType::F16:
    case DType::BF16:
      moveHalf<Packing>(unit + wordByte(row, column), code);
      break;
    case DType::F32:
    case DType::F64: {
      const uint32_t halves = info(dtype).blockBytes / 2;
      for (uint32_t half = 0; half < halves; ++half) {
        moveElementHalf<Packing>(unit, row, column, halves, half,
                                 parts.codes[column * halves + half]);
      }
      break;
    }
    case DType::Q8_0:
      moveBits<Packing>(unit, bytePlace(row, column), 0, code);
      break;
    case DType::Q2_K:
    case DType::IQ1_M:
      moveBits<Packing>(unit, pairPlace(row, column, true), 0, code);
      break;
    case DType::IQ1_S:
    case DType::TQ1_0:
    case DType::TQ2_0:
    case DType::Q1_0:
    case DType::Q2_0:
      moveBits<Packing>(unit, pairPlace(row, column, false), 0, code);
      break;
    case DType::IQ2_XXS:
    case DType::IQ2_XS:
    case DType::IQ2_S: {
      const bool halves = dtype != DType::IQ2_XXS;
      for (uint32_t plane = 0; plane < (column < 192 ? 1U : 3U); ++plane) {
        moveBits<Packing>(unit, selectorPlace(row, column, halves, plane),
                          plane, code);
      }
      break;
    }
    case DType::NVFP4:
      moveBits<Packing>(unit, nibblePlace(row, column, true), 0, code);
      break;
    case DType::Q3_K:
      moveBits<Packing>(unit, pairPlace(row, column, true), 0, code);
      moveBits<Packing>(unit, thirdBitPlace(shape, row, column), 2, code);
      break;
    case DType::Q6_K:
      moveBits<Packing>(unit, sixBitPlaces(row, column).lower, 0, code);
      moveBits<Packing>(unit, sixBitPlaces(row, column).upper, 4, code);
      break;
    case DType::Q5_0:
    case DType::Q5_1:
    case DType::Q5_K:
      moveBits<Packing>(unit, nibblePlace(row, column, false), 0, code);
      moveBits<Packing>(unit, fifthBitPlace(shape, row, column), 4, code);
      break;
    case DType::IQ4_NL:
    case DType::IQ4_XS:
    case DType::IQ3_XXS:
      moveBits<Packing>(unit, nibblePlace(row, column, false, true), 0, code);
      break;
    default:
      moveBits<Packing>(unit, nibblePlace(row, column, false), 0, code);
      break;
    }
  }
}

/// Packs or unpacks d and dmin of dtypes that have both.
template <bool Packing>
void moveSuper(const T16Unit &shape, uint8_t *unit, uint32_t row,
               T16Parts &parts) {
  uint8_t *at = unit + shape.superOffset + row % 8 * 8 + row / 8 * 4;
  moveHalf<Packing>(at, parts.d[0]);
  moveHalf<Packing>(at + 2, parts.dmin);
}

template <bool Packing>
void moveScales(DType dtype, const T16Unit &shape, uint8_t *unit, uint32_t row,
                T16Parts &parts) {
  const uint32_t g = row % 8;
  const uint32_t second = row / 8;
  switch (dtype) {
  case DType::Q4_0:
  case DType::Q8_0:
  case DType::IQ4_NL:
  case DType::TQ1_0:
  case DType::TQ2_0:
  case DType::Q1_0:
  case DType::Q2_0:
    for (uint32_t block = 0; block < 4; ++block) {
      moveHalf<Packing>(unit + shape.scaleOffset + g * 16 + block * 4 +
                            second * 2,
                        parts.d[block]);
    }
    break;
  case DType::Q4_1:
  case DType::Q5_0:
  case DType::Q5_1:
    for (uint32_t block = 0; block < 8; ++block) {
      moveHalf<Packing>(unit + shape.scaleOffset + g * 32 + block * 4 +
                            second * 2,
                        parts.d[block]);
      if (shape.minimumOffset != 0) {
        moveHalf<Packing>(unit + shape.minimumOffset + g * 32 + block / 2 * 8 +
                              second * 4 + block % 2 * 2,
                          parts.m[block]);
      }
    }
    break;
  case DType::IQ4_XS:
    for (uint32_t block = 0; block < 8; ++block) {
      moveByte<Packing>(unit + shape.scaleOffset + g * 16 + second * 8 + block,
                        parts.scales[block]);
    }
    moveHalf<Packing>(unit + shape.superOffset + g * 4 + second * 2,
                      parts.d[0]);
    break;
  case DType::MXFP4:
    for (uint32_t block = 0; block < 4; ++block) {
      moveByte<Packing>(unit + shape.scaleOffset + g * 8 + block * 2 + second,
                        parts.scales[block]);
    }
    break;
  case DType::Q4_K:
  case DType::Q5_K:
    for (uint32_t block = 0; block < 8; ++block) {
      moveByte<Packing>(unit + shape.scaleOffset + g * 16 + second * 8 + block,
                        parts.scales[block]);
      moveByte<Packing>(unit + shape.minimumOffset + g * 16 + block / 2 * 4 +
                            second * 2 + block % 2,
                        parts.minima[block]);
    }
    moveSuper<Packing>(shape, unit, row, parts);
    break;
  case DType::IQ1_S:
  case DType::IQ1_M:
  case DType::IQ2_XXS:
  case DType::IQ2_XS:
  case DType::IQ2_S:
  case DType::IQ3_XXS:
  case DType::IQ3_S: {
    const uint32_t count = t16ScaleCount(dtype);
    for (uint32_t i = 0; i < count; ++i) {
      moveBits<Packing>(unit, nibbleScalePlace(shape, row, i, count), 0,
                        parts.scales[i]);
    }
    if (dtype == DType::IQ1_M) {
      for (uint32_t i = 0; i < 32; ++i) {
        moveBits<Packing>(unit, offsetPlace(shape, row, i), 0,
                          parts.offsets[i]);
      }
    }
    moveHalf<Packing>(unit + shape.superOffset + g * 4 + second * 2,
                      parts.d[0]);
    break;
  }
  case DType::Q2_K:
  case DType::Q3_K:
  case DType::Q6_K:
  case DType::NVFP4:
    for (uint32_t block = 0; block < 16; ++block) {
      moveByte<Packing>(unit + shape.scaleOffset + g * 32 + second * 16 + block,
                        parts.scales[block]);
    }
    if (dtype == DType::Q2_K) {
      moveSuper<Packing>(shape, unit, row, parts);
    } else if (shape.superOffset != 0) {
      moveHalf<Packing>(unit + shape.superOffset + g * 4 + second * 2,
                        parts.d[0]);
    }
    break;
  default:
    break;
  }
}

} // namespace

Result<T16Unit> t16Unit(DType dtype) {
  if (const Row *row = find(dtype)) {
    return row->unit;
  }
  return unsupportedError("layout t16 does not support dtype " +
                          std::string(info(dtype).name));
}

std::span<const DType> t16DTypes() {
  static constexpr std::array<DType, kUnits.size()> dtypes = [] {
    std::array<DType, kUnits.size()> list{};
    for (size_t i = 0; i < kUnits.size(); ++i) {
      list[i] = kUnits[i].dtype;
    }
    return list;
  }();
  return dtypes;
}

uint64_t t16UnitsPerTile(const T16Unit &unit, uint64_t columns) {
  return columns / unit.columns + (columns % unit.columns != 0 ? 1 : 0);
}

Result<uint64_t> t16Bytes(DType dtype, uint64_t rows, uint64_t columns) {
  AIR_ASSIGN_OR_RETURN(const T16Unit unit, t16Unit(dtype));
  return t16UnitBytes(unit, dtype, rows, columns);
}

Result<uint64_t> t16UnitBytes(const T16Unit &unit, DType dtype, uint64_t rows,
                              uint64_t columns) {
  AIR_ASSIGN_OR_RETURN(const uint64_t sourceRow, rowBytes(dtype, columns));
  (void)sourceRow;
  const uint64_t tiles = rows / kT16Rows + (rows % kT16Rows != 0 ? 1 : 0);
  const std::optional<uint64_t> units =
      checkedMul(tiles, t16UnitsPerTile(unit, columns));
  const std::optional<uint64_t> bytes =
      units ? checkedMul(*units, unit.bytes) : std::nullopt;
  if (!bytes) {
    return corruptError("a matrix of " + countOf(rows, "row") + " and " +
                        countOf(columns, "column") +
                        " takes 2^64 bytes or more");
  }
  return *bytes;
}

// If this function is changed so that it writes other bytes, kT16Revision in
// compiler/emit/PackedSegments.h must be raised.
void packT16(DType dtype, uint64_t rows, uint64_t columns,
             std::span<const uint8_t> source, std::span<uint8_t> packed) {
  const Row *record = find(dtype);
  assert(record &&
         "layout t16 does not support the dtype; t16Unit must refuse it");
  const T16Unit &shape = record->unit;
  const DTypeInfo &type = info(dtype);
  const uint64_t units = t16UnitsPerTile(shape, columns);
  const uint64_t blocks = columns / type.blockElements;
  const uint64_t unitBlocks = shape.columns / type.blockElements;
  assert(source.size() == rows * blocks * type.blockBytes);
  std::memset(packed.data(), 0, packed.size());
  for (uint64_t tile = 0; tile * kT16Rows < rows; ++tile) {
    for (uint64_t u = 0; u < units; ++u) {
      uint8_t *unit = packed.data() + (tile * units + u) * shape.bytes;
      for (uint32_t r = 0; r < kT16Rows; ++r) {
        const uint64_t row = tile * kT16Rows + r;
        T16Parts parts;
        for (uint64_t b = 0; b < unitBlocks; ++b) {
          const uint64_t block = u * unitBlocks + b;
          static constexpr std::array<uint8_t, 256> zeros{};
          const bool inside = row < rows && block < blocks;
          readT16Block(dtype,
                       inside ? source.data() +
                                    (row * blocks + block) * type.blockBytes
                              : zeros.data(),
                       static_cast<uint32_t>(b), parts);
        }
        moveCodes<true>(dtype, shape, unit, r, parts);
        moveScales<true>(dtype, shape, unit, r, parts);
      }
    }
  }
}

void unpackT16(DType dtype, uint64_t rows, uint64_t columns,
               std::span<const uint8_t> packed, std::span<uint8_t> source) {
  const Row *record = find(dtype);
  assert(record &&
         "layout t16 does not support the dtype; t16Unit must refuse it");
  const T16Unit &shape = record->unit;
  const DTypeInfo &type = info(dtype);
  const uint64_t units = t16UnitsPerTile(shape, columns);
  const uint64_t blocks = columns / type.blockElements;
  const uint64_t unitBlocks = shape.columns / type.blockElements;
  assert(source.size() == rows * blocks * type.blockBytes);
  for (uint64_t row = 0; row < rows; ++row) {
    const uint64_t tile = row / kT16Rows;
    const auto r = static_cast<uint32_t>(row % kT16Rows);
    for (uint64_t u = 0; u < units; ++u) {
      // moveCodes and moveScales serve both directions and so take a mutable
      // unit, but when unpacking they only read it.
      auto *unit = const_cast<uint8_t *>(packed.data()) +
                   (tile * units + u) * shape.bytes;
      T16Parts parts;
      moveCodes<false>(dtype, shape, unit, r, parts);
      moveScales<false>(dtype, shape, unit, r, parts);
      for (uint64_t b = 0; b < unitBlocks; ++b) {
        const uint64_t block = u * unitBlocks + b;
        if (block < blocks) {
          writeT16Block(dtype, parts, static_cast<uint32_t>(b),
                        source.data() +
                            (row * blocks + block) * type.blockBytes);
        }
      }
    }
  }
}

} // namespace air
