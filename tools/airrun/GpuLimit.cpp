//===- GpuLimit.cpp - the bandwidth of a GPU's memory -----------*- C++ -*-===//
#include "tools/airrun/GpuLimit.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string>

namespace air {
namespace {

constexpr uint64_t kAlignment = 256;
/// The maximum size of a buffer, unless four times the size of the GPU's L2
/// cache is more.
constexpr uint64_t kMostBytes = uint64_t{128} << 20;
/// A sample copies at least this many bytes, so that the time to start a copy
/// does not matter.
constexpr uint64_t kSampleBytes = uint64_t{64} << 20;
constexpr uint32_t kSamples = 5;
constexpr double kMillisecondsPerSecond = 1e3;

} // namespace

Result<std::unique_ptr<GpuLimit>> GpuLimit::create(const rt::CudaChoice &gpu,
                                                   double passBytes) {
  std::unique_ptr<GpuLimit> limit(new GpuLimit);
  AIR_ASSIGN_OR_RETURN(limit->driver, rt::CudaDriver::open(gpu));
  AIR_ASSIGN_OR_RETURN(limit->timer, rt::CudaTimer::create(*limit->driver));
  const uint64_t l2 = limit->driver->facts().l2Bytes;
  limit->name = passBytes <= static_cast<double>(l2) ? "cache" : "vram";
  const auto most = static_cast<double>(std::max(kMostBytes, 4 * l2));
  limit->bytes =
      alignUp(std::max<uint64_t>(
                  1, static_cast<uint64_t>(std::min(passBytes / 2, most))),
              kAlignment);
  const std::string what =
      "bench: two buffers of " + std::to_string(limit->bytes) +
      " bytes, to measure the bandwidth of the memory of " +
      limit->driver->facts().name;
  for (uint64_t *buffer : {&limit->from, &limit->to}) {
    const Result<uint64_t> memory = limit->driver->allocate(limit->bytes);
    AIR_RETURN_IF_ERROR(memory.status().withContext(what));
    *buffer = *memory;
    AIR_RETURN_IF_ERROR(
        limit->driver->call(limit->driver->functions().fill, *memory,
                            static_cast<unsigned char>(0x5a), limit->bytes,
                            limit->driver->stream()));
  }
  return limit;
}

GpuLimit::~GpuLimit() {
  for (const uint64_t buffer : {from, to}) {
    if (buffer != 0) {
      // Errors have been reported before.
      (void)driver->call(driver->functions().memoryFree, buffer);
    }
  }
}

Result<double> GpuLimit::measure() {
  const auto copies = static_cast<uint32_t>(ceilDiv(kSampleBytes, bytes));
  AIR_ASSIGN_OR_RETURN(
      const double milliseconds,
      timer->copyMilliseconds(to, from, bytes, copies, kSamples));
  return 2 * static_cast<double>(bytes) / milliseconds * kMillisecondsPerSecond;
}

Result<double> GpuLimit::measureUpload() {
  AIR_ASSIGN_OR_RETURN(const double milliseconds,
                       timer->uploadMilliseconds(to, bytes, bytes));
  return static_cast<double>(bytes) / milliseconds * kMillisecondsPerSecond;
}

} // namespace air
