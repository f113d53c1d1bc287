//===- CudaDevice.h - an NVIDIA GPU as a Device -----------------*- C++ -*-===//
//
// Memory is allocated on the GPU, addresses are device pointers, and
// executables are cubins or PTX. The kernels read the tokens of a batch from
// device memory: the caller writes them before each run, and the AirBatch given
// to run() is not used.
//
// Each queue is a CUDA stream. The stream for uploads is created when it is
// first used. The first run of a range of dispatches records the range as a
// CUDA graph; later runs launch that graph, which is never changed. write()
// copies through a ring of pinned memory, and waits only while the whole ring
// is in use.
//
// Errors: see Device.h. If a function of the driver failed, the message names
// this function and contains the driver's own text. After an error that makes
// the GPU unusable for this process, such as an illegal access by a kernel,
// every later call returns the same error, which names the program that ran if
// only one program can have caused it. Only a new process can then use the GPU.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_CUDADEVICE_H
#define AIRPACK_RUNTIME_HAL_CUDA_CUDADEVICE_H

#include "runtime/hal/Device.h"
#include "runtime/hal/cuda/CudaDriver.h"

#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace air::rt {

struct CudaOptions {
  CudaChoice gpu;
  /// The largest number of bytes that allocate() hands out in total.
  uint64_t memoryLimit = UINT64_MAX;
};

class CudaDevice final : public Device {
public:
  /// Opens a GPU. Errors: as CudaDriver::open().
  static Result<std::unique_ptr<CudaDevice>> create(const CudaOptions &options);
  /// Uses a GPU that is open already.
  static Result<std::unique_ptr<CudaDevice>>
  create(std::unique_ptr<CudaDriver> driver, uint64_t memoryLimit);
  ~CudaDevice() override;
  CudaDevice(const CudaDevice &) = delete;
  CudaDevice &operator=(const CudaDevice &) = delete;

  /// freeBytes is the free memory at the time of create().
  const CudaFacts &facts() const { return driver->facts(); }

  Result<DeviceAddress> allocate(uint64_t bytes,
                                 std::string_view what) override;
  /// Always fails with Unsupported.
  Result<DeviceAddress> importHost(std::span<const uint8_t> bytes) override;
  /// Errors: Corrupt (neither a complete ELF file nor PTX, or refused by the
  /// driver, or an entry is missing), Mismatch (code for another architecture),
  /// Unsupported (the driver is too old for the PTX).
  Result<uint32_t>
  loadExecutable(std::span<const uint8_t> object,
                 std::span<const std::string_view> entries) override;
  /// Every dispatch must have a launch shape; `grid`, `barrier`, `streams` and
  /// `copies` are not used, and `scratchBytes` must be 0. Errors: also Corrupt
  /// if a dispatch does not have one binding for each parameter of its kernel.
  Result<uint32_t>
  addProgram(std::span<const DispatchDesc> dispatches) override;
  /// Returns without waiting for the kernels.
  Status run(uint32_t program, uint32_t first, uint32_t count,
             const AirBatch &batch) override;
  Status copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) override;
  Status write(DeviceAddress to, std::span<const uint8_t> from) override;
  Result<std::span<uint8_t>> allocateHost(uint64_t bytes,
                                          std::string_view what) override;
  Status upload(DeviceAddress to, std::span<const uint8_t> from) override;
  Status download(std::span<uint8_t> to, DeviceAddress from) override;
  Result<uint32_t> addEvent() override;
  Status signal(Queue queue, uint32_t event) override;
  Status wait(Queue queue, uint32_t event) override;
  Result<bool> isComplete(uint32_t event) override;
  Status finish(uint32_t event) override;
  Status synchronise() override;
  /// Waits until all earlier work of the Compute queue is complete.
  Result<const void *> read(DeviceAddress from, uint64_t bytes) override;

private:
  struct Kernel {
    void *function = nullptr;
    uint32_t sharedBytes = 0; ///< the limit set by CudaDriver::allowShared()
    std::optional<uint32_t> parameters; ///< the number of them, if known
  };
  /// One of the equal parts of the pinned ring through which write() copies.
  struct Slot {
    uint8_t *memory = nullptr;
    uint64_t used = 0;
    void *copied = nullptr; ///< event after the slot's last copy
  };
  struct Pinned {
    uint8_t *memory = nullptr;
    uint64_t bytes = 0;
  };
  /// The program of a range of dispatches, the index of the first dispatch, and
  /// the number of dispatches.
  using Range = std::tuple<uint32_t, uint32_t, uint32_t>;

  CudaDevice() = default;
  Result<uint8_t *> allocatePinned(uint64_t bytes);
  Status reserveView(uint64_t bytes);
  Result<void *> streamOf(Queue queue);
  Result<void *> eventAt(uint32_t event) const;

  std::unique_ptr<CudaDriver> driver;
  uint64_t memoryLimit = 0;
  uint64_t allocated = 0;
  std::vector<DeviceAddress> allocations;
  std::vector<uint8_t *> hostAllocations;
  void *uploads = nullptr; ///< the stream of Queue::Upload, if it was used
  std::vector<void *> events;
  /// For each event: how many runs of programs were enqueued before its last
  /// signal, if that was in the Compute queue. If it was in the Upload queue,
  /// the number is 0, because the event then says nothing about any run.
  std::vector<uint64_t> runsBefore;
  void *zeroed = nullptr;       ///< event after zeroing the last allocation
  bool uploadsMustWait = false; ///< whether uploads still wait for `zeroed`
  std::vector<std::vector<Kernel>> executables;
  std::vector<std::vector<CudaLaunch>> programs;
  std::map<Range, void *> graphs;
  std::vector<Slot> slots;
  size_t currentSlot = 0;
  /// Pinned memory for what read() has returned since the last run. read()
  /// takes memory from the last element, of which `viewUsed` bytes are in use;
  /// if too few bytes are left there, it adds an element.
  std::vector<Pinned> views;
  uint64_t viewUsed = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_CUDADEVICE_H
