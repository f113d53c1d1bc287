//===- LateGpu.h - a device that works as late as it may --------*- C++ -*-===//
//
// A device with memory of its own, which the host cannot address. Runs, copies,
// writes and downloads take effect only when the host waits for them. read()
// does not wait: it returns a copy of what the memory contains when it is
// called. Uploads take effect as late as the events allow or, with
// `uploadsEarly`, as early as they allow. Kernels are C++ functions that are
// found by name, and an executable consists of the text kFakeCubin
// (FakePlan.h).
//
// Thread-safety: the same as for Device.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_FAKE_LATEGPU_H
#define AIRPACK_TEST_RUNTIME_FAKE_LATEGPU_H

#include "runtime/hal/Device.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace air::test {

/// A kernel. For each binding, it receives the memory from the binding's
/// address to the end of the allocation that contains this address.
using FakeGpuKernel = std::function<void(std::span<const std::span<uint8_t>>)>;

/// The kernels of the plan that writeFakeGpuPlan() writes, by name.
std::map<std::string, FakeGpuKernel> fakeGpuKernels();

class LateGpu final : public rt::Device {
public:
  /// `kernels` maps names to the kernels that executables may use. The GPU has
  /// `bytes` bytes of memory, and allocate() fails if too few of them are free.
  explicit LateGpu(std::map<std::string, FakeGpuKernel> kernels,
                   uint64_t bytes = uint64_t{1} << 30);

  /// Whether uploads are done as soon as the events for which they wait allow.
  /// Otherwise they are done only when the host or the compute queue has to
  /// wait for them.
  bool uploadsEarly = false;
  /// Unless this is ok, write() returns it and does nothing.
  Status writeFailure;
  /// Unless this is ok, copy() returns it and does nothing.
  Status copyFailure;
  /// Unless this is ok, loadExecutable() returns it.
  Status loadFailure;
  /// Unless this is ok, only `launchesBeforeFailure` more kernels are enqueued.
  /// The call of run() that enqueues the last of them, and all later calls,
  /// return this error. If the number is 0 from the start, all calls do.
  Status runFailure;
  uint64_t launchesBeforeFailure = 0;
  /// Unless this is ok, synchronise() and finish() return it and drop all
  /// pending work but the first `workBeforeFailure` pieces. The arrays of the
  /// batch then contain garbage.
  Status workFailure;
  /// How many more pieces of work succeed before `workFailure` takes effect. A
  /// piece is a kernel, a copy, a write, an upload, a download, or a wait for
  /// an event.
  uint64_t workBeforeFailure = 0;
  /// The name and the size of each allocation, in order. Names of host memory
  /// begin with "host ".
  std::vector<std::pair<std::string, uint64_t>> allocations;
  uint64_t writtenBytes = 0; ///< bytes that write() has written so far
  /// The sizes of the uploads so far, in order.
  std::vector<uint64_t> uploads;
  /// The bytes that read() and download() have read so far.
  uint64_t readBytes = 0;
  uint64_t launches = 0;         ///< kernels that have run so far
  uint64_t enqueuedLaunches = 0; ///< these, and those that have yet to run
  /// The launch shape of every dispatch of every program.
  std::vector<rt::LaunchShape> shapes;

  Result<rt::DeviceAddress> allocate(uint64_t bytes,
                                     std::string_view what) override;
  Result<rt::DeviceAddress> importHost(std::span<const uint8_t>) override;
  Result<uint32_t>
  loadExecutable(std::span<const uint8_t> object,
                 std::span<const std::string_view> entries) override;
  Result<uint32_t>
  addProgram(std::span<const rt::DispatchDesc> dispatches) override;
  Status run(uint32_t program, uint32_t first, uint32_t count,
             const AirBatch &batch) override;
  Status copy(rt::DeviceAddress to, rt::DeviceAddress from,
              uint64_t bytes) override;
  Status write(rt::DeviceAddress to, std::span<const uint8_t> from) override;
  Result<std::span<uint8_t>> allocateHost(uint64_t bytes,
                                          std::string_view what) override;
  Status upload(rt::DeviceAddress to, std::span<const uint8_t> from) override;
  Status download(std::span<uint8_t> to, rt::DeviceAddress from) override;
  Result<uint32_t> addEvent() override;
  Status signal(rt::Queue queue, uint32_t event) override;
  Status wait(rt::Queue queue, uint32_t event) override;
  Result<bool> isComplete(uint32_t event) override;
  Status finish(uint32_t event) override;
  Status synchronise() override;
  Result<const void *> read(rt::DeviceAddress from, uint64_t bytes) override;

private:
  struct Launch {
    FakeGpuKernel kernel;
    std::vector<std::span<uint8_t>> bindings;
  };
  /// The point in a queue at which its first `count` pieces of work are done.
  struct Point {
    rt::Queue queue;
    uint64_t count;
  };
  /// A piece of work that must not begin until the point `after`, which may be
  /// in the other queue, has been reached.
  struct Work {
    std::function<void()> action;
    Point after;
  };
  struct WorkQueue {
    std::vector<Work> work;
    uint64_t done = 0;
  };
  WorkQueue &queueOf(rt::Queue queue) {
    return queues[static_cast<size_t>(queue)];
  }
  void enqueue(rt::Queue queue, std::function<void()> action, Point after = {});
  /// Does the work before the point `to`, and all work in the other queue for
  /// which it waits.
  void advance(Point to);
  void advanceUploads();
  /// Returns `workFailure`. If it is an error, first drops the pending work and
  /// fills the arrays of the batch with garbage.
  Status failed();
  /// The memory from `address` to the end of its allocation. The test fails if
  /// the address is outside all allocations, or if this memory has fewer than
  /// `bytes` bytes.
  std::span<uint8_t> memoryAt(rt::DeviceAddress address, uint64_t bytes);
  /// Whether `bytes` lies within one block of memory that allocateHost() has
  /// returned. Also true if `bytes` is empty.
  bool isHostMemory(std::span<const uint8_t> bytes) const;

  std::map<std::string, FakeGpuKernel> known;
  uint64_t freeBytes;
  std::map<rt::DeviceAddress, std::vector<uint8_t>> memory;
  rt::DeviceAddress batchTables =
      0; ///< the arrays of the batch (DeviceBatch.h)
  std::vector<std::vector<FakeGpuKernel>> executables;
  std::vector<std::vector<Launch>> programs;
  WorkQueue queues[2];
  std::vector<Point> events;
  std::vector<std::unique_ptr<std::vector<uint8_t>>> hostMemory;
  /// The copies that read() has returned since the last call of run(), which
  /// frees them.
  std::vector<std::vector<uint8_t>> reads;
};

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_FAKE_LATEGPU_H
