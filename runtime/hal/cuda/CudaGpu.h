//===- CudaGpu.h - an NVIDIA GPU that is open -------------------*- C++ -*-===//
//
// open() chooses the GPU for all devices. They share the GPU's primary context,
// which the driver keeps until the CudaGpu and all devices are destroyed. Each
// device has streams of its own. Errors and thread-safety: see Gpu.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_CUDAGPU_H
#define AIRPACK_RUNTIME_HAL_CUDA_CUDAGPU_H

#include "runtime/hal/Gpu.h"
#include "runtime/hal/cuda/CudaDevice.h"

namespace air::rt {

class CudaGpu final : public Gpu {
public:
  /// Errors: as CudaDriver::open().
  static Result<std::unique_ptr<Gpu>> open(const CudaChoice &choice) {
    AIR_ASSIGN_OR_RETURN(std::unique_ptr<CudaDriver> driver,
                         CudaDriver::open(choice));
    return std::unique_ptr<Gpu>(new CudaGpu(std::move(driver)));
  }

  Result<std::unique_ptr<Device>>
  newDevice(uint64_t memoryLimit) const override {
    AIR_ASSIGN_OR_RETURN(std::unique_ptr<CudaDriver> another, driver->again());
    AIR_ASSIGN_OR_RETURN(std::unique_ptr<CudaDevice> device,
                         CudaDevice::create(std::move(another), memoryLimit));
    return std::unique_ptr<Device>(std::move(device));
  }

private:
  explicit CudaGpu(std::unique_ptr<CudaDriver> opened)
      : driver(std::move(opened)) {}

  const std::unique_ptr<const CudaDriver> driver;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_CUDAGPU_H
