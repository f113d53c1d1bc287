//===- DeviceBatchTest.cpp - the arrays of a batch, and their padding -----===//
#include "runtime/exec/DeviceBatch.h"

#include "test/runtime/fake/LateGpu.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

using Words = std::vector<uint32_t>;

/// A batch of three tokens of two sequences, whose block tables have two pages.
class DeviceBatchTest : public testing::Test {
protected:
  DeviceBatchTest() : gpu({}) {
    batch.tokens = 3;
    batch.token_ids = ids;
    batch.positions = positions;
    batch.sequences = sequences;
    batch.block_tables = tables;
    batch.block_table_stride = 2;
  }
  Words read(const DeviceBatch &device, plan::BatchArray array, size_t count) {
    EXPECT_TRUE(gpu.synchronise().isOk());
    Result<const void *> bytes =
        gpu.read(device.addresses()[static_cast<size_t>(array)], 4 * count);
    EXPECT_TRUE(bytes) << bytes.status().message();
    const auto *words = static_cast<const uint32_t *>(*bytes);
    return {words, words + count};
  }

  test::LateGpu gpu;
  const int32_t ids[3] = {7, 8, 9};
  const uint32_t positions[3] = {70, 2, 71};
  const uint32_t sequences[3] = {1, 0, 1};
  const uint32_t tables[4] = {10, 11, 20, 21};
  AirBatch batch = {};
};

BatchSizes sizesOf(uint64_t tokens, uint64_t tablePages) {
  return {.tokens = tokens,
          .outputs = 4,
          .paddedTokens = tokens,
          .tablePages = tablePages};
}

TEST_F(DeviceBatchTest, WritesABatchAndItsPadding) {
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizesOf(8, 2), 99);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  ASSERT_TRUE(device->write(gpu, batch, 5, 0).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 5), (Words{7, 8, 9, 0, 0}));
  EXPECT_EQ(read(*device, BatchArray::Positions, 5), (Words{70, 2, 71, 0, 1}));
  const Words rows = read(*device, BatchArray::BlockTables, 10);
  EXPECT_EQ(Words(rows.begin(), rows.begin() + 6),
            (Words{20, 21, 10, 11, 20, 21}));
  EXPECT_EQ(rows[6], 99U);
  EXPECT_EQ(rows[8], 99U);
  // A program for one token reads only the first elements.
  batch.tokens = 1;
  ASSERT_TRUE(device->write(gpu, batch, 1, 0).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 1), Words{7});
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 2), (Words{20, 21}));
}

// Three tokens of sequence 1, one of sequence 0, and two of sequence 1.
TEST_F(DeviceBatchTest, DividesABatchIntoTiles) {
  const int32_t moreIds[] = {7, 8, 9, 1, 2, 3};
  const uint32_t morePositions[] = {60, 61, 62, 5, 63, 64};
  const uint32_t moreSequences[] = {1, 1, 1, 0, 1, 1};
  batch.tokens = 6;
  batch.token_ids = moreIds;
  batch.positions = morePositions;
  batch.sequences = moreSequences;
  BatchSizes sizes = sizesOf(100, 2);
  sizes.paddedTokens = 8;
  sizes.hasTiles = true;
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizes, 99);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  ASSERT_TRUE(device->write(gpu, batch, 100, 2).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenCount, 1), Words{6});
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 6), (Words{7, 8, 9, 1, 2, 3}));
  EXPECT_EQ(read(*device, BatchArray::Positions, 6),
            (Words{60, 61, 62, 5, 63, 64}));
  EXPECT_EQ(read(*device, BatchArray::Sequences, 6), (Words{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 6),
            (Words{20, 21, 10, 11, 20, 21}));
  EXPECT_EQ(read(*device, BatchArray::TileCount, 1), Words{4});
  // Each tile: its first token, its number of tokens, and its row.
  EXPECT_EQ(read(*device, BatchArray::Tiles, 12),
            (Words{0, 2, 0, 2, 1, 0, 3, 1, 1, 4, 2, 2}));
  ASSERT_TRUE(device->writeOutputs(gpu, Words{2, 5}).isOk());
  EXPECT_EQ(read(*device, BatchArray::OutputCount, 1), Words{2});
  EXPECT_EQ(read(*device, BatchArray::OutputRows, 2), (Words{2, 5}));
  EXPECT_EQ(read(*device, BatchArray::TokenCount, 1), Words{6});
}

// The positions of the padding are in a single page.
TEST_F(DeviceBatchTest, MorePaddingThanAPageHasIsRefused) {
  EXPECT_TRUE(DeviceBatch::create(gpu, sizesOf(64, 2), 99));
  const Status status = DeviceBatch::create(gpu, sizesOf(65, 2), 99).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_EQ(status.message(),
            "the plan pads each pass on the GPU to 65 tokens, but this version "
            "of airrun supports at most 64; pack the model again with the "
            "airpack of the same version");
  EXPECT_EQ(
      DeviceBatch::create(gpu, sizesOf(8, UINT64_MAX / 16), 99).status().code(),
      ErrorCode::VerificationFailed);
}

// The host has no memory for such tables either, and must not be asked for it.
TEST_F(DeviceBatchTest, TablesThatTheGpuCannotHoldAreRefused) {
  const Status status =
      DeviceBatch::create(gpu, sizesOf(8, uint64_t{1} << 50), 99).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_TRUE(status.message().starts_with("batch tables: "))
      << status.message();
}

} // namespace
