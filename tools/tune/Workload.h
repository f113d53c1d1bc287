//===- Workload.h - one kernel and all that it reads ------------*- C++ -*-===//
//
// A kernel of a running model reads weights that no cache holds: between two
// calls a whole model has gone by. So what it reads is kept in many copies that
// together exceed the last cache, and every run takes the next one.
//
// Thread-safety: one thread. Errors: those of the compiler and the device.
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

/// The least that copies take together: four last caches, 256 MiB at least.
uint64_t rotatingBytes();

/// Memory that copies lie in; filled once and shared by rows that run one after
/// another. What is read as floating point holds ordinary numbers only, since
/// denormal ones take their own time; the rest is random.
class RotatingMemory {
public:
  struct Region {
    uint8_t *data = nullptr;
    uint64_t bytes = 0;
  };
  /// At least `bytes` and rotatingBytes(). May free what an earlier call gave.
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

/// The batch of a run.
struct WorkloadBatch {
  uint64_t tokens = 1;
  uint32_t context = 0; ///< Attention: keys that the last token sees
};

class Workload {
public:
  /// Compiles kernels for `host`, which must be equal but for their tiles.
  /// `memory` outlives the workload, and nobody asks it for more in the
  /// meantime.
  static Result<std::unique_ptr<Workload>>
  create(std::span<const codegen::KernelSpec> specs, WorkloadBatch batch,
         RotatingMemory &memory, const MachineProfile &host, uint32_t threads);

  /// All tiles of a kernel, by its place in `specs`, once, on the next copy.
  Status run(size_t kernel = 0);

  /// Per run. Bytes that must come from memory: weights or KV, or for ops that
  /// have neither their rows; what is written is not counted.
  double bytesRead() const { return bytes; }
  double flops() const { return operations; }

private:
  /// One binding: `stride` bytes to the next copy, or one copy when 0.
  struct Operand {
    uint64_t bytes = 0;
    uint64_t stride = 0;
  };

  std::vector<Operand> describe(const codegen::KernelSpec &spec,
                                const codegen::KernelEntry &entry);
  void fillBatch(const codegen::KernelSpec &spec, WorkloadBatch batch);
  /// Every operand's first copy.
  Result<std::vector<rt::DeviceAddress>>
  place(const codegen::KernelSpec &spec, const std::vector<Operand> &operands,
        RotatingMemory &memory);
  Status bind(const codegen::KernelSpec &spec,
              const codegen::KernelArtifact &artifact,
              const std::vector<Operand> &operands,
              const std::vector<rt::DeviceAddress> &first);
  AirBatch view() const;

  std::unique_ptr<rt::CpuDevice> device;
  std::vector<uint32_t> programs; ///< one a kernel
  uint64_t stride = 0;            ///< from one copy of the operands to the next
  uint32_t copies = 1;
  uint32_t next = 0;
  double bytes = 0;
  double operations = 0;

  std::vector<int32_t> ids;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> sequences;
  std::vector<uint32_t> blockTables;
  uint64_t pagesPerSequence = 1;
  uint64_t vocabulary = 0; ///< rows of the table; 0 when ids are not read
  uint64_t random = 1;
};

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_WORKLOAD_H
