//===- LateGpuTest.cpp - the device of other tests is a Device ------------===//
#include "test/runtime/fake/LateGpu.h"
#include "test/runtime/fake/FakePlan.h"
#include "test/runtime/hal/DeviceConformance.h"

#include <algorithm>
#include <numeric>

namespace air::rt {
namespace {

using test::FakeGpuKernel;
using test::LateGpu;

const uint32_t *valuesOf(std::span<uint8_t> bytes) {
  return reinterpret_cast<const uint32_t *>(bytes.data());
}

/// The kernels of ConformanceKernels.c as C++ functions.
std::map<std::string, FakeGpuKernel> conformanceKernels() {
  using Bindings = std::span<const std::span<uint8_t>>;
  return {{"addOne",
           [](Bindings bindings) {
             const uint32_t *from = valuesOf(bindings[0]);
             auto *to = reinterpret_cast<uint32_t *>(bindings[1].data());
             std::transform(from, from + kElements, to,
                            [](uint32_t value) { return value + 1; });
           }},
          {"sumAll", [](Bindings bindings) {
             const uint32_t *from = valuesOf(bindings[0]);
             auto *to = reinterpret_cast<uint32_t *>(bindings[1].data());
             std::fill_n(to, kElements,
                         std::accumulate(from, from + kElements, uint32_t{0}));
           }}};
}

DeviceKind kindWith(const char *name, bool uploadsEarly) {
  return {.name = name,
          .make = [=]() -> Result<std::unique_ptr<Device>> {
            auto made = std::make_unique<LateGpu>(conformanceKernels());
            made->uploadsEarly = uploadsEarly;
            return std::unique_ptr<Device>(std::move(made));
          },
          .kernels = []() -> Result<std::vector<uint8_t>> {
            return std::vector<uint8_t>(test::kFakeCubin.begin(),
                                        test::kFakeCubin.end());
          }};
}

INSTANTIATE_TEST_SUITE_P(Late, DeviceConformance,
                         testing::Values(kindWith("late", false),
                                         kindWith("early uploads", true)));
INSTANTIATE_TEST_SUITE_P(Late, LateUploads,
                         testing::Values(kindWith("late", false)));
INSTANTIATE_TEST_SUITE_P(Late, EarlyUploads,
                         testing::Values(kindWith("early uploads", true)));

} // namespace
} // namespace air::rt
