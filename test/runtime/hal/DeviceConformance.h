//===- DeviceConformance.h - what every Device must do ----------*- C++ -*-===//
//
// DeviceConformance.cpp tests the promises of runtime/hal/Device.h. The test of
// each kind of device compiles that file and instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Cpu, DeviceConformance, testing::Values(kind));
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_HAL_DEVICECONFORMANCE_H
#define AIRPACK_TEST_RUNTIME_HAL_DEVICECONFORMANCE_H

#include "runtime/hal/Device.h"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <ostream>
#include <vector>

namespace air::rt {

struct DeviceKind {
  const char *name; ///< for messages of the tests
  std::function<Result<std::unique_ptr<Device>>()> make;
  /// An executable with the kernels "addOne" and "sumAll", which
  /// ConformanceKernels.c defines. On a GPU, a thread computes one element, and
  /// a thread block has 32 threads.
  std::function<Result<std::vector<uint8_t>>()> kernels;
};

inline void PrintTo(const DeviceKind &kind, std::ostream *out) {
  *out << kind.name;
}

/// The number of elements of the kernels' vectors.
inline constexpr uint32_t kElements = 64;
inline constexpr uint64_t kVectorBytes = 4 * kElements;

class DeviceConformance : public testing::TestWithParam<DeviceKind> {
protected:
  enum Kernel : uint32_t { AddOne, SumAll };

  void SetUp() override;

  /// Allocates memory; an error fails the test.
  DeviceAddress allocate(uint64_t bytes);
  /// Loads the executable that contains addOne and sumAll.
  uint32_t load();
  /// Adds a program in which kernel i reads `vectors[i]` and writes
  /// `vectors[i + 1]`.
  uint32_t program(std::span<const Kernel> kernels,
                   std::span<const DeviceAddress> vectors);
  void write(DeviceAddress to, const std::vector<uint32_t> &values);
  void run(uint32_t program, uint32_t first, uint32_t count);
  /// Memory of the host for one vector.
  std::span<uint8_t> allocateHost();
  void upload(DeviceAddress to, std::span<uint8_t> from,
              const std::vector<uint32_t> &values);
  uint32_t addEvent();
  void signal(Queue queue, uint32_t event);
  void wait(Queue queue, uint32_t event);
  std::vector<uint32_t> read(DeviceAddress from);

  std::unique_ptr<Device> device;
  AirBatch batch = {};
};

/// Tests of a fake device that does uploads as late as it may. If a kernel, by
/// mistake, does not wait for the upload of its input, it must read the old
/// bytes. Other tests rely on this to notice such mistakes.
class LateUploads : public DeviceConformance {};
/// Tests of a fake device that does uploads as early as it may. If an upload,
/// by mistake, does not wait for the kernel that reads the old bytes, it must
/// overwrite these bytes before the kernel reads them. Other tests rely on this
/// to notice such mistakes.
class EarlyUploads : public DeviceConformance {};

DispatchDesc conformanceDispatch(uint32_t executable, uint32_t entry,
                                 std::span<const DeviceAddress> bindings);

} // namespace air::rt

#endif // AIRPACK_TEST_RUNTIME_HAL_DEVICECONFORMANCE_H
