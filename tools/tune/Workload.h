//===- Workload.h - one kernel and all that it reads ------------*- C++ -*-===//
//
// A kernel of a running model never finds its weights in a cache, because
// between two of its calls the whole model is read. The operands of a workload
// therefore rotate through many copies that together exceed the last-level
// cache.
//
// Thread-safety: an object may be used by one thread at a time. Errors: those
// of the compiler and the device.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_TUNE_WORKLOAD_H
#define AIRPACK_TOOLS_TUNE_WORKLOAD_H

#include "codegen/KernelSpec.h"
#include "formats/machine/MachineProfile.h"
#include "runtime/hal/cpu/CpuDevice.h"

#include <memory>
#include <span>
#include <vector>

namespace air::tune {

/// The least size, in bytes, of the memory that holds the copies of operands:
/// four times the last-level cache, but at least 256 MiB.
uint64_t rotatingBytes();

/// The memory for the copies of operands. It is filled once and shared by
/// benchmarks that run one after another. Memory that is read as floating point
/// contains only normal numbers, since subnormal ones are slower; the rest is
/// random.
class RotatingMemory {
public:
  struct Region {
    uint8_t *data = nullptr;
    uint64_t bytes = 0;
  };
  /// Returns a region of at least `bytes` bytes, and at least rotatingBytes(),
  /// that contains only normal floating-point numbers. This may invalidate the
  /// regions that earlier calls returned.
  Result<Region> ordinaryFloats(uint64_t bytes);
  Result<Region> randomBits(uint64_t bytes);

private:
  struct Pool {
    std::unique_ptr<rt::CpuDevice> owner;
    Region region;
  };
  static Result<Region> grow(Pool &pool, uint64_t bytes, bool isFloat);
  Pool floats;
  Pool bits;
};

/// The batch of tokens for which a workload runs its kernels, and whether the
/// kernels find their operands in the caches.
struct WorkloadBatch {
  uint64_t tokens = 1;
  /// For attention, the number of keys that the last token sees.
  uint32_t context = 0;
  /// Whether all runs use the same copy of the operands, so that it stays in
  /// every cache that is large enough for it.
  bool isCached = false;
};

class Workload {
public:
  /// Compiles `specs` for `host`. The specs may differ only in their tiles.
  /// `memory` must outlive the workload, and must not grow while the workload
  /// exists.
  static Result<std::unique_ptr<Workload>>
  create(std::span<const codegen::KernelSpec> specs, WorkloadBatch batch,
         RotatingMemory &memory, const MachineProfile &host, uint32_t threads);

  /// Runs all tiles of the kernel `specs[kernel]` once, on the next copy of its
  /// operands.
  Status run(size_t kernel = 0) { return runMany(kernel, 1); }
  /// Runs the kernel `specs[kernel]` `times` times, each time on the next copy
  /// of its operands. The runs follow each other like the dispatches of a pass
  /// over a model.
  Status runMany(size_t kernel, uint32_t times);

  /// Bytes per run that must come from memory: weights or KV, or the
  /// activations of ops that read neither. Writes are not counted.
  double bytesRead() const { return bytes; }
  double flops() const { return operations; }

private:
  /// The operand of one binding. Its copies are `stride` bytes apart; if
  /// `stride` is 0, there is only one copy.
  struct Operand {
    uint64_t bytes = 0;
    uint64_t stride = 0;
  };

  std::vector<Operand> describe(const codegen::KernelSpec &spec,
                                const codegen::KernelEntry &entry);
  void fillBatch(const codegen::KernelSpec &spec, WorkloadBatch batch);
  /// Places the operands in `memory`. Returns the address of each operand's
  /// first copy.
  Result<std::vector<rt::DeviceAddress>>
  place(const codegen::KernelSpec &spec, const std::vector<Operand> &operands,
        RotatingMemory &memory, bool isCached);
  Status bind(const codegen::KernelSpec &spec,
              const codegen::KernelArtifact &artifact,
              const std::vector<Operand> &operands,
              const std::vector<rt::DeviceAddress> &first);
  AirBatch view() const;

  std::unique_ptr<rt::CpuDevice> device;
  std::vector<uint32_t> programs; ///< one per kernel
  uint64_t stride = 0; ///< bytes from one copy of all operands to the next
  uint32_t copies = 1;
  /// For attention, a page of the KV cache holds the K and V of `layers`
  /// layers, which are layerStride bytes apart. Each layer serves as one copy
  /// of the operand.
  uint64_t layers = 1;
  uint64_t layerStride = 0;
  uint32_t dispatchCount =
      1;             ///< dispatches per program; each uses the next copy
  uint32_t next = 0; ///< the next dispatch
  double bytes = 0;
  double operations = 0;

  std::vector<int32_t> ids;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> sequences;
  std::vector<uint32_t> lengths; ///< of each sequence
  std::vector<uint32_t> blockTables;
  std::vector<AirBlockTable> tables; ///< point into `blockTables`
  /// The number of rows of the embedding table; 0 if the kernel reads none.
  uint64_t vocabulary = 0;
  uint64_t random = 1;
};

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_WORKLOAD_H
