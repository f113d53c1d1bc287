//===- GpuSessionFixture.h - opens plans for a fake GPU ---------*- C++ -*-===//
//
// The fake GPU works as late as it may, so a session that does not wait, or
// that writes too early, computes wrong logits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_EXEC_GPUSESSIONFIXTURE_H
#define AIRPACK_TEST_RUNTIME_EXEC_GPUSESSIONFIXTURE_H

#include "runtime/exec/Session.h"
#include "test/runtime/fake/FakePlan.h"
#include "test/runtime/fake/LateGpu.h"

#include <cstdio>
#include <functional>
#include <gtest/gtest.h>

namespace air::test {

class GpuSessionTest : public testing::Test {
protected:
  void SetUp() override { path = temporaryPath("plan.air"); }
  void TearDown() override { std::remove(path.c_str()); }

  /// Opens the plan at `path`. `gpu` becomes the device of the session.
  Result<rt::Session> openPlan(rt::SessionOptions options = {}) {
    options.gpu =
        [&](const plan::Device &record) -> Result<std::unique_ptr<rt::Device>> {
      EXPECT_EQ(record.arch()->string_view(), "sm_86");
      auto made = std::make_unique<LateGpu>(fakeGpuKernels(), gpuBytes);
      gpu = made.get();
      gpu->uploadsEarly = uploadsEarly;
      if (noRoomForKernels > 0) {
        --noRoomForKernels;
        gpu->loadFailure = doesNotFitError("no room for kernels");
      }
      return std::unique_ptr<rt::Device>(std::move(made));
    };
    return rt::Session::open(path, options);
  }
  Result<rt::Session>
  open(const std::function<void(plan::PlanT &)> &change = {},
       const rt::SessionOptions &options = {}) {
    writeFakeGpuPlan(path, model, change);
    return openPlan(options);
  }
  rt::Session opened() {
    Result<rt::Session> session = open();
    EXPECT_TRUE(session) << session.status().message();
    return *std::move(session);
  }
  /// Opens a plan that `change` has altered, and expects an error with `code`
  /// and `message`.
  void expectRefused(ErrorCode code, const std::string &message,
                     const std::function<void(plan::PlanT &)> &change,
                     const rt::SessionOptions &options = {}) {
    const Status status = open(change, options).status();
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(message), std::string::npos)
        << status.message();
  }

  FakeModel model;
  std::string path;
  uint64_t gpuBytes = uint64_t{1} << 30;
  bool uploadsEarly = false;
  int noRoomForKernels = 0; ///< the number of GPUs that refuse the kernels
  LateGpu *gpu = nullptr;
};

/// Changes the last placement of the plan so that each pass copies the only
/// segment of weights, which the output head needs, from RAM to a ring of one
/// page in the memory of the GPU. If `isRead` is true, the segment does not
/// stay in RAM: each pass first reads it from the disk into a second ring of
/// one page, which is in RAM.
inline void copyInEveryPass(plan::PlanT &plan, bool isRead) {
  plan::PlacementT &placement = *plan.placements.back();
  const uint64_t bytes = plan.segments[0]->raw_bytes;
  plan::StreamReadT read;
  read.bytes = kPlanPageBytes;
  read.before_step = 2;
  read.after_step = -1;
  placement.device[0] = 0;
  placement.device_ring_bytes = kPlanPageBytes;
  placement.device_reads.push_back(std::make_unique<plan::StreamReadT>(read));
  const auto add = [&](const char *name, plan::Tier tier, uint64_t size) {
    auto item = std::make_unique<plan::BudgetItemT>();
    item->name = name;
    item->tier = tier;
    item->bytes = size;
    placement.items.push_back(std::move(item));
  };
  add("ring", plan::Tier::Vram, kPlanPageBytes);
  if (isRead) {
    placement.ring_bytes = kPlanPageBytes;
    placement.reads.push_back(std::make_unique<plan::StreamReadT>(read));
    add("ring", plan::Tier::Ram, kPlanPageBytes);
  } else {
    placement.resident[0] = bytes;
    add("weights", plan::Tier::Ram, bytes);
  }
}

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_EXEC_GPUSESSIONFIXTURE_H
