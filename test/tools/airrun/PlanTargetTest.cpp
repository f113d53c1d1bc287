//===- PlanTargetTest.cpp - which target of a plan a GPU runs -------------===//
#include "tools/airrun/PlanTarget.h"

#include <gtest/gtest.h>

#include <vector>

namespace air {
namespace {

rt::CudaFacts gpu(uint32_t capability, uint32_t multiprocessors) {
  rt::CudaFacts facts;
  facts.capability = capability;
  facts.multiprocessors = multiprocessors;
  return facts;
}

const rt::CudaFacts kRtx3060 = gpu(86, 28);
const rt::CudaFacts kRtx3090 = gpu(86, 82);
const rt::CudaFacts kRtx4090 = gpu(89, 128);
const rt::CudaFacts kH100 = gpu(90, 132);
const rt::CudaFacts kRtx5090 = gpu(120, 170);

/// Gives the targets for GPUs the indices 1, 2 and so on, because target 0 of
/// the plan is for a CPU.
std::vector<GpuTarget> targets(std::vector<GpuTarget> list) {
  for (uint32_t i = 0; i < list.size(); ++i) {
    list[i].target = i + 1;
  }
  return list;
}

// NVIDIA's rules of binary compatibility determine which code a GPU runs.
TEST(PlanTarget, TheBestTargetOfTheGpuIsChosen) {
  const std::vector<GpuTarget> plan = targets({{0, "sm_86", "", 28},
                                               {0, "sm_86", "", 82},
                                               {0, "sm_89", "", 128},
                                               {0, "sm_90a", "", 132}});
  const std::vector<GpuTarget> ptx = targets({{0, "sm_86", "compute_86", 28},
                                              {0, "sm_90", "compute_90", 132},
                                              {0, "sm_120", "compute_120", 1}});
  const std::vector<GpuTarget> alike =
      targets({{0, "sm_86", "", 46}, {0, "sm_86", "", 82}});
  const struct {
    const std::vector<GpuTarget> &plan;
    std::vector<rt::CudaFacts> gpus;
    std::optional<uint32_t> target;
  } cases[] = {
      {plan, {kRtx3060}, 1},
      {plan, {kRtx3090}, 2},
      {plan, {kRtx4090}, 3}, // an RTX 4090 also runs code for sm_86
      {plan, {kH100}, 4},
      {plan, {kRtx5090}, {}},
      {plan, {}, {}},
      // Of the targets that one of the GPUs can run, the one for the newest
      // architecture is chosen. An RTX 5090 can run none of these targets.
      {plan, {kRtx3060, kRtx4090}, 3},
      {plan, {kRtx5090, kRtx3090}, 2},
      // Both targets are for sm_86. The second was made for 82 multiprocessors,
      // as the RTX 3090 has. The first was made for 46, which neither GPU has.
      {alike, {kRtx3060, kRtx3090}, 2},
      // A target whose machine code a GPU can run is better than one of which
      // it can run only the PTX. Of several such PTX targets, the one for the
      // newest architecture is best.
      {ptx, {kRtx4090}, 1},
      {ptx, {kH100}, 2},
      {ptx, {kRtx5090}, 3},
      {ptx, {gpu(130, 200)}, 3},
      {ptx, {gpu(100, 148)}, 2},
      {ptx, {gpu(75, 72)}, {}},
  };
  for (const auto &each : cases) {
    const auto chosen = chooseGpuTarget(each.plan, each.gpus);
    ASSERT_TRUE(chosen.isOk()) << chosen.status().message();
    EXPECT_EQ(*chosen, each.target)
        << (each.gpus.empty() ? 0 : each.gpus.front().capability);
  }
  const std::vector<GpuTarget> unknown = targets({{0, "gfx90a", "", 1}});
  EXPECT_EQ(chooseGpuTarget(unknown, std::vector<rt::CudaFacts>{kH100})
                .status()
                .code(),
            ErrorCode::Unsupported);
}

} // namespace
} // namespace air
