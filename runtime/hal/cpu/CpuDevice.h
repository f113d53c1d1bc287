//===- CpuDevice.h - the machine's own cores as a Device --------*- C++ -*-===//
//
// Memory consists of anonymous mappings (huge pages where they help), addresses
// are pointers, and executables are relocatable objects loaded by ElfLoader.
// run() lets the thread pool walk a range of dispatches. A phase of that walk
// consists of the dispatches up to the next barrier. Every thread owns a
// contiguous range of the tiles of each dispatch, so it reads its part of a
// matrix as one stream. A thread that is done early takes over tiles of other
// threads (TileQueue.h). What a tile computes does not depend on the thread
// that runs it, so the results are the same for every number of threads.
//
// The first write to a page places it on the NUMA node of the writing thread.
// allocate() therefore writes nothing, each thread first writes its own scratch
// memory, and all other memory is first written by the tiles that compute its
// contents.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_CPUDEVICE_H
#define AIRPACK_RUNTIME_HAL_CPU_CPUDEVICE_H

#include "runtime/hal/Device.h"
#include "runtime/hal/ElfLoader.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <memory>
#include <vector>

namespace air::rt {

class CpuDevice final : public Device {
public:
  /// Creates a device with threads of its own.
  static Result<std::unique_ptr<CpuDevice>> create(uint32_t threads);
  /// Creates a device whose programs run on threads that it shares with others.
  explicit CpuDevice(std::shared_ptr<ThreadPool> threads)
      : pool(std::move(threads)) {}
  ~CpuDevice() override;
  CpuDevice(const CpuDevice &) = delete;
  CpuDevice &operator=(const CpuDevice &) = delete;

  Result<DeviceAddress> allocate(uint64_t bytes,
                                 std::string_view what) override;
  Result<DeviceAddress> importHost(std::span<const uint8_t> bytes) override;
  Result<uint32_t>
  loadExecutable(std::span<const uint8_t> object,
                 std::span<const std::string_view> entries) override;
  Result<uint32_t>
  addProgram(std::span<const DispatchDesc> dispatches) override;
  Status run(uint32_t program, uint32_t first, uint32_t count,
             const AirBatch &batch) override;
  Status copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) override;
  Status write(DeviceAddress to, std::span<const uint8_t> from) override;
  Result<std::span<uint8_t>> allocateHost(uint64_t bytes,
                                          std::string_view what) override;
  // The CPU does all work during the call, so every event is always complete.
  Status upload(DeviceAddress to, std::span<const uint8_t> from) override {
    return write(to, from);
  }
  Status download(std::span<uint8_t> to, DeviceAddress from) override;
  Result<uint32_t> addEvent() override { return events++; }
  Status signal(Queue queue, uint32_t event) override {
    return wait(queue, event);
  }
  Status wait(Queue queue, uint32_t event) override;
  Result<bool> isComplete(uint32_t event) override {
    AIR_RETURN_IF_ERROR(finish(event));
    return true;
  }
  Status finish(uint32_t event) override { return wait(Queue::Compute, event); }
  Status synchronise() override { return Status::ok(); }
  Result<const void *> read(DeviceAddress from, uint64_t bytes) override;

  /// Registers functions of this process as an executable, for tests and
  /// benchmarks, and returns its index.
  uint32_t addFunctions(std::span<const AirKernelFn> functions);

  ThreadPool &threadPool() { return *pool; }

private:
  struct Mapping {
    void *address = nullptr;
    uint64_t bytes = 0;
  };
  struct Dispatch {
    AirKernelFn function = nullptr;
    DispatchGrid grid;
    uint64_t firstBinding = 0;
    bool barrier = true;
    /// The ReadAhead of the next dispatch that has one, in this pass or in the
    /// next pass; null if no dispatch of the program has one.
    const ReadAhead *ahead = nullptr;
  };
  struct Program {
    std::vector<Dispatch> dispatches;
    std::vector<ReadAhead> aheads; ///< referenced by the dispatches
    std::vector<void *> bindings;
  };
  class Walk;

  Status reserveScratch(uint64_t bytesPerThread);

  uint32_t events = 0; ///< how many events addEvent() has made
  std::shared_ptr<ThreadPool> pool;
  std::vector<Mapping> mappings;
  std::vector<ElfImage> images;
  std::vector<std::vector<AirKernelFn>> executables;
  std::vector<Program> programs;
  uint8_t *scratch = nullptr;
  uint64_t scratchStride = 0; ///< bytes from one thread's scratch to the next
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_CPUDEVICE_H
