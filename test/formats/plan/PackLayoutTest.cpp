//===- PackLayoutTest.cpp - layouts permute bytes and nothing else --------===//
#include "formats/plan/PackLayout.h"

#include "test/formats/RandomBytes.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

namespace air {
namespace {

using Bytes = std::vector<uint8_t>;
using test::randomBytes;

struct Units {
  std::string field;
  uint64_t first;
  uint64_t end;
};

// The order of the units of a block in x16, as the table in docs/plan-format.md
// states it: "qs" stands for all units of a field, and "qs[4:8]" for units 4 to
// 7. Dtypes that are not listed keep the order of their fields.
struct Order {
  DType dtype;
  const char *units;
};
constexpr Order kOrders[] = {
    {DType::Q2_K, "d dmin scales[0:2] qs[0:8] scales[2:4] qs[8:16]"},
    {DType::Q3_K, "d scales hmask qs"},
    {DType::Q6_K, "d "
                  "scales[0:2] ql[0:4] ql[8:12] qh[0:4] "
                  "ql[4:8] ql[12:16] qh[4:8] "
                  "scales[2:4] ql[16:20] ql[24:28] qh[8:12] "
                  "ql[20:24] ql[28:32] qh[12:16]"},
    {DType::IQ1_S, "d qh[0:1] qs[0:2] qh[1:2] qs[2:4] "
                   "qh[2:3] qs[4:6] qh[3:4] qs[6:8]"},
    {DType::IQ1_M, "scales qh[0:1] qs[0:2] qh[1:2] qs[2:4] "
                   "qh[2:3] qs[4:6] qh[3:4] qs[6:8]"},
    {DType::IQ2_XS, "d scales qs"},
    {DType::IQ2_S, "d scales qh "
                   "signs[0:1] qs[0:1] signs[1:2] qs[1:2] "
                   "signs[2:3] qs[2:3] signs[3:4] qs[3:4] "
                   "signs[4:5] qs[4:5] signs[5:6] qs[5:6] "
                   "signs[6:7] qs[6:7] signs[7:8] qs[7:8]"},
    {DType::IQ3_XXS, "d gas[0:1] qs[0:2] gas[1:2] qs[2:4] "
                     "gas[2:3] qs[4:6] gas[3:4] qs[6:8] "
                     "gas[4:5] qs[8:10] gas[5:6] qs[10:12] "
                     "gas[6:7] qs[12:14] gas[7:8] qs[14:16]"},
    {DType::IQ3_S, "d scales qh signs[0:1] qs[0:2] signs[1:2] qs[2:4] "
                   "signs[2:3] qs[4:6] signs[3:4] qs[6:8] "
                   "signs[4:5] qs[8:10] signs[5:6] qs[10:12] "
                   "signs[6:7] qs[12:14] signs[7:8] qs[14:16]"},
    {DType::TQ1_0, "d qs qh"},
    {DType::TQ2_0, "d qs"},
};

std::vector<Units> unitsInOrder(const DTypeInfo &type) {
  std::vector<Units> order;
  const auto *listed = std::ranges::find(kOrders, type.id, &Order::dtype);
  if (listed == std::end(kOrders)) {
    for (const BlockField &field : type.fields) {
      order.push_back({field.name, 0, field.count});
    }
    return order;
  }
  std::istringstream words(listed->units);
  for (std::string word; words >> word;) {
    const size_t bracket = word.find('[');
    Units units = {word.substr(0, bracket), 0, 0};
    if (bracket != std::string::npos) {
      units.first = std::stoull(word.substr(bracket + 1));
      units.end = std::stoull(word.substr(word.find(':') + 1));
    } else {
      units.end =
          std::ranges::find_if(type.fields, [&](const BlockField &field) {
            return field.name == units.field;
          })->count;
    }
    order.push_back(units);
  }
  return order;
}

// Packs a matrix byte by byte, as docs/plan-format.md defines the layout x16.
Bytes packByDefinition(const DTypeInfo &type, uint64_t rows, uint64_t blocks,
                       const Bytes &source) {
  const std::vector<Units> order = unitsInOrder(type);
  Bytes packed;
  for (uint64_t first = 0; first < rows; first += kX16Rows) {
    for (uint64_t block = 0; block < blocks; ++block) {
      for (const Units &units : order) {
        const BlockField field =
            *std::ranges::find_if(type.fields, [&](const BlockField &f) {
              return f.name == units.field;
            });
        for (uint64_t unit = units.first; unit < units.end; ++unit) {
          for (uint64_t row = first; row < first + kX16Rows; ++row) {
            for (uint64_t byte = 0; byte < field.unit; ++byte) {
              const uint64_t at = (row * blocks + block) * type.blockBytes +
                                  field.offset + unit * field.unit + byte;
              packed.push_back(row < rows ? source[at] : 0);
            }
          }
        }
      }
    }
  }
  return packed;
}

// For every weight dtype, packs matrices with complete and incomplete row
// blocks, and compares the bytes with those of packByDefinition().
TEST(PackLayout, X16IsItsDefinitionAndUnpacks) {
  int cases = 0;
  for (const DTypeInfo &type : allDTypes()) {
    if (!type.isWeight) {
      continue;
    }
    for (const uint64_t rows : {1, 2, 15, 16, 17, 31, 48, 67}) {
      for (const uint64_t blocks : {1, 2, 3, 7, 8, 19}) {
        const Bytes source =
            randomBytes(rows * blocks * type.blockBytes, rows * 1000 + blocks);
        const Bytes expected = packByDefinition(type, rows, blocks, source);
        Bytes packed(expected.size(), 0xEE);
        const uint64_t columns = blocks * type.blockElements;
        packRows(type.id, Layout::X16, rows, columns, source, packed);
        ASSERT_EQ(packed, expected)
            << type.name << ' ' << rows << 'x' << blocks;
        Bytes unpacked(source.size(), 0xEE);
        unpackRows(type.id, Layout::X16, rows, columns, packed, unpacked);
        ASSERT_EQ(unpacked, source)
            << type.name << ' ' << rows << 'x' << blocks;
        ++cases;
      }
    }
  }
  // 29 weight dtypes, eight row counts and six column counts were compared.
  EXPECT_EQ(cases, 29 * 48);
}

TEST(PackLayout, RowsIsACopy) {
  for (const DTypeInfo &type : allDTypes()) {
    if (!type.isWeight) {
      continue;
    }
    const Bytes source = randomBytes(5 * 3 * type.blockBytes, 7);
    Bytes packed(source.size(), 0xEE);
    packRows(type.id, Layout::Rows, 5, 3 * type.blockElements, source, packed);
    EXPECT_EQ(packed, source) << type.name;
    Bytes unpacked(source.size(), 0xEE);
    unpackRows(type.id, Layout::Rows, 5, 3 * type.blockElements, packed,
               unpacked);
    EXPECT_EQ(unpacked, source) << type.name;
  }
}

TEST(PackLayout, PaddingRowsAreZeroAndPackingAGroupAtATimeIsTheSame) {
  const DTypeInfo &type = info(DType::Q6_K);
  const uint64_t rows = 53;
  const uint64_t columns = 2 * type.blockElements;
  const uint64_t rowSize = 2 * type.blockBytes;
  const Bytes source = randomBytes(rows * rowSize, 3);
  Bytes whole(64 * rowSize, 0xEE);
  packRows(type.id, Layout::X16, rows, columns, source, whole);
  Bytes pieces;
  for (uint64_t first = 0; first < rows; first += 16) {
    const uint64_t count = std::min<uint64_t>(16, rows - first);
    Bytes piece(16 * rowSize, 0xEE);
    packRows(type.id, Layout::X16, count, columns,
             std::span(source).subspan(first * rowSize, count * rowSize),
             piece);
    pieces.insert(pieces.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(whole, pieces);
  Bytes all(64 * rowSize, 0xEE);
  unpackRows(type.id, Layout::X16, 64, columns, whole, all);
  EXPECT_TRUE(std::equal(source.begin(), source.end(), all.begin()));
  EXPECT_TRUE(std::all_of(all.begin() + rows * rowSize, all.end(),
                          [](uint8_t byte) { return byte == 0; }));
}

// The expected bytes were worked out by hand for three rows of one Q4_0 block
// each (2 bytes of d, 16 bytes of nibbles). Row r has d = {r, 0x80}, and nibble
// byte i is 16 r + i.
TEST(PackLayout, Q4x0GroupOf16ByHand) {
  Bytes source;
  for (uint8_t row = 0; row < 3; ++row) {
    source.push_back(row);
    source.push_back(0x80);
    for (uint8_t i = 0; i < 16; ++i) {
      source.push_back(uint8_t(16 * row + i));
    }
  }
  Bytes packed(288, 0xEE);
  packRows(DType::Q4_0, Layout::X16, 3, 32, source, packed);

  Bytes expected(288, 0);
  const Bytes scales = {0x00, 0x80, 0x01, 0x80, 0x02, 0x80};
  const Bytes unit0 = {0x00, 0x01, 0x02, 0x03, 0x10, 0x11,
                       0x12, 0x13, 0x20, 0x21, 0x22, 0x23};
  const Bytes unit1 = {0x04, 0x05, 0x06, 0x07, 0x14, 0x15,
                       0x16, 0x17, 0x24, 0x25, 0x26, 0x27};
  const Bytes unit2 = {0x08, 0x09, 0x0a, 0x0b, 0x18, 0x19,
                       0x1a, 0x1b, 0x28, 0x29, 0x2a, 0x2b};
  const Bytes unit3 = {0x0c, 0x0d, 0x0e, 0x0f, 0x1c, 0x1d,
                       0x1e, 0x1f, 0x2c, 0x2d, 0x2e, 0x2f};
  std::copy(scales.begin(), scales.end(), expected.begin());
  std::copy(unit0.begin(), unit0.end(), expected.begin() + 32);
  std::copy(unit1.begin(), unit1.end(), expected.begin() + 96);
  std::copy(unit2.begin(), unit2.end(), expected.begin() + 160);
  std::copy(unit3.begin(), unit3.end(), expected.begin() + 224);
  EXPECT_EQ(packed, expected);
}

} // namespace
} // namespace air
