//===- FakeGpu.h - the GPU behind the fake CUDA driver ----------*- C++ -*-===//
//
// Memory, queues and kernels of a GPU that does its work as late as the CUDA
// driver API allows: nothing enqueued is done before a call that waits for it,
// unless FakeCuda::copiesEarly is set. FakeDriver.cpp offers this GPU through
// the functions of libcuda.so.1.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEGPU_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEGPU_H

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace air::fakecuda {

// These are values of CUresult.
constexpr int kOk = 0;
constexpr int kInvalidValue = 1;
constexpr int kNotSupported = 801;
constexpr int kOutOfMemory = 2;
constexpr int kNoDevice = 100;
constexpr int kInvalidImage = 200;
constexpr int kInvalidContext = 201;
constexpr int kInvalidHandle = 400;
constexpr int kNotFound = 500;
constexpr int kNotReady = 600;
constexpr int kIllegalAddress = 700;
constexpr int kLaunchFailed = 719;
constexpr int kCaptureUnsupported = 900;
constexpr int kCaptureInvalid = 901;

struct Kernel {
  void *address = nullptr;
  std::string name;
  uint32_t parameters = 0;
  uint32_t sharedBytes = 48 * 1024; ///< the most that a launch may use
};

struct Module {
  void *library = nullptr; ///< from dlopen()
  std::map<std::string, Kernel> kernels;
};

struct KernelCall {
  const Kernel *kernel = nullptr;
  uint32_t gridX = 1;
  uint32_t gridY = 1;
  uint32_t threads = 1;
  uint32_t sharedBytes = 0;
  bool dependent = false;
  /// Whether the next kernel of the same graph is dependent on this one.
  bool hasDependent = false;
  std::vector<uint64_t> arguments;
};

using Graph = std::vector<KernelCall>;

struct Stream;

/// The point of a stream at which its first `count` pieces of work are done.
struct Point {
  Stream *stream = nullptr;
  uint64_t count = 0;
};

/// A piece of work. If `after` names a stream, the work starts only after the
/// first `after.count` pieces of work of that stream are done.
struct Work {
  /// Returns a CUresult. After a result other than kOk, the GPU cannot be used.
  std::function<int()> action;
  Point after = {};
};

struct Stream {
  std::deque<Work> queue;
  uint64_t enqueued = 0;
  uint64_t done = 0;
  bool hasKernels = false;
  std::unique_ptr<Graph> capture; ///< while launches are being recorded
};

struct Event {
  Point point; ///< has no stream until the event is recorded
  bool hasTime = true;
  uint64_t microseconds = 0;
};

class Gpu {
public:
  /// Allocates device memory, filled with 0xff. Returns null if too little is
  /// left.
  uint8_t *allocate(uint64_t bytes);
  /// Returns false if `memory` is not what allocate() returned.
  bool free(uint64_t memory);
  bool contains(uint64_t address, uint64_t bytes) const;

  /// Does queued work until `stream.done` is at least `count`, the queue is
  /// empty, or the GPU has failed. Returns `failure`.
  int advance(Stream &stream, uint64_t count = UINT64_MAX);
  int advanceAll();
  /// Does the work of the streams that run no kernels, up to the first piece of
  /// work that must wait for another stream.
  void advanceCopies();
  int runKernel(const KernelCall &call);
  /// Copies memory. The GPU's clock advances by 1 us for every 10,000 bytes,
  /// rounded up.
  void copy(void *to, const void *from, uint64_t bytes);

  /// `users` plus the number of objects that exist. These are modules, streams,
  /// events, graphs, executable graphs, and allocations of device memory and of
  /// pinned memory.
  int64_t liveObjects() const;
  /// Frees everything, as destroying a CUDA context does.
  void reset();

  std::list<Module> modules;
  std::list<Stream> streams;
  std::list<Event> events;
  std::list<Graph> graphs;
  std::list<Graph> graphExecutables;
  std::map<uint64_t, std::vector<uint8_t>> pinned; ///< by address
  uint32_t users = 0; ///< how often the context is retained
  int failure = kOk;  ///< if it is not kOk, every call returns it
  std::string failureText;
  uint64_t microseconds = 0;
  uint64_t launches = 0; ///< the number of kernels that were run

private:
  struct Allocation {
    std::vector<uint8_t> storage;
    uint64_t bytes = 0;
  };

  int fail(int code, const std::string &text);
  bool guardsAreIntact() const;

  std::map<uint64_t, Allocation> memory; ///< by address
  /// The words that the latest kernel changed, if the next kernel of the graph
  /// is a programmatic dependent launch, which may start before the latest
  /// kernel has ended. Otherwise empty.
  std::vector<std::span<uint8_t>> written;
  bool reversed = false;
};

} // namespace air::fakecuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEGPU_H
