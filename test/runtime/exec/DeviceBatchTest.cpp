//===- DeviceBatchTest.cpp - the arrays of a batch, and their padding -----===//
#include "runtime/exec/DeviceBatch.h"

#include "test/runtime/fake/LateGpu.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

using Words = std::vector<uint32_t>;

/// A batch of three tokens of two sequences. A sequence has two pages in the
/// first cache group, and three in the second.
class DeviceBatchTest : public testing::Test {
protected:
  DeviceBatchTest() : gpu({}) {
    batch.tokens = 3;
    batch.token_ids = ids;
    batch.positions = positions;
    batch.sequences = sequences;
    batch.block_tables = tables;
    batch.rope_positions = ropePositions;
  }
  Words read(const DeviceBatch &device, plan::BatchArray array, size_t count,
             size_t group = 0) {
    EXPECT_TRUE(gpu.synchronise().isOk());
    Result<const void *> bytes = gpu.read(
        device.addresses()[static_cast<size_t>(array) + group], 4 * count);
    EXPECT_TRUE(bytes) << bytes.status().message();
    const auto *words = static_cast<const uint32_t *>(*bytes);
    return {words, words + count};
  }

  test::LateGpu gpu;
  const int32_t ids[3] = {7, 8, 9};
  const uint32_t positions[3] = {70, 2, 71};
  const uint32_t ropePositions[3] = {4, 5, 6};
  const uint32_t sequences[3] = {1, 0, 1};
  const uint32_t pages[4] = {10, 11, 20, 21};
  const uint32_t otherPages[6] = {30, 31, 32, 40, 41, 42};
  const AirBlockTable tables[2] = {{pages, 2}, {otherPages, 3}};
  const DeviceTable groups[2] = {{2, 99}, {3, 77}};
  AirBatch batch = {};
};

BatchSizes sizesOf(uint64_t tokens) {
  return {.tokens = tokens, .outputs = 4, .paddedTokens = tokens};
}

// The first cache group is in the memory of the CPU, so the arrays on the GPU
// have no block table for it.
TEST_F(DeviceBatchTest, HasNoBlockTablesOfTheCpu) {
  const DeviceTable onGpu[2] = {{0, 0}, {3, 77}};
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizesOf(8), onGpu);
  ASSERT_TRUE(device) << device.status().message();
  ASSERT_TRUE(device->write(gpu, batch, 4, 0).isOk());
  EXPECT_EQ(read(*device, plan::BatchArray::BlockTables, 10, 1),
            (Words{40, 41, 42, 30, 31, 32, 40, 41, 42, 77}));
  BatchSizes tiled = sizesOf(8);
  tiled.hasTiles = true;
  device = DeviceBatch::create(gpu, tiled, onGpu);
  ASSERT_TRUE(device) << device.status().message();
  ASSERT_TRUE(device->write(gpu, batch, 8, 2).isOk());
  EXPECT_EQ(read(*device, plan::BatchArray::BlockTables, 9, 1),
            (Words{40, 41, 42, 30, 31, 32, 40, 41, 42}));
}

TEST_F(DeviceBatchTest, WritesABatchAndItsPadding) {
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizesOf(8), groups);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  ASSERT_TRUE(device->write(gpu, batch, 5, 0).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 5), (Words{7, 8, 9, 0, 0}));
  EXPECT_EQ(read(*device, BatchArray::Positions, 5), (Words{70, 2, 71, 0, 1}));
  EXPECT_EQ(read(*device, BatchArray::RopePositions, 5),
            (Words{4, 5, 6, 0, 1}));
  const Words rows = read(*device, BatchArray::BlockTables, 10);
  EXPECT_EQ(Words(rows.begin(), rows.begin() + 6),
            (Words{20, 21, 10, 11, 20, 21}));
  EXPECT_EQ(rows[6], 99U);
  EXPECT_EQ(rows[8], 99U);
  const Words others = read(*device, BatchArray::BlockTables, 15, 1);
  EXPECT_EQ(Words(others.begin(), others.begin() + 10),
            (Words{40, 41, 42, 30, 31, 32, 40, 41, 42, 77}));
  EXPECT_EQ(others[12], 77U);
  // A program for one token reads only that token's elements of each array.
  batch.tokens = 1;
  ASSERT_TRUE(device->write(gpu, batch, 1, 0).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 1), Words{7});
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 2), (Words{20, 21}));
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 3, 1), (Words{40, 41, 42}));
}

// The array TokenCount contains the number of tokens and, from byte 64 on, a
// TokenDraw record for each token. A choice adds 1 to TokenDraw::draws, except
// in records for which it takes the best token instead of drawing.
TEST_F(DeviceBatchTest, DrawsFollowTheNumberOfTokens) {
  BatchSizes sizes = sizesOf(8);
  sizes.hasChoice = true;
  // Programs for up to 5 tokens can draw, but the program for 8 tokens cannot.
  sizes.drawnTokens = 5;
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizes, groups);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  std::vector<TokenDraw> draws(3);
  draws[0].isBest = 0;
  draws[0].seed = 0x1122334455667788;
  draws[0].topK = 40;
  draws[0].draws = 5;
  draws[2].isBest = 0;
  device->setDraws(draws);
  ASSERT_TRUE(device->write(gpu, batch, 5, 0).isOk());
  const auto recordsOn = [&] {
    const Words words = read(*device, BatchArray::TokenCount, 16 + 5 * 12);
    EXPECT_EQ(words[0], 3U);
    std::vector<TokenDraw> records(5);
    std::memcpy(records.data(), &words[16], 5 * 48);
    return records;
  };
  std::vector<TokenDraw> expected = draws;
  expected.resize(5);
  EXPECT_EQ(recordsOn(), expected);
  // advance() records that a choice has written these tokens to the arrays on
  // the GPU. holds() then returns true for the batch that continues with them.
  device->advance(Words{17, 18, 19});
  const int32_t nextIds[3] = {17, 18, 19};
  const uint32_t nextPositions[3] = {71, 3, 72};
  const uint32_t nextRopePositions[3] = {5, 6, 7};
  batch.token_ids = nextIds;
  batch.positions = nextPositions;
  batch.rope_positions = nextRopePositions;
  draws[0].draws = 6;
  draws[2].draws = 1;
  device->setDraws(draws);
  EXPECT_TRUE(device->holds(batch, 5, 0));
  draws[2].draws = 2;
  device->setDraws(draws);
  EXPECT_FALSE(device->holds(batch, 5, 0));
  device->setDraws({});
  ASSERT_TRUE(device->write(gpu, batch, 5, 0).isOk());
  EXPECT_EQ(recordsOn(), std::vector<TokenDraw>(5));
}

// Only the words from the first to the last that differ from those in the GPU's
// memory are copied there.
TEST_F(DeviceBatchTest, WritesOnlyWhatAChoiceHasNotWritten) {
  BatchSizes sizes = sizesOf(8);
  sizes.hasChoice = true;
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizes, groups);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  const auto written = [&] {
    const uint64_t before = gpu.writtenBytes;
    EXPECT_TRUE(device->write(gpu, batch, 5, 0).isOk());
    return gpu.writtenBytes - before;
  };
  EXPECT_GT(written(), 0U);
  EXPECT_EQ(read(*device, BatchArray::TokenCount, 1), Words{3});
  EXPECT_EQ(written(), 0U);
  // In place of a kernel that chooses tokens, the test writes their ids and
  // positions to the arrays on the GPU. The arrays then contain the next batch.
  const Words chosen = {17, 18, 19};
  const int32_t nextIds[3] = {17, 18, 19};
  const uint32_t nextPositions[3] = {71, 3, 72};
  const uint32_t nextRopePositions[3] = {5, 6, 7};
  for (const auto &[array, words] :
       {std::pair(BatchArray::TokenIds, chosen),
        std::pair(BatchArray::Positions, Words{71, 3, 72}),
        std::pair(BatchArray::RopePositions, Words{5, 6, 7})}) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(words.data());
    ASSERT_TRUE(
        gpu.write(device->addresses()[static_cast<size_t>(array)], {bytes, 12})
            .isOk());
  }
  // Only the first three ids are copied to the host, with the values that they
  // have at this point.
  ASSERT_TRUE(device->requestTokens(gpu, 3).isOk());
  const auto idArray = static_cast<size_t>(BatchArray::TokenIds);
  const uint8_t later[12] = {1};
  ASSERT_TRUE(gpu.write(device->addresses()[idArray], later).isOk());
  const uint64_t readBytes = gpu.readBytes;
  const Result<std::span<const uint32_t>> taken = device->takeTokens(gpu);
  ASSERT_TRUE(taken) << taken.status().message();
  EXPECT_EQ(Words(taken->begin(), taken->end()), chosen);
  EXPECT_EQ(gpu.readBytes, readBytes);
  ASSERT_TRUE(gpu.write(device->addresses()[idArray],
                        {reinterpret_cast<const uint8_t *>(chosen.data()), 12})
                  .isOk());
  EXPECT_TRUE(device->holds(batch, 5, 0));
  device->advance(chosen);
  EXPECT_FALSE(device->holds(batch, 5, 0));
  batch.token_ids = nextIds;
  batch.positions = nextPositions;
  batch.rope_positions = nextRopePositions;
  EXPECT_TRUE(device->holds(batch, 5, 0));
  EXPECT_EQ(written(), 0U);
  // If a single entry of the block tables has changed, only that entry is
  // copied to the GPU.
  const uint32_t morePages[4] = {10, 12, 20, 21};
  const AirBlockTable moreTables[2] = {{morePages, 2}, {otherPages, 3}};
  batch.block_tables = moreTables;
  EXPECT_FALSE(device->holds(batch, 5, 0));
  EXPECT_EQ(written(), 4U);
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 5), (Words{17, 18, 19, 0, 0}));
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 6),
            (Words{20, 21, 10, 12, 20, 21}));
  // After a failed copy, everything is copied again.
  batch.token_ids = ids;
  gpu.writeFailure = ioError("the fake GPU has failed");
  EXPECT_FALSE(device->write(gpu, batch, 5, 0).isOk());
  gpu.writeFailure = Status::ok();
  batch.token_ids = nextIds;
  const uint64_t everything = written();
  EXPECT_GT(everything, 8U * (3 + 2 + 3) * 4);
  EXPECT_EQ(written(), 0U);
  device->forget();
  EXPECT_FALSE(device->holds(batch, 5, 0));
  EXPECT_EQ(written(), everything);
}

TEST_F(DeviceBatchTest, AModelWithoutAttentionHasNoBlockTables) {
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizesOf(8), {});
  ASSERT_TRUE(device) << device.status().message();
  ASSERT_TRUE(device->write(gpu, batch, 4, 0).isOk());
  using plan::BatchArray;
  EXPECT_EQ(device->addresses().size(),
            static_cast<size_t>(BatchArray::BlockTables));
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 4), (Words{7, 8, 9, 0}));
  EXPECT_EQ(read(*device, BatchArray::RopePositions, 4), (Words{4, 5, 6, 0}));
}

// The batch has three tokens of sequence 1, then one of sequence 0, and then
// two of sequence 1.
TEST_F(DeviceBatchTest, DividesABatchIntoTiles) {
  const int32_t moreIds[] = {7, 8, 9, 1, 2, 3};
  const uint32_t morePositions[] = {60, 61, 62, 5, 63, 64};
  const uint32_t moreRopePositions[] = {160, 161, 162, 105, 163, 164};
  const uint32_t moreSequences[] = {1, 1, 1, 0, 1, 1};
  batch.tokens = 6;
  batch.token_ids = moreIds;
  batch.positions = morePositions;
  batch.rope_positions = moreRopePositions;
  batch.sequences = moreSequences;
  BatchSizes sizes = sizesOf(100);
  sizes.paddedTokens = 8;
  sizes.hasTiles = true;
  Result<DeviceBatch> device = DeviceBatch::create(gpu, sizes, groups);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  ASSERT_TRUE(device->write(gpu, batch, 100, 2).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenCount, 1), Words{6});
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 6), (Words{7, 8, 9, 1, 2, 3}));
  EXPECT_EQ(read(*device, BatchArray::Positions, 6),
            (Words{60, 61, 62, 5, 63, 64}));
  EXPECT_EQ(read(*device, BatchArray::RopePositions, 6),
            (Words{160, 161, 162, 105, 163, 164}));
  EXPECT_EQ(read(*device, BatchArray::Sequences, 6), (Words{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 6),
            (Words{20, 21, 10, 11, 20, 21}));
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 9, 1),
            (Words{40, 41, 42, 30, 31, 32, 40, 41, 42}));
  EXPECT_EQ(read(*device, BatchArray::TileCount, 1), Words{4});
  // A tile consists of its first token, its number of tokens, and its row of
  // the block tables.
  EXPECT_EQ(read(*device, BatchArray::Tiles, 12),
            (Words{0, 2, 0, 2, 1, 0, 3, 1, 1, 4, 2, 2}));
  ASSERT_TRUE(device->writeOutputs(gpu, Words{2, 5}).isOk());
  EXPECT_EQ(read(*device, BatchArray::OutputCount, 1), Words{2});
  EXPECT_EQ(read(*device, BatchArray::OutputRows, 2), (Words{2, 5}));
  EXPECT_EQ(read(*device, BatchArray::TokenCount, 1), Words{6});
}

// All padding tokens use the positions of a single page of the KV cache.
TEST_F(DeviceBatchTest, MorePaddingThanAPageHasIsRefused) {
  EXPECT_TRUE(DeviceBatch::create(gpu, sizesOf(64), groups));
  const Status status = DeviceBatch::create(gpu, sizesOf(65), groups).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_EQ(status.message(),
            "the plan pads each pass on the GPU to 65 tokens, but this version "
            "of airrun supports at most 64; pack the model again with the "
            "airpack of the same version");
  for (const uint64_t pages : {UINT64_MAX / 16, UINT64_MAX / 32}) {
    const DeviceTable large[] = {{pages, 99}};
    EXPECT_EQ(DeviceBatch::create(gpu, sizesOf(8), large).status().code(),
              ErrorCode::VerificationFailed);
  }
}

// The host could not allocate block tables of this size either, and must not be
// asked to.
TEST_F(DeviceBatchTest, TablesThatTheGpuCannotHoldAreRefused) {
  const DeviceTable large[] = {{uint64_t{1} << 50, 99}};
  const Status status = DeviceBatch::create(gpu, sizesOf(8), large).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_TRUE(status.message().starts_with("batch tables: "))
      << status.message();
}

} // namespace
