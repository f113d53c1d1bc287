//===- Device.h - the interface between executor and hardware ---*- C++ -*-===//
//
// The executor knows about steps, sequences and addresses. A Device knows how
// its hardware stores bytes and runs kernels. One object represents one device,
// with its memory and its compute threads or queues.
//
// Order of use: allocate memory, load executables, add programs (flat lists of
// dispatches whose bindings are already addresses), then run ranges of them.
// Work that takes a long time or allocates memory is done before the first run
// of a range, or during that run: a CPU resolves entry points in addProgram(),
// and a GPU records a graph or a command buffer of a range when it first runs.
//
// Addresses are 64-bit numbers that the device's kernels understand: pointers
// on the CPU, device pointers or buffer device addresses on a GPU. They do not
// change during the device's lifetime, so programs contain them as literals.
//
// Ownership: the device frees everything that it allocated. Thread-safety: one
// caller at a time. Errors: DoesNotFit (memory), Corrupt, Mismatch or
// Unsupported (executables), Io (the system or the driver refused), Internal (a
// wrong call). An error of run() ends only that run, unless it makes a GPU
// unusable (CudaDevice.h).
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

/// Which number of a batch the grid of a dispatch grows with: the number of its
/// tokens, or the number of its outputs.
enum class GridRows : uint8_t { Tokens, Outputs };

/// The tiles of a kernel form a grid of row tiles and token tiles. There are
/// `baseTiles` row tiles; in a matmul, they divide the rows of the weights. The
/// token tiles divide the n tokens or outputs of the batch (`rowsFrom` says
/// which): there are ceil(n / tokensPerTile), or one if tokensPerTile is 0.
/// Tile t of the kernel computes row tile t % baseTiles for token tile
/// t / baseTiles. A dispatch runs only the row tiles from firstTile to
/// firstTile + tiles - 1, or all of them if `tiles` is 0, in each case for
/// every token tile. If n is 0, the dispatch does not run.
struct DispatchGrid {
  uint64_t baseTiles = 1;
  uint64_t tokensPerTile = 0;
  GridRows rowsFrom = GridRows::Tokens;
  uint64_t firstTile = 0;
  uint64_t tiles = 0;

  /// The number of row tiles that run.
  uint64_t rowTiles() const { return tiles == 0 ? baseTiles : tiles; }
};

/// The number of tiles that a dispatch runs.
uint64_t tileCount(const DispatchGrid &grid, const AirBatch &batch);

/// Memory that a dispatch reads once, one tile after another: the t-th tile
/// that runs reads about `tileBytes` bytes near start + t * tileBytes.
struct TileStream {
  DeviceAddress start = 0;
  uint64_t tileBytes = 0;
};

/// How a GPU launches a kernel; a CPU uses DispatchGrid instead. If `dependent`
/// is true, the kernel may start while the previous kernel of the program still
/// runs; the code of the kernel then waits until the previous one is complete.
struct LaunchShape {
  uint32_t gridX = 0; ///< thread blocks; 0 for a CPU kernel
  uint32_t gridY = 1;
  uint32_t threads = 0; ///< per thread block
  uint32_t sharedBytes = 0;
  bool dependent = false;
};

/// A row of activations for each token of the batch, copied between the
/// memories of two devices.
struct RowCopy {
  DeviceAddress from = 0;
  DeviceAddress to = 0;
  uint64_t rowBytes = 0;
};

/// One kernel launch of a program. The arrays `bindings`, `streams` and
/// `copies` may be freed once addProgram() has returned.
struct DispatchDesc {
  uint32_t executable = 0; ///< returned by loadExecutable()
  uint32_t entry = 0;      ///< index into the `entries` of loadExecutable()
  DispatchGrid grid;
  LaunchShape launch;
  std::span<const DeviceAddress> bindings;
  uint64_t scratchBytes = 0; ///< per thread
  /// False if the next dispatch may start before the tiles of this one are
  /// done.
  bool barrier = true;
  /// The memory that a device may prefetch before the dispatch starts. Whether
  /// it does so affects only the speed, not the results.
  std::span<const TileStream> streams = {};
  /// The rows that must be copied from the other device to the device of this
  /// dispatch before the dispatch starts. Empty unless the program runs on two
  /// devices (exec/HybridDevice.h).
  std::span<const RowCopy> copies = {};
};

/// A device does the work of each queue in the order of the calls. Work of
/// different queues may overlap, unless signal() and wait() order it. Uploads
/// belong to the Upload queue, and all other work to the Compute queue.
enum class Queue : uint8_t { Compute, Upload };

class Device {
public:
  virtual ~Device() = default;

  /// Allocates zeroed memory, aligned to at least AIR_BINDING_ALIGNMENT. `what`
  /// names the memory in the error message.
  virtual Result<DeviceAddress> allocate(uint64_t bytes,
                                         std::string_view what) = 0;

  /// Allocates zeroed host memory from which upload() can copy and to which
  /// download() can; on a GPU it is page-locked. `what` names the memory in the
  /// error message.
  virtual Result<std::span<uint8_t>> allocateHost(uint64_t bytes,
                                                  std::string_view what) = 0;

  /// Returns the address at which kernels see `bytes`, a range of host memory
  /// that must outlive the device and be aligned to AIR_BINDING_ALIGNMENT.
  /// Errors: Unsupported if the device can only read its own memory.
  virtual Result<DeviceAddress> importHost(std::span<const uint8_t> bytes) = 0;

  /// Loads an executable of a plan and looks up all `entries` in it. Returns
  /// the index of the executable, for DispatchDesc.
  virtual Result<uint32_t>
  loadExecutable(std::span<const uint8_t> object,
                 std::span<const std::string_view> entries) = 0;

  /// Returns the index that identifies the program in calls of run().
  virtual Result<uint32_t>
  addProgram(std::span<const DispatchDesc> dispatches) = 0;

  /// Runs dispatches [first, first + count) of a program, in order. The batch's
  /// arrays are host memory. If the kernels of the device run on the host, the
  /// arrays must not change before the work is complete. Any other device no
  /// longer reads the arrays once this call has returned.
  virtual Status run(uint32_t program, uint32_t first, uint32_t count,
                     const AirBatch &batch) = 0;

  /// Copies `bytes` bytes within device memory, after all earlier runs and
  /// copies of the Compute queue are complete.
  virtual Status copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) = 0;

  /// Copies `from` to device memory, after all earlier runs and copies of the
  /// Compute queue are complete. `from` may change once the call has returned.
  virtual Status write(DeviceAddress to, std::span<const uint8_t> from) = 0;

  /// Copies `from` to device memory, in the Upload queue. `from` must be memory
  /// that allocateHost() returned, and must not change before the copy is
  /// complete.
  virtual Status upload(DeviceAddress to, std::span<const uint8_t> from) = 0;

  /// Copies device memory to `to`, in the Compute queue. `to` must be memory
  /// that allocateHost() returned. The host may read it once an event that was
  /// signalled after this call is complete.
  virtual Status download(std::span<uint8_t> to, DeviceAddress from) = 0;

  /// Returns the index of a new event, for signal() and wait(). An event that
  /// has never been signalled counts as complete.
  virtual Result<uint32_t> addEvent() = 0;

  /// Makes the event complete once all earlier work of `queue` is complete.
  /// Later calls of wait() refer to this signal and no longer to earlier ones.
  virtual Status signal(Queue queue, uint32_t event) = 0;

  /// Delays the later work of `queue` until the work before the last signal()
  /// of the event is complete. Returns at once.
  virtual Status wait(Queue queue, uint32_t event) = 0;

  /// Whether the work before the last signal() of the event is complete.
  virtual Result<bool> isComplete(uint32_t event) = 0;

  /// Returns when the work before the last signal() of the event is complete.
  virtual Status finish(uint32_t event) = 0;

  /// Returns when all earlier work of both queues is complete.
  virtual Status synchronise() = 0;

  /// Lets the host read `bytes` bytes of the device's memory, as of the last
  /// synchronise(). The pointer is valid until the next run.
  virtual Result<const void *> read(DeviceAddress from, uint64_t bytes) = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_DEVICE_H
