//===- Device.h - what the executor asks of a machine -----------*- C++ -*-===//
//
// The executor knows steps, sequences and addresses; a Device knows how its
// machine keeps bytes and runs kernels. One object is one device with its
// memory and its compute threads or queues.
//
// The order of use: allocate memory, load executables, add programs (flat lists
// of dispatches whose bindings are already addresses), then run ranges of them.
// Everything that costs time or memory happens before the first run: a CPU
// resolves entry points, a GPU records a graph or a command buffer a program.
//
// Addresses are 64-bit numbers that the device's kernels understand: a pointer
// on the CPU, a device pointer or buffer device address on a GPU. They stay the
// same until the device goes, so that programs hold them as literals.
//
// Ownership: the device frees all it allocated. Thread-safety: one caller at a
// time. Errors: DoesNotFit (memory), Corrupt or Unsupported (executables), Io
// (the system or the driver refused); an error of run() ends that run only.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_DEVICE_H
#define AIRPACK_RUNTIME_HAL_DEVICE_H

#include "formats/abi/KernelAbi.h"
#include "formats/support/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace air::rt {

using DeviceAddress = uint64_t;

/// Which of a batch's counts a dispatch's grid follows.
enum class GridRows : uint8_t { Tokens, Outputs };

/// tiles = baseTiles * (tokensPerTile == 0 ? 1 : ceil(rows / tokensPerTile));
/// a dispatch with no rows does not run.
struct DispatchGrid {
  uint64_t baseTiles = 1;
  uint64_t tokensPerTile = 0;
  GridRows rowsFrom = GridRows::Tokens;
};

uint64_t tileCount(const DispatchGrid &grid, const AirBatch &batch);

/// One kernel call of a program. The spans are only read during addProgram.
struct DispatchDesc {
  uint32_t executable = 0; ///< from loadExecutable
  uint32_t entry = 0;      ///< index into that call's `entries`
  DispatchGrid grid;
  std::span<const DeviceAddress> bindings;
  uint64_t scratchBytes = 0; ///< per thread
  /// False when the next dispatch may start before this one's tiles are done.
  bool barrier = true;
};

class Device {
public:
  virtual ~Device() = default;

  /// Zeroed memory, aligned to AIR_BINDING_ALIGNMENT at least. `what` names it
  /// in the error.
  virtual Result<DeviceAddress> allocate(uint64_t bytes,
                                         std::string_view what) = 0;

  /// The address under which kernels see `bytes` of host memory, which must
  /// outlive the device and lie at a multiple of AIR_BINDING_ALIGNMENT.
  /// Unsupported where a device can only read its own memory.
  virtual Result<DeviceAddress> importHost(std::span<const uint8_t> bytes) = 0;

  /// Loads one executable of a plan and finds every entry.
  virtual Result<uint32_t>
  loadExecutable(std::span<const uint8_t> object,
                 std::span<const std::string_view> entries) = 0;

  virtual Result<uint32_t>
  addProgram(std::span<const DispatchDesc> dispatches) = 0;

  /// Runs dispatches [first, first + count) of a program, in order. The batch's
  /// arrays are host memory, untouched until synchronise().
  virtual Status run(uint32_t program, uint32_t first, uint32_t count,
                     const AirBatch &batch) = 0;

  /// Copies inside the device, after what was run before.
  virtual Status copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) = 0;

  /// Returns when everything that was run is done.
  virtual Status synchronise() = 0;

  /// Host's view of allocated memory as of the last synchronise(); valid until
  /// the next run.
  virtual Result<const void *> read(DeviceAddress from, uint64_t bytes) = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_DEVICE_H
