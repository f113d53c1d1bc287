//===- CudaCopies.h - copies within a GPU and to it, timed ------*- C++ -*-===//
//
// Two buffers of equal size in the memory of a GPU, between which copies are
// timed. A bandwidth counts each byte of such a copy twice, because it is read
// once and written once. Copies between the host and the GPU use one buffer.
//
// Ownership: borrows the CudaDriver, which must outlive it, and owns the
// buffers. Thread-safety: one caller at a time, with the driver's context
// current. Errors: as CudaDriver.h states.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_CUDACOPIES_H
#define AIRPACK_RUNTIME_HAL_CUDA_CUDACOPIES_H

#include "runtime/hal/cuda/CudaTimer.h"

#include <memory>

namespace air::rt {

class CudaCopies {
public:
  /// Allocates and fills two buffers of `bytes` bytes each. Errors: those that
  /// CudaDriver.h states, such as DoesNotFit if the GPU has no room for them.
  static Result<std::unique_ptr<CudaCopies>> create(CudaDriver &driver,
                                                    uint64_t bytes);
  ~CudaCopies();
  CudaCopies(const CudaCopies &) = delete;
  CudaCopies &operator=(const CudaCopies &) = delete;

  /// The size in bytes that buffers need so that the L2 cache of the GPU does
  /// not serve the copies: four times the size of the cache, at least 128 MiB.
  static uint64_t usualBytes(uint64_t l2Bytes);

  /// The bandwidth of the GPU's memory in bytes per second: that of the fastest
  /// of `samples` samples. One more sample is taken before them as a warm-up.
  Result<double> bandwidth(uint32_t samples);
  /// The rate in bytes per second of a transfer that is timed by
  /// transferMilliseconds(). `bytes` is at most the size of a buffer.
  Result<double> transferRate(CopyDirection direction, uint64_t bytes,
                              uint64_t piece);
  /// The rate in bytes per second of one upload of a whole buffer, which is
  /// timed by CudaTimer::uploadMilliseconds().
  Result<double> uploadRate();

private:
  explicit CudaCopies(CudaDriver &owner) : driver(owner) {}

  CudaDriver &driver;
  std::unique_ptr<CudaTimer> timer;
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t bytes = 0; ///< size of each buffer
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_CUDACOPIES_H
