//===- CudaTimer.h - times work of a GPU's stream ---------------*- C++ -*-===//
//
// A CudaTimer measures how long work in the stream of a CudaDriver takes, as
// the time between two events that the GPU records. This time does not include
// the delay until the host notices that the work is complete, but it includes
// any time in which the GPU waits for the host to enqueue more work.
//
// Ownership: a CudaTimer borrows its CudaDriver, which must outlive it.
// Thread-safety: one caller at a time, with the driver's context current.
// Errors: as CudaDriver.h states.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_CUDATIMER_H
#define AIRPACK_RUNTIME_HAL_CUDA_CUDATIMER_H

#include "runtime/hal/cuda/CudaDriver.h"

#include <memory>

namespace air::rt {

/// The direction of a copy between the host and a GPU.
enum class CopyDirection : uint8_t { ToGpu, ToHost };

class CudaTimer {
public:
  static Result<std::unique_ptr<CudaTimer>> create(CudaDriver &driver);
  ~CudaTimer();
  CudaTimer(const CudaTimer &) = delete;
  CudaTimer &operator=(const CudaTimer &) = delete;

  /// Starts the clock once all earlier work is complete. Returns without
  /// waiting for that.
  Status start();
  /// Waits until all work of the stream is complete. Returns the milliseconds
  /// from start() until then.
  Result<double> stop();

  /// Takes `samples` samples, after one as a warm-up. A sample copies `bytes`
  /// bytes within the device `copies` times in a row. Returns the milliseconds
  /// per copy in the fastest sample after the warm-up.
  Result<double> copyMilliseconds(uint64_t to, uint64_t from, uint64_t bytes,
                                  uint32_t copies, uint32_t samples);
  /// Copies `bytes` bytes once, in pieces of `piece` bytes, between pinned host
  /// memory and the GPU's memory, where `device` is the address of the first
  /// byte. Returns the milliseconds that this takes.
  Result<double> transferMilliseconds(CopyDirection direction, uint64_t device,
                                      uint64_t bytes, uint64_t piece);
  /// Copies `bytes` bytes from pinned host memory to the device, in pieces of
  /// `piece` bytes, several times. Returns the milliseconds of the fastest
  /// repetition; the first is only a warm-up.
  Result<double> uploadMilliseconds(uint64_t to, uint64_t bytes,
                                    uint64_t piece);

private:
  explicit CudaTimer(CudaDriver &owner) : driver(owner) {}
  Status reservePinned(uint64_t bytes);

  CudaDriver &driver;
  void *begin = nullptr;
  void *end = nullptr;
  void *pinned = nullptr;
  uint64_t pinnedBytes = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_CUDATIMER_H
