//===- HugeBlocks.h - writes a file in blocks of huge pages -----*- C++ -*-===//
//
// When a file is written, the page cache uses the largest pages that the size
// and the alignment of each write allow. If the blocks of a file are written as
// aligned blocks of 2 MiB, a program that maps the file soon afterwards gets
// huge pages: fewer misses of the TLB, and longer runs of consecutive memory
// for the prefetchers of the CPU.
//
// Ownership: keeps a copy of at most one block. Thread-safety: none. Errors:
// those of AtomicFile::writeAt(), possibly later than the write that they
// belong to, but at the latest from flush().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_HUGEBLOCKS_H
#define AIRPACK_FORMATS_SUPPORT_HUGEBLOCKS_H

#include "formats/support/AtomicFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air {

/// Collects writes to one file until they fill a block.
class HugeBlocks {
public:
  /// The size of a huge page of x86-64, and of most other CPUs.
  static constexpr uint64_t kBlockBytes = uint64_t{2} << 20;

  /// Writes `bytes` at `offset`, or keeps them until the block that they belong
  /// to is complete. If `offset` is not where the previous bytes ended, the
  /// bytes that are still kept are written first, even though their block is
  /// incomplete.
  Status write(AtomicFile &file, uint64_t offset,
               std::span<const uint8_t> bytes);
  /// Writes the bytes that are still kept. Must be called before anything else
  /// writes to or reads from the file.
  Status flush(AtomicFile &file);

private:
  std::vector<uint8_t> pending;
  uint64_t begin = 0; ///< the offset of pending[0] in the file
};

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_HUGEBLOCKS_H
