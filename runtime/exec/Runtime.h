//===- Runtime.h - the devices that sessions share --------------*- C++ -*-===//
//
// A Runtime gives sessions the devices of a process: the compute threads of the
// CPU, and GPUs. Sessions that exist at the same time share them: a GPU that a
// session has opened is also used by every other session whose plan describes
// its GPU in the same way (see newDevice()), and sessions with the same number
// of threads have the same ones. The threads end, and the GPU is closed, with
// the last session that uses them.
//
// What a session allocates stays its own: pages of weights, KV caches and
// activations, and the memory, queues and kernels on a GPU. Each session also
// reads its own weights from the disk, because a queue of reads is for the file
// of one plan, and fills a ring that the passes of one session empty.
//
// Sessions that share threads take turns: the pool serves one walk
// (ThreadPool.h) at a time, in the order of the calls. Passes of different
// sessions on the same GPU overlap as far as the GPU allows.
//
// Ownership: shared by its sessions, which keep it alive, and which own the
// threads and GPUs that it gives them. Thread-safety: any thread may call any
// function, and different threads may use different sessions at the same time.
// Errors: those of ThreadPool::create, and those of opening a GPU.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_RUNTIME_H
#define AIRPACK_RUNTIME_EXEC_RUNTIME_H

#include "formats/plan/PlanFile.h"
#include "runtime/hal/Gpu.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace air::rt {

/// Opens a GPU that can run kernels for `record`, a device of a plan.
using GpuOpener =
    std::function<Result<std::unique_ptr<Gpu>>(const plan::Device &record)>;

/// A Device that only one session uses, and the GPU on which this Device works.
/// Several sessions may share the GPU, which stays open as long as any
/// SharedDevice refers to it.
struct SharedDevice {
  std::shared_ptr<const Gpu> gpu;
  std::unique_ptr<Device> device;
};

class Runtime {
public:
  /// Without `opener`, the runtime has no GPUs.
  explicit Runtime(GpuOpener opener = {}) : opener(std::move(opener)) {}
  Runtime(const Runtime &) = delete;
  Runtime &operator=(const Runtime &) = delete;

  bool hasGpus() const { return opener != nullptr; }

  /// The pool of `threads` compute threads. It is started if nobody has one
  /// with this number of threads.
  Result<std::shared_ptr<ThreadPool>> threads(uint32_t threads);

  /// Makes a device on a GPU that can run the kernels made for `record`. The
  /// device may allocate at most record.memory_bytes() bytes. If an earlier
  /// call opened a GPU for a record with the same arch, ptx_arch, name and
  /// multiprocessors, and this GPU is still open, it is used. Otherwise, the
  /// opener opens a GPU. hasGpus() must be true.
  Result<SharedDevice> newDevice(const plan::Device &record);

private:
  const GpuOpener opener;
  std::mutex mutex;
  std::map<uint32_t, std::weak_ptr<ThreadPool>> pools;
  std::map<std::string, std::weak_ptr<const Gpu>> gpus;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_RUNTIME_H
