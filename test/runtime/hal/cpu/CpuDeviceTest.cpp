//===- CpuDeviceTest.cpp - grids, bindings, scratch and order -------------===//
#include "runtime/hal/cpu/CpuDevice.h"

#include <atomic>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

namespace {

template <typename T> DeviceAddress addressOf(T *pointer) {
  return static_cast<DeviceAddress>(reinterpret_cast<uintptr_t>(pointer));
}

TEST(TileCount, FollowsTokensOrOutputs) {
  AirBatch batch = {};
  batch.tokens = 17;
  batch.outputs = 3;
  EXPECT_EQ(tileCount({5, 0, GridRows::Tokens}, batch), 5U);
  EXPECT_EQ(tileCount({5, 8, GridRows::Tokens}, batch), 15U);
  EXPECT_EQ(tileCount({5, 1, GridRows::Outputs}, batch), 15U);
  EXPECT_EQ(tileCount({5, 0, GridRows::Outputs}, batch), 5U);
  batch.outputs = 0;
  EXPECT_EQ(tileCount({5, 0, GridRows::Outputs}, batch), 0U);
  EXPECT_EQ(tileCount({5, 1, GridRows::Outputs}, batch), 0U);
}

TEST(TileCount, OfAPartCountsOnlyItsRowTiles) {
  AirBatch batch = {};
  batch.tokens = 17;
  EXPECT_EQ(tileCount({5, 0, GridRows::Tokens, 3, 2}, batch), 2U);
  EXPECT_EQ(tileCount({5, 8, GridRows::Tokens, 3, 2}, batch), 6U);
}

// The kernels of this test are plain functions. Binding 0 is the input of
// addOne() and sumAll(), and binding 1 is their output.

/// out[tile] = in[tile] + 1
void addOne(const AirDispatch *dispatch, uint64_t begin, uint64_t end, void *) {
  auto *in = static_cast<const uint64_t *>(dispatch->bindings[0]);
  auto *out = static_cast<uint64_t *>(dispatch->bindings[1]);
  for (uint64_t tile = begin; tile < end; ++tile) {
    out[tile] = in[tile] + 1;
  }
}

constexpr uint64_t kTiles = 37;

/// Sets out[tile] to the sum of all of `in`, which is correct only if every
/// tile of the previous dispatch is done.
void sumAll(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
            void *scratch) {
  auto *in = static_cast<const uint64_t *>(dispatch->bindings[0]);
  auto *out = static_cast<uint64_t *>(dispatch->bindings[1]);
  // Each thread copies its input to its scratch, so ThreadSanitizer reports a
  // race if threads share it.
  auto *copy = static_cast<uint64_t *>(scratch);
  for (uint64_t tile = begin; tile < end; ++tile) {
    std::memcpy(copy, in, kTiles * sizeof(uint64_t));
    out[tile] = std::accumulate(copy, copy + kTiles, uint64_t{0});
  }
}

class CpuDeviceOf : public testing::TestWithParam<uint32_t> {};

TEST_P(CpuDeviceOf, WalksAProgramInOrder) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(GetParam());
  ASSERT_TRUE(device) << device.status().message();
  AirKernelFn functions[] = {addOne, sumAll};
  uint32_t executable = (*device)->addFunctions(functions);
  Result<DeviceAddress> memory = (*device)->allocate(4096, "test");
  ASSERT_TRUE(memory) << memory.status().message();
  DeviceAddress bindings[] = {*memory, *memory + 2048, *memory + 2048, *memory};
  DispatchGrid grid = {kTiles, 0, GridRows::Tokens};
  DispatchDesc descs[] = {
      {executable, 0, grid, {}, std::span(bindings, 2), 0, true},
      {executable, 1, grid, {}, std::span(bindings + 2, 2), 512, true},
      {executable, 0, grid, {}, std::span(bindings, 2), 0, true}};
  Result<uint32_t> program = (*device)->addProgram(descs);
  ASSERT_TRUE(program) << program.status().message();
  AirBatch batch = {};
  batch.tokens = 1;
  for (uint64_t round = 0; round < 50; ++round) {
    auto *values = reinterpret_cast<uint64_t *>(*memory);
    std::fill(values, values + kTiles, round);
    ASSERT_TRUE((*device)->run(*program, 0, 3, batch).isOk());
    Result<const void *> out = (*device)->read(*memory + 2048, kTiles * 8);
    ASSERT_TRUE(out) << out.status().message();
    for (uint64_t tile = 0; tile < kTiles; ++tile) {
      EXPECT_EQ(static_cast<const uint64_t *>(*out)[tile],
                (round + 1) * kTiles + 1);
    }
    // Runs only the program's second dispatch, sumAll, which reads what the
    // third dispatch wrote in the previous run.
    ASSERT_TRUE((*device)->run(*program, 1, 1, batch).isOk());
    EXPECT_EQ(values[0], ((round + 1) * kTiles + 1) * kTiles);
  }
}

/// Adds 1 to out[tile] for each tile that runs. `out` has an element for every
/// tile of the kernel, even if a dispatch runs only some of them.
void countTiles(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                void *) {
  auto *out = static_cast<std::atomic<uint64_t> *>(dispatch->bindings[0]);
  for (uint64_t tile = begin; tile < end; ++tile) {
    out[tile] += 1;
  }
}

// The kernel has 7 row tiles, and 3 tiles of tokens for 20 tokens. A part of a
// step runs some of the row tiles, but always for all tokens.
TEST_P(CpuDeviceOf, APartRunsItsRowTilesForAllTokens) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(GetParam());
  ASSERT_TRUE(device) << device.status().message();
  AirKernelFn functions[] = {countTiles};
  uint32_t executable = (*device)->addFunctions(functions);
  std::vector<std::atomic<uint64_t>> counts(21);
  DeviceAddress binding = addressOf(counts.data());
  std::vector<DispatchDesc> descs;
  for (uint64_t first = 0; first < 7; ++first) {
    for (uint64_t tiles = 1; first + tiles <= 7; ++tiles) {
      descs.push_back({executable,
                       0,
                       {7, 8, GridRows::Tokens, first, tiles},
                       {},
                       {&binding, 1},
                       0,
                       true});
    }
  }
  Result<uint32_t> program = (*device)->addProgram(descs);
  ASSERT_TRUE(program) << program.status().message();
  AirBatch batch = {};
  batch.tokens = 20;
  for (uint32_t i = 0; i < descs.size(); ++i) {
    for (std::atomic<uint64_t> &count : counts) {
      count = 0;
    }
    ASSERT_TRUE((*device)->run(*program, i, 1, batch).isOk());
    const DispatchGrid &grid = descs[i].grid;
    for (uint64_t tile = 0; tile < counts.size(); ++tile) {
      bool runs =
          tile % 7 >= grid.firstTile && tile % 7 < grid.firstTile + grid.tiles;
      EXPECT_EQ(counts[tile], runs ? 1U : 0U) << i << ' ' << tile;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, CpuDeviceOf, testing::Values(1, 2, 3));

uint64_t residentPages(DeviceAddress address, uint64_t pages) {
  std::vector<unsigned char> states(pages);
  EXPECT_EQ(
      mincore(reinterpret_cast<void *>(address), pages * 4096, states.data()),
      0);
  uint64_t count = 0;
  for (unsigned char state : states) {
    count += state & 1;
  }
  return count;
}

TEST(CpuDevice, AllocationLeavesMemoryToItsFirstWriter) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(2);
  ASSERT_TRUE(device) << device.status().message();
  for (uint64_t pages : {uint64_t{5}, uint64_t{2000}}) {
    Result<DeviceAddress> memory = (*device)->allocate(pages * 4096, "kv");
    ASSERT_TRUE(memory) << memory.status().message();
    EXPECT_EQ(residentPages(*memory, pages), 0U);
  }
}

/// Stores in binding 0 how many of the thread's pages of scratch are resident
/// before the kernel uses them.
void countScratch(const AirDispatch *dispatch, uint64_t, uint64_t,
                  void *scratch) {
  *static_cast<uint64_t *>(dispatch->bindings[0]) =
      residentPages(reinterpret_cast<DeviceAddress>(scratch), 3);
}

TEST(CpuDevice, ScratchIsResidentBeforeTheFirstRun) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(2);
  ASSERT_TRUE(device) << device.status().message();
  AirKernelFn functions[] = {countScratch};
  uint32_t executable = (*device)->addFunctions(functions);
  uint64_t pages = 0;
  DeviceAddress binding = addressOf(&pages);
  DispatchDesc desc = {
      executable, 0,   {1, 0, GridRows::Tokens}, {}, {&binding, 1},
      3 * 4096,   true};
  Result<uint32_t> program = (*device)->addProgram(std::span(&desc, 1));
  ASSERT_TRUE(program) << program.status().message();
  AirBatch batch = {};
  batch.tokens = 1;
  ASSERT_TRUE((*device)->run(*program, 0, 1, batch).isOk());
  EXPECT_EQ(pages, 3U);
}

TEST(CpuDevice, RefusesMisalignedHostMemory) {
  Result<std::unique_ptr<CpuDevice>> device = CpuDevice::create(1);
  ASSERT_TRUE(device) << device.status().message();
  alignas(64) uint8_t bytes[128] = {};
  Result<DeviceAddress> aligned = (*device)->importHost(bytes);
  ASSERT_TRUE(aligned) << aligned.status().message();
  EXPECT_EQ(*aligned, addressOf(bytes));
  EXPECT_EQ((*device)->importHost(std::span(bytes).subspan(8)).status().code(),
            ErrorCode::Internal);
}

} // namespace
