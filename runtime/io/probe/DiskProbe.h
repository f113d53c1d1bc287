//===- DiskProbe.h - measures how fast a file is read -----------*- C++ -*-===//
//
// Reads a file from its start to its end, again and again, in all combinations
// of a method, a block size (256 KiB, 1, 2, 4 MiB), a depth (1, 2, 4) and the
// size of the pages in memory (2 MiB, 4 KiB). A sample keeps `depth` blocks in
// flight; it begins and ends with the completion of a block, so neither filling
// nor emptying the queue counts.
//
// First each combination gets one sample, the most promising ones first. Then
// the combinations that reached at least 80 % of the highest rate, and the
// fastest combination of each method, get more samples in turn until the time
// is over. On a slow disk, half of the time may be over before every
// combination has had its first sample; the remaining combinations are then not
// measured. The rate of a combination is the median of its samples. A slow
// combination has only one sample.
//
// These samples read into as little memory as possible. A plan, however, reads
// into a ring of some 24 MiB or more, which may not fit in a cache. The last
// fifth of the time therefore goes to samples of the chosen combination with
// rings of 24 MiB, which is the usual size, and then of 64, 8 and 128 MiB. Each
// sample fills its ring at least once.
//
// The file should be on the disk that will hold plans. Reads that bypass the
// page cache may still come from a cache of the drive, of its controller or of
// the host of a virtual machine, above all if the file has just been written.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PROBE_DISKPROBE_H
#define AIRPACK_RUNTIME_IO_PROBE_DISKPROBE_H

#include "formats/machine/DiskRates.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::rt {

/// The least size of a file in bytes: more than all blocks in flight together.
inline constexpr uint64_t kFewestProbeBytes = uint64_t{32} << 20;

struct DiskProbeResult {
  std::vector<DiskRate> curve; ///< sorted by compareDiskRates(), not empty
  /// Sorted by size; empty if the system has no memory for such rings.
  std::vector<RingRate> rings;
  /// One sentence for the user about each method or size of pages that could
  /// not be measured.
  std::vector<std::string> notes;
};

/// Takes samples for about `seconds` seconds, or longer if the disk is very
/// slow. `path` is only used in messages. Errors: Unsupported if the file is
/// not on a disk (tmpfs, ramfs) or has holes, Usage if it is smaller than
/// kFewestProbeBytes, and those of the reader with the method Buffered.
Result<DiskProbeResult> probeDisk(int descriptor, const std::string &path,
                                  double seconds);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PROBE_DISKPROBE_H
