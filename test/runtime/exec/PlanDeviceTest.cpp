//===- PlanDeviceTest.cpp - plans for one device and for several ----------===//
#include "runtime/exec/PlanDevice.h"

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

Result<KernelDevices> devicesOf(const plan::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(plan::Plan::Pack(builder, &plan));
  return devicesOfKernels(
      *flatbuffers::GetRoot<plan::Plan>(builder.GetBufferPointer()));
}

TEST(PlanDevice, APlanForOneDeviceRunsOnIt) {
  for (const uint32_t device : {0U, 1U}) {
    const Result<KernelDevices> found = devicesOf(planOn(device));
    ASSERT_TRUE(found) << found.status().message();
    EXPECT_EQ(found->gpu, device);
    EXPECT_EQ(found->cpu, device == 0);
  }
}

TEST(PlanDevice, APlanMayRunOnTheCpuAndAGpu) {
  plan::PlanT plan = planOn(1);
  plan.executables[0]->device = 0;
  const Result<KernelDevices> found = devicesOf(plan);
  ASSERT_TRUE(found) << found.status().message();
  EXPECT_EQ(found->gpu, 1U);
  EXPECT_TRUE(found->cpu);
}

// A device that runs no step is not opened, so nothing can be put there.
TEST(PlanDevice, WhatIsOnADeviceWithoutStepsIsRefused) {
  for (const uint32_t device : {0U, 1U}) {
    SCOPED_TRACE(device);
    const uint32_t other = 1 - device;
    const std::string name = other == 0 ? "the CPU" : "GPU 'rtx3060'";
    const auto expectRefused = [&](const plan::PlanT &plan,
                                   const std::string &what) {
      const Status status = devicesOf(plan).status();
      EXPECT_EQ(status.code(), ErrorCode::Unsupported);
      EXPECT_TRUE(status.message().starts_with(
          what + " is on " + name + ", which runs no step of the plan"))
          << status.message();
    };
    plan::PlanT plan = planOn(device);
    plan.executables.push_back(std::make_unique<plan::ExecutableT>());
    plan.executables.back()->device = other;
    expectRefused(plan, "executable 2");
    plan = planOn(device);
    plan.cache_groups.push_back(std::make_unique<plan::CacheGroupT>());
    plan.cache_groups.back()->device = other;
    expectRefused(plan, "KV cache group 1");
  }
  plan::PlanT plan = planOn(0);
  plan.buffers[0]->is_output = true;
  EXPECT_TRUE(devicesOf(plan));
  plan.buffers[0]->device = 1;
  EXPECT_TRUE(devicesOf(plan).status().message().starts_with(
      "output buffer 'x' is on GPU 'rtx3060', which runs no step"));
}

TEST(PlanDevice, LogitsOfTheCpuAreRefusedIfThereIsAGpu) {
  plan::PlanT plan = planOn(1);
  plan.executables[1]->device = 0;
  plan.buffers[0]->device = 0;
  EXPECT_TRUE(devicesOf(plan));
  plan.buffers[0]->is_output = true;
  const Status status = devicesOf(plan).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_TRUE(status.message().starts_with(
      "buffer 'x' is an output of the CPU, but other steps run on GPU "
      "'rtx3060'"))
      << status.message();
}

} // namespace
