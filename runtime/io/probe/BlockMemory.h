//===- BlockMemory.h - memory with pages of a chosen size -------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_IO_PROBE_BLOCKMEMORY_H
#define AIRPACK_RUNTIME_IO_PROBE_BLOCKMEMORY_H

#include "formats/support/Status.h"

#include <cstdint>

namespace air::rt {

/// Memory into which blocks are read. It consists either of huge pages of 2 MiB
/// or of pages of 4 KiB. The speed of reading may depend on the page size,
/// because pages of 4 KiB are scattered over the RAM, and a device has to be
/// told the address of each of them.
class BlockMemory {
public:
  static constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

  /// `bytes` is a multiple of kHugePageBytes, and so is the address of the
  /// memory. Errors: DoesNotFit if the system has no memory, Unsupported if it
  /// has too few huge pages.
  static Result<BlockMemory> create(uint64_t bytes, bool hugePages);
  ~BlockMemory();
  BlockMemory(BlockMemory &&other) noexcept;
  BlockMemory &operator=(BlockMemory &&other) noexcept;
  BlockMemory(const BlockMemory &) = delete;
  BlockMemory &operator=(const BlockMemory &) = delete;

  uint8_t *data() const { return aligned; }

private:
  BlockMemory() = default;

  void *mapping = nullptr;
  uint64_t mapped = 0;
  uint8_t *aligned = nullptr;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PROBE_BLOCKMEMORY_H
