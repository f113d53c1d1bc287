//===- CpuConformanceTest.cpp - the CPU device is a Device ----------------===//
#include "runtime/hal/cpu/CpuDevice.h"
#include "test/runtime/hal/DeviceConformance.h"

#include <fstream>
#include <iterator>

namespace air::rt {
namespace {

DeviceKind cpuOf(uint32_t threads, const char *name) {
  return {.name = name,
          .make = [threads]() -> Result<std::unique_ptr<Device>> {
            AIR_ASSIGN_OR_RETURN(std::unique_ptr<CpuDevice> device,
                                 CpuDevice::create(threads));
            return std::unique_ptr<Device>(std::move(device));
          },
          .kernels = []() -> Result<std::vector<uint8_t>> {
            std::ifstream file(AIR_CONFORMANCE_KERNELS, std::ios::binary);
            if (!file) {
              return ioError(AIR_CONFORMANCE_KERNELS " cannot be read");
            }
            return std::vector<uint8_t>(std::istreambuf_iterator<char>(file),
                                        {});
          }};
}

INSTANTIATE_TEST_SUITE_P(Cpu, DeviceConformance,
                         testing::Values(cpuOf(1, "1 thread"),
                                         cpuOf(3, "3 threads")));

} // namespace
} // namespace air::rt
