//===- CudaTimer.cpp - times work of a GPU's stream -----------------------===//
#include "runtime/hal/cuda/CudaTimer.h"

#include <algorithm>
#include <cstring>

using namespace air;
using namespace air::rt;

static constexpr int kUploads = 4;

Result<std::unique_ptr<CudaTimer>> CudaTimer::create(CudaDriver &driver) {
  std::unique_ptr<CudaTimer> timer(new CudaTimer(driver));
  for (void **event : {&timer->begin, &timer->end}) {
    AIR_RETURN_IF_ERROR(driver.call(driver.functions().eventCreate, event, 0U));
  }
  return timer;
}

CudaTimer::~CudaTimer() {
  const CudaFunctions &f = driver.functions();
  if (pinned) {
    (void)driver.call(f.hostFree, pinned);
  }
  for (void *event : {begin, end}) {
    if (event) {
      (void)driver.call(f.eventDestroy, event);
    }
  }
}

Status CudaTimer::start() {
  return driver.call(driver.functions().eventRecord, begin, driver.stream());
}

Result<double> CudaTimer::stop() {
  const CudaFunctions &f = driver.functions();
  float milliseconds = 0;
  AIR_RETURN_IF_ERROR(driver.call(f.eventRecord, end, driver.stream()));
  AIR_RETURN_IF_ERROR(driver.call(f.eventSynchronize, end));
  AIR_RETURN_IF_ERROR(driver.call(f.eventElapsed, &milliseconds, begin, end));
  return static_cast<double>(milliseconds);
}

Result<double> CudaTimer::copyMilliseconds(uint64_t to, uint64_t from,
                                           uint64_t bytes, uint32_t copies,
                                           uint32_t samples) {
  double best = 0;
  for (uint32_t i = 0; i <= samples; ++i) {
    AIR_RETURN_IF_ERROR(start());
    for (uint32_t n = 0; n < copies; ++n) {
      AIR_RETURN_IF_ERROR(driver.call(driver.functions().copyOnDevice, to, from,
                                      bytes, driver.stream()));
    }
    AIR_ASSIGN_OR_RETURN(const double milliseconds, stop());
    if (i != 0) {
      best = best == 0 ? milliseconds : std::min(best, milliseconds);
    }
  }
  return best / copies;
}

Status CudaTimer::reservePinned(uint64_t bytes) {
  if (bytes <= pinnedBytes) {
    return Status::ok();
  }
  const CudaFunctions &f = driver.functions();
  if (pinned) {
    AIR_RETURN_IF_ERROR(driver.call(f.hostFree, pinned));
    pinned = nullptr;
    pinnedBytes = 0;
  }
  AIR_RETURN_IF_ERROR(driver.call(f.hostAllocate, &pinned, bytes, 0U));
  pinnedBytes = bytes;
  std::memset(pinned, 0x5a, bytes);
  return Status::ok();
}

Result<double> CudaTimer::transferMilliseconds(CopyDirection direction,
                                               uint64_t device, uint64_t bytes,
                                               uint64_t piece) {
  AIR_RETURN_IF_ERROR(reservePinned(bytes));
  const CudaFunctions &f = driver.functions();
  AIR_RETURN_IF_ERROR(start());
  for (uint64_t at = 0; at < bytes; at += piece) {
    uint8_t *host = static_cast<uint8_t *>(pinned) + at;
    const uint64_t size = std::min(piece, bytes - at);
    AIR_RETURN_IF_ERROR(direction == CopyDirection::ToGpu
                            ? driver.call(f.copyToDevice, device + at, host,
                                          size, driver.stream())
                            : driver.call(f.copyToHost, host, device + at, size,
                                          driver.stream()));
  }
  return stop();
}

Result<double> CudaTimer::uploadMilliseconds(uint64_t to, uint64_t bytes,
                                             uint64_t piece) {
  double best = 0;
  for (int i = 0; i < kUploads; ++i) {
    AIR_ASSIGN_OR_RETURN(
        const double milliseconds,
        transferMilliseconds(CopyDirection::ToGpu, to, bytes, piece));
    if (i != 0) {
      best = best == 0 ? milliseconds : std::min(best, milliseconds);
    }
  }
  return best;
}
