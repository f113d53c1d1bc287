//===- DeviceBatchTest.cpp - the arrays of a batch, and their padding -----===//
#include "runtime/exec/DeviceBatch.h"

#include "test/runtime/fake/LateGpu.h"

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

TEST_F(DeviceBatchTest, WritesABatchAndItsPadding) {
  Result<DeviceBatch> device = DeviceBatch::create(gpu, 8, groups);
  ASSERT_TRUE(device) << device.status().message();
  using plan::BatchArray;
  ASSERT_TRUE(device->write(gpu, batch, 5).isOk());
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
  // A program for one token reads only the first elements.
  batch.tokens = 1;
  ASSERT_TRUE(device->write(gpu, batch, 1).isOk());
  EXPECT_EQ(read(*device, BatchArray::TokenIds, 1), Words{7});
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 2), (Words{20, 21}));
  EXPECT_EQ(read(*device, BatchArray::BlockTables, 3, 1), (Words{40, 41, 42}));
  // A model without attention has no block tables.
  device = DeviceBatch::create(gpu, 8, {});
  ASSERT_TRUE(device) << device.status().message();
  ASSERT_TRUE(device->write(gpu, batch, 1).isOk());
  EXPECT_EQ(device->addresses().size(), 3U);
  EXPECT_EQ(read(*device, BatchArray::RopePositions, 1), Words{4});
}

// The positions of the padding are in a single page.
TEST_F(DeviceBatchTest, MoreTokensThanAPageHasAreRefused) {
  EXPECT_TRUE(DeviceBatch::create(gpu, 64, groups));
  const Status status = DeviceBatch::create(gpu, 65, groups).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_EQ(
      status.message(),
      "a pass of the plan on the GPU has up to 65 tokens, but this version "
      "supports at most 64; pack the model again with this version");
  for (const uint64_t pages : {UINT64_MAX / 16, UINT64_MAX / 32}) {
    const DeviceTable large[] = {{pages, 99}};
    EXPECT_EQ(DeviceBatch::create(gpu, 8, large).status().code(),
              ErrorCode::VerificationFailed);
  }
}

// The host has no memory for such tables either, and must not be asked for it.
TEST_F(DeviceBatchTest, TablesThatTheGpuCannotHoldAreRefused) {
  const DeviceTable large[] = {{uint64_t{1} << 50, 99}};
  const Status status = DeviceBatch::create(gpu, 8, large).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_TRUE(status.message().starts_with("batch: ")) << status.message();
}

} // namespace
