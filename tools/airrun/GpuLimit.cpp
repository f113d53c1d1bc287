//===- GpuLimit.cpp - the bandwidth of a GPU's memory -----------*- C++ -*-===//
#include "tools/airrun/GpuLimit.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <utility>

namespace air {
namespace {

constexpr uint64_t kAlignment = 256;
constexpr uint32_t kSamples = 5;

} // namespace

Result<std::unique_ptr<GpuLimit>> GpuLimit::create(const rt::CudaChoice &gpu,
                                                   double passBytes) {
  std::unique_ptr<GpuLimit> limit(new GpuLimit);
  AIR_ASSIGN_OR_RETURN(limit->driver, rt::CudaDriver::open(gpu));
  const uint64_t l2 = limit->driver->facts().l2Bytes;
  limit->name = passBytes <= static_cast<double>(l2) ? "cache" : "vram";
  const auto most = static_cast<double>(rt::CudaCopies::usualBytes(l2));
  const uint64_t bytes =
      alignUp(std::max<uint64_t>(
                  1, static_cast<uint64_t>(std::min(passBytes / 2, most))),
              kAlignment);
  Result<std::unique_ptr<rt::CudaCopies>> copies =
      rt::CudaCopies::create(*limit->driver, bytes);
  AIR_RETURN_IF_ERROR(copies.status().withContext("bench"));
  limit->copies = *std::move(copies);
  return limit;
}

Result<double> GpuLimit::measure() { return copies->bandwidth(kSamples); }

Result<double> GpuLimit::measureUpload() { return copies->uploadRate(); }

} // namespace air
