//===- PlanDeviceTest.cpp - plans for one device and for several ----------===//
#include "runtime/exec/PlanDevice.h"

#include <functional>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

/// A plan with two steps, whose kernels, data and cache are all on `device`.
plan::PlanT planOn(uint32_t device) {
  plan::PlanT plan;
  plan.machine = std::make_unique<plan::MachineT>();
  plan.machine->devices.push_back(std::make_unique<plan::DeviceT>());
  plan.machine->devices[0]->name = "rtx3060";
  plan.programs.push_back(std::make_unique<plan::ProgramT>());
  for (uint32_t i = 0; i < 2; ++i) {
    plan.executables.push_back(std::make_unique<plan::ExecutableT>());
    plan.executables.back()->device = device;
    auto step = std::make_unique<plan::StepT>();
    step->name = i == 0 ? "embed" : "head";
    step->dispatches.push_back(std::make_unique<plan::DispatchT>());
    step->dispatches.back()->executable = i;
    plan.programs[0]->steps.push_back(std::move(step));
  }
  plan.buffers.push_back(std::make_unique<plan::BufferT>());
  plan.buffers[0]->name = "x";
  plan.buffers[0]->device = device;
  plan.cache_groups.push_back(std::make_unique<plan::CacheGroupT>());
  plan.cache_groups[0]->device = device;
  plan.segments.push_back(std::make_unique<plan::SegmentT>());
  plan.segments[0]->name = "layer.0.attn_in";
  plan.placements.push_back(std::make_unique<plan::PlacementT>());
  plan.placements[0]->device = {device};
  return plan;
}

Result<uint32_t> deviceOf(const plan::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(plan::Plan::Pack(builder, &plan));
  return deviceOfKernels(
      *flatbuffers::GetRoot<plan::Plan>(builder.GetBufferPointer()));
}

TEST(PlanDevice, APlanForOneDeviceRunsOnIt) {
  for (const uint32_t device : {0U, 1U}) {
    plan::PlanT plan = planOn(device);
    Result<uint32_t> found = deviceOf(plan);
    ASSERT_TRUE(found) << found.status().message();
    EXPECT_EQ(*found, device);
  }
  plan::PlanT plan = planOn(0);
  plan.placements[0]->device.clear();
  EXPECT_TRUE(deviceOf(plan));
}

TEST(PlanDevice, APlanForSeveralDevicesIsRefusedByName) {
  const struct {
    std::function<void(plan::PlanT &)> change;
    const char *message;
  } cases[] = {
      {[](plan::PlanT &plan) { plan.executables[1]->device = 0; },
       "step 'head' is on the CPU, but step 'embed' is on GPU 'rtx3060'"},
      {[](plan::PlanT &plan) { plan.executables[0]->device = 0; },
       "step 'head' is on GPU 'rtx3060', but step 'embed' is on the CPU"},
      {[](plan::PlanT &plan) { plan.buffers[0]->device = 0; },
       "buffer 'x' is on the CPU"},
      {[](plan::PlanT &plan) { plan.cache_groups[0]->device = 0; },
       "cache group 0 is on the CPU"},
      {[](plan::PlanT &plan) { plan.placements[0]->device[0] = 0; },
       "segment 'layer.0.attn_in' is on the CPU"},
  };
  for (const auto &test : cases) {
    plan::PlanT plan = planOn(1);
    test.change(plan);
    const Status status = deviceOf(plan).status();
    EXPECT_EQ(status.code(), ErrorCode::Unsupported);
    EXPECT_TRUE(status.message().starts_with(test.message)) << status.message();
  }
}

} // namespace
