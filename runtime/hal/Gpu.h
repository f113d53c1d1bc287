//===- Gpu.h - a GPU that a process has opened ------------------*- C++ -*-===//
//
// A process opens a GPU once. Each user of the GPU, such as a session, has a
// Device of its own, with its own memory, programs and queues, so users do not
// wait for each other on the host; the GPU itself divides its time among them.
//
// Ownership: a Device may outlive the Gpu that made it.
// Thread-safety: any thread may call newDevice(); each Device has one caller at
// a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_GPU_H
#define AIRPACK_RUNTIME_HAL_GPU_H

#include "runtime/hal/Device.h"

#include <memory>

namespace air::rt {

class Gpu {
public:
  virtual ~Gpu() = default;

  /// Makes a Device that allocates at most `memoryLimit` bytes. Its memory is
  /// free again when it is destroyed. Errors: DoesNotFit, Io.
  virtual Result<std::unique_ptr<Device>>
  newDevice(uint64_t memoryLimit) const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_GPU_H
