//===- TileRowsTest.cpp - the bytes of row tiles --------------------------===//
#include "formats/plan/TileRows.h"

#include "formats/dtype/DType.h"
#include "formats/plan/plan_generated.h"

#include <gtest/gtest.h>

using namespace air;

// The matrix is the worked example of docs/plan-format.md, section 4: Q4_0 with
// 20 rows of 36 bytes. In layout x16 it has 2 row blocks of 576 bytes.
TEST(TileRows, ARowBlockCountsWhole) {
  EXPECT_EQ(bytesOfRows(Layout::Rows, 20, 720, {3, 5}),
            (HalfOpenRange{108, 180}));
  EXPECT_EQ(bytesOfRows(Layout::X16, 20, 1152, {3, 5}),
            (HalfOpenRange{0, 576}));
  EXPECT_EQ(bytesOfRows(Layout::X16, 20, 1152, {16, 20}),
            (HalfOpenRange{576, 1152}));
}

TEST(TileRows, PartsReadTheirRowsAndAllOfAVector) {
  auto tensorOf = [](uint64_t rows, uint64_t bytes, Layout layout) {
    plan::TensorT tensor;
    tensor.rows = rows;
    tensor.bytes = bytes;
    tensor.layout = static_cast<uint16_t>(layout);
    return tensor;
  };
  auto read = [&](uint64_t first, uint64_t tiles, const plan::TensorT &tensor) {
    plan::GridT grid;
    grid.base_tiles = 3;
    grid.rows_per_tile = 32;
    grid.first_tile = first;
    grid.tiles = tiles;
    flatbuffers::FlatBufferBuilder builder;
    plan::DispatchT dispatch;
    dispatch.grid = std::make_unique<plan::GridT>(grid);
    builder.Finish(plan::Dispatch::Pack(builder, &dispatch));
    const auto *root =
        flatbuffers::GetRoot<plan::Dispatch>(builder.GetBufferPointer());
    flatbuffers::FlatBufferBuilder other;
    other.Finish(plan::Tensor::Pack(other, &tensor));
    return bytesRead(*root->grid(), *flatbuffers::GetRoot<plan::Tensor>(
                                        other.GetBufferPointer()));
  };
  // 70 rows are 5 row blocks of 100 bytes: two tiles of 2 blocks, and one of 1.
  const plan::TensorT matrix = tensorOf(70, 500, Layout::X16);
  EXPECT_EQ(read(0, 0, matrix), (HalfOpenRange{0, 500}));
  EXPECT_EQ(read(0, 1, matrix), (HalfOpenRange{0, 200}));
  EXPECT_EQ(read(1, 1, matrix), (HalfOpenRange{200, 400}));
  EXPECT_EQ(read(1, 2, matrix), (HalfOpenRange{200, 500}));
  EXPECT_EQ(read(2, 1, tensorOf(70, 140, Layout::Rows)),
            (HalfOpenRange{128, 140}));
  EXPECT_EQ(read(1, 1, tensorOf(1, 280, Layout::Rows)),
            (HalfOpenRange{0, 280}));
}
