//===- CudaCopies.cpp - copies within a GPU and to it, timed --------------===//
#include "runtime/hal/cuda/CudaCopies.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string>

using namespace air;
using namespace air::rt;

/// A sample copies at least this many bytes, so that the time to start a copy
/// does not matter.
static constexpr uint64_t kSampleBytes = uint64_t{64} << 20;

static double perSecond(uint64_t bytes, double milliseconds) {
  constexpr double kMillisecondsPerSecond = 1e3;
  // The resolution, in milliseconds, of the time between two events (CUDA
  // Driver API, cuEventElapsedTime). The driver may report a shorter time as 0.
  constexpr double kResolution = 0.0005;
  return static_cast<double>(bytes) / std::max(milliseconds, kResolution) *
         kMillisecondsPerSecond;
}

uint64_t CudaCopies::usualBytes(uint64_t l2Bytes) {
  constexpr uint64_t kUsualBytes = uint64_t{128} << 20;
  return std::max(kUsualBytes, 4 * l2Bytes);
}

Result<std::unique_ptr<CudaCopies>> CudaCopies::create(CudaDriver &driver,
                                                       uint64_t bytes) {
  std::unique_ptr<CudaCopies> copies(new CudaCopies(driver));
  copies->bytes = bytes;
  AIR_ASSIGN_OR_RETURN(copies->timer, CudaTimer::create(driver));
  const std::string what =
      "two buffers of " + std::to_string(bytes) +
      " bytes, to measure the bandwidth of the memory of " +
      driver.facts().name;
  for (uint64_t *buffer : {&copies->from, &copies->to}) {
    const Result<uint64_t> memory = driver.allocate(bytes);
    AIR_RETURN_IF_ERROR(memory.status().withContext(what));
    *buffer = *memory;
    AIR_RETURN_IF_ERROR(driver.call(driver.functions().fill, *memory,
                                    static_cast<unsigned char>(0x5a), bytes,
                                    driver.stream()));
  }
  return copies;
}

CudaCopies::~CudaCopies() {
  for (const uint64_t buffer : {from, to}) {
    if (buffer != 0) {
      // A destructor cannot return errors, so they are ignored.
      (void)driver.call(driver.functions().memoryFree, buffer);
    }
  }
}

Result<double> CudaCopies::bandwidth(uint32_t samples) {
  const auto copies = static_cast<uint32_t>(ceilDiv(kSampleBytes, bytes));
  AIR_ASSIGN_OR_RETURN(
      const double milliseconds,
      timer->copyMilliseconds(to, from, bytes, copies, samples));
  return perSecond(2 * bytes, milliseconds);
}

Result<double> CudaCopies::transferRate(CopyDirection direction, uint64_t size,
                                        uint64_t piece) {
  AIR_ASSIGN_OR_RETURN(const double milliseconds,
                       timer->transferMilliseconds(direction, to, size, piece));
  return perSecond(size, milliseconds);
}

Result<double> CudaCopies::uploadRate() {
  AIR_ASSIGN_OR_RETURN(const double milliseconds,
                       timer->uploadMilliseconds(to, bytes, bytes));
  return perSecond(bytes, milliseconds);
}
