//===- HybridDevice.h - programs that run on the CPU and a GPU --*- C++ -*-===//
//
// Runs programs some of whose dispatches are for the CPU and the others for a
// GPU. A dispatch with a LaunchShape is for the GPU. Between dispatches of
// different devices, rows of activations are copied from one device's memory to
// the other's.
//
// The CPU computes during run(), whereas the work of the GPU is only enqueued.
// While the CPU computes, the GPU therefore continues its earlier work, and
// weights for later steps are copied to it. Before rows are copied from the
// GPU, run() waits for all of the GPU's work.
//
// An executable is not loaded through this class. The caller loads it into the
// device that runs it, the CPU's or the GPU's. That device returns an index, to
// which the caller sets DispatchDesc::executable. All functions other than
// addProgram(), run() and synchronise() are those of the GPU; read() and
// write(), for example, take addresses of the GPU.
//
// Ownership: borrows both devices, which must outlive it. Thread-safety: the
// same as for Device. Errors: those of the devices.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_HYBRIDDEVICE_H
#define AIRPACK_RUNTIME_EXEC_HYBRIDDEVICE_H

#include "runtime/hal/Device.h"

#include <vector>

namespace air::rt {

class HybridDevice final : public Device {
public:
  /// The addresses of `cpuDevice` must be host pointers, because the host
  /// copies rows from and to the memory at these addresses.
  HybridDevice(Device &cpuDevice, Device &gpuDevice)
      : cpu(cpuDevice), gpu(gpuDevice) {}

  Result<uint32_t>
  addProgram(std::span<const DispatchDesc> dispatches) override;
  Status run(uint32_t program, uint32_t first, uint32_t count,
             const AirBatch &batch) override;
  Status synchronise() override;

  Result<DeviceAddress> allocate(uint64_t bytes,
                                 std::string_view what) override {
    return gpu.allocate(bytes, what);
  }
  Result<std::span<uint8_t>> allocateHost(uint64_t bytes,
                                          std::string_view what) override {
    return gpu.allocateHost(bytes, what);
  }
  Result<DeviceAddress> importHost(std::span<const uint8_t> bytes) override {
    return gpu.importHost(bytes);
  }
  Result<uint32_t>
  loadExecutable(std::span<const uint8_t> object,
                 std::span<const std::string_view> entries) override {
    return gpu.loadExecutable(object, entries);
  }
  Status copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) override {
    return gpu.copy(to, from, bytes);
  }
  Status write(DeviceAddress to, std::span<const uint8_t> from) override {
    return gpu.write(to, from);
  }
  Status upload(DeviceAddress to, std::span<const uint8_t> from) override {
    return gpu.upload(to, from);
  }
  Status download(std::span<uint8_t> to, DeviceAddress from) override {
    return gpu.download(to, from);
  }
  Result<uint32_t> addEvent() override { return gpu.addEvent(); }
  Status signal(Queue queue, uint32_t event) override {
    return gpu.signal(queue, event);
  }
  Status wait(Queue queue, uint32_t event) override {
    return gpu.wait(queue, event);
  }
  Result<bool> isComplete(uint32_t event) override {
    return gpu.isComplete(event);
  }
  Status finish(uint32_t event) override { return gpu.finish(event); }
  Result<const void *> read(DeviceAddress from, uint64_t bytes) override {
    return gpu.read(from, bytes);
  }

private:
  struct Dispatch {
    bool isOnGpu = false;
    uint32_t index = 0; ///< in the program of its device
    std::vector<RowCopy> copies;
  };
  struct Program {
    std::vector<Dispatch> dispatches;
    uint32_t onCpu = 0; ///< what addProgram() of the devices returned; unused
    uint32_t onGpu = 0; ///< if no dispatch of the program is for the device
  };
  Status copyRows(const RowCopy &copy, bool isToGpu, const AirBatch &batch);

  Device &cpu;
  Device &gpu;
  std::vector<Program> programs;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_HYBRIDDEVICE_H
