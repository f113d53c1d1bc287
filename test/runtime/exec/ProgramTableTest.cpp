//===- ProgramTableTest.cpp - what a program tells the device -------------===//
#include "runtime/exec/ProgramTable.h"

#include "formats/plan/Layout.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

/// A device that records the TileStreams, bindings and grid of each dispatch.
class Recorder final : public Device {
public:
  std::vector<std::vector<TileStream>> streams;
  std::vector<std::vector<DeviceAddress>> bindings;
  std::vector<DispatchGrid> grids;

  Result<uint32_t>
  addProgram(std::span<const DispatchDesc> dispatches) override {
    for (const DispatchDesc &desc : dispatches) {
      streams.emplace_back(desc.streams.begin(), desc.streams.end());
      bindings.emplace_back(desc.bindings.begin(), desc.bindings.end());
      grids.push_back(desc.grid);
    }
    return 0;
  }
  Result<DeviceAddress> allocate(uint64_t, std::string_view) override {
    return 0;
  }
  Result<DeviceAddress> importHost(std::span<const uint8_t>) override {
    return 0;
  }
  Result<uint32_t> loadExecutable(std::span<const uint8_t>,
                                  std::span<const std::string_view>) override {
    return 0;
  }
  Status run(uint32_t, uint32_t, uint32_t, const AirBatch &) override {
    return Status::ok();
  }
  Status copy(DeviceAddress, DeviceAddress, uint64_t) override {
    return Status::ok();
  }
  Status write(DeviceAddress, std::span<const uint8_t>) override {
    return Status::ok();
  }
  Result<std::span<uint8_t>> allocateHost(uint64_t, std::string_view) override {
    return std::span<uint8_t>();
  }
  Status upload(DeviceAddress, std::span<const uint8_t>) override {
    return Status::ok();
  }
  Status download(std::span<uint8_t>, DeviceAddress) override {
    return Status::ok();
  }
  Result<uint32_t> addEvent() override { return 0; }
  Status signal(Queue, uint32_t) override { return Status::ok(); }
  Status wait(Queue, uint32_t) override { return Status::ok(); }
  Result<bool> isComplete(uint32_t) override { return true; }
  Status finish(uint32_t) override { return Status::ok(); }
  Status synchronise() override { return Status::ok(); }
  Result<const void *> read(DeviceAddress, uint64_t) override {
    return nullptr;
  }
};

class ProgramTable : public testing::Test {
protected:
  ProgramTable() {
    plan.programs.push_back(std::make_unique<plan::ProgramT>());
    plan.programs[0]->name = "m1";
    plan.model = std::make_unique<plan::HyperparametersT>();
  }
  void addTensor(Layout layout, uint64_t rows, uint64_t offset,
                 uint64_t bytes) {
    auto tensor = std::make_unique<plan::TensorT>();
    tensor->layout = static_cast<uint16_t>(layout);
    tensor->rows = rows;
    tensor->offset = offset;
    tensor->bytes = bytes;
    plan.tensors.push_back(std::move(tensor));
  }
  void addStep(plan::StepKind kind, uint64_t tiles,
               std::vector<uint32_t> tensors, uint64_t rowsPerTile = 0) {
    auto step = std::make_unique<plan::StepT>();
    step->kind = kind;
    step->name = "step";
    auto dispatch = std::make_unique<plan::DispatchT>();
    dispatch->grid = std::make_unique<plan::GridT>();
    dispatch->grid->base_tiles = tiles;
    dispatch->grid->rows_per_tile = rowsPerTile;
    for (uint32_t tensor : tensors) {
      auto binding = std::make_unique<plan::BindingT>();
      binding->kind = plan::BindingKind::Tensor;
      binding->index = tensor;
      dispatch->bindings.push_back(std::move(binding));
    }
    step->dispatches.push_back(std::move(dispatch));
    plan.programs[0]->steps.push_back(std::move(step));
  }
  Status status() {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(plan::Plan::Pack(builder, &plan));
    const auto &root =
        *flatbuffers::GetRoot<plan::Plan>(builder.GetBufferPointer());
    PlanAddresses addresses;
    addresses.segments = {0x10000};
    addresses.tables = {0x20000};
    addresses.executables = {0};
    addresses.cacheGroups = {0x30000, 0x40000};
    return buildPrograms(root, addresses, device).status();
  }
  void build() {
    const Status made = status();
    ASSERT_TRUE(made.isOk()) << made.message();
  }

  plan::PlanT plan;
  Recorder device;
};

TEST_F(ProgramTable, MatricesInRowBlocksAreStreams) {
  addTensor(Layout::X16, 100, 0x40, 7 * 640); // 7 row blocks of 640 bytes
  addTensor(Layout::X16, 100, 0x4000, 7 * 64);
  addTensor(Layout::Rows, 1, 0x8000, 400);
  addStep(plan::StepKind::Norm, 1, {2});
  addStep(plan::StepKind::FfnIn, 4, {0, 1, 2}, 32);
  addStep(plan::StepKind::Embed, 1, {0});
  build();
  ASSERT_EQ(device.streams.size(), 3U);
  EXPECT_TRUE(device.streams[0].empty());
  // A tile has two row blocks.
  ASSERT_EQ(device.streams[1].size(), 2U);
  EXPECT_EQ(device.streams[1][0].start, 0x10040U);
  EXPECT_EQ(device.streams[1][0].tileBytes, 1280U);
  EXPECT_EQ(device.streams[1][1].start, 0x14000U);
  EXPECT_EQ(device.streams[1][1].tileBytes, 128U);
  EXPECT_TRUE(device.streams[2].empty());
}

TEST_F(ProgramTable, ACacheIsInTheFirstPageOfItsGroup) {
  for (const auto &[group, offset] :
       {std::pair(0U, 0U), std::pair(1U, 0x80U), std::pair(0U, 0x40U)}) {
    plan.cache_groups.push_back(std::make_unique<plan::CacheGroupT>());
    plan.caches.push_back(std::make_unique<plan::CacheT>());
    plan.caches.back()->group = group;
    plan.caches.back()->offset = offset;
  }
  addStep(plan::StepKind::Attn, 1, {0, 1, 2});
  for (const auto &binding :
       plan.programs[0]->steps[0]->dispatches[0]->bindings) {
    binding->kind = plan::BindingKind::Kv;
  }
  build();
  ASSERT_EQ(device.bindings.size(), 1U);
  EXPECT_EQ(device.bindings[0],
            (std::vector<DeviceAddress>{0x30000, 0x40080, 0x30040}));
}

/// Makes a step of the output head run on a GPU. `rows` says whether the step
/// then processes the rows of all tokens or only those of the outputs.
void moveToGpu(plan::StepT &step, plan::RowsFrom rows) {
  step.name = "gpu";
  step.dispatches[0]->grid.reset();
  step.dispatches[0]->launch = std::make_unique<plan::LaunchT>();
  step.dispatches[0]->launch->rows_from = rows;
}

// If the first step of the output head processes only the rows of the outputs,
// a later step on a GPU must not process the rows of all tokens.
TEST_F(ProgramTable, AHeadWithDifferentRowsIsRefused) {
  for (const auto rows : {plan::RowsFrom::Outputs, plan::RowsFrom::Tokens}) {
    plan.programs[0]->steps.clear();
    for (int i = 0; i < 2; ++i) {
      addStep(plan::StepKind::Head, 1, {});
    }
    plan.programs[0]->steps[0]->dispatches[0]->grid->rows_from =
        plan::RowsFrom::Outputs;
    moveToGpu(*plan.programs[0]->steps[1], rows);
    const Status made = status();
    EXPECT_EQ(made.isOk(), rows == plan::RowsFrom::Outputs) << made.message();
    if (!made.isOk()) {
      EXPECT_EQ(made.code(), ErrorCode::VerificationFailed);
      EXPECT_EQ(made.message(),
                "program 'm1': step 'gpu' processes a row per token, but the "
                "output head begins with a dispatch that processes a row per "
                "output; pack the model again");
    }
  }
}

TEST_F(ProgramTable, TheStreamsOfAPartBeginAtItsRows) {
  addTensor(Layout::X16, 100, 0x40, 7 * 640);
  addStep(plan::StepKind::FfnIn, 4, {0}, 32);
  plan::DispatchT &dispatch = *plan.programs[0]->steps[0]->dispatches[0];
  dispatch.grid->first_tile = 1;
  dispatch.grid->tiles = 2;
  build();
  ASSERT_EQ(device.streams.size(), 1U);
  ASSERT_EQ(device.streams[0].size(), 1U);
  EXPECT_EQ(device.streams[0][0].start, 0x10040U + 1280);
  EXPECT_EQ(device.streams[0][0].tileBytes, 1280U);
  ASSERT_EQ(device.grids.size(), 1U);
  EXPECT_EQ(device.grids[0].firstTile, 1U);
  EXPECT_EQ(device.grids[0].tiles, 2U);
}

} // namespace
