//===- DiskProbe.h - measures how fast a file is read -----------*- C++ -*-===//
//
// Reads a file from its start to its end, again and again, in all combinations
// of a method, a block size (256 KiB, 1, 2, 4 MiB), a depth (1, 2, 4) and the
// size of the pages in memory (2 MiB, 4 KiB). A sample keeps `depth` blocks in
// flight; it begins and ends with the completion of a block, so neither filling
// nor emptying the queue counts.
//
// First each combination gets one sample, the most promising combinations
// first. If half of the time is over before all have had one, as may happen on
// a slow disk, the remaining combinations are not measured; the first nine
// always are. Then the combinations that reached at least 80 % of the highest
// rate, and the fastest combination of each method, get more samples in turn.
// The rate of a combination is the median of its samples. A slow combination
// has only one sample.
//
// These samples read into as little memory as possible. A plan, however, reads
// into a ring of some 24 MiB or more, which may not fit in a cache of the CPU.
// A sixth of the time is therefore set aside for samples of the combination
// that chooseDiskRate() chooses, with rings of 24 MiB, which is the usual size,
// and then of 64, 8 and 128 MiB. Each sample fills its ring at least once.
//
// In a pass, the cores read memory while the disk writes to it, and each slows
// down the other. If the caller provides MemoryTraffic, the last fifth of the
// time is used to measure how much is left of each rate, with the chosen
// combination and the usual ring. The rates of some machines change from second
// to second, so three samples are taken directly one after the other, again and
// again: memory alone, memory and disk together, and the disk alone. Each
// series of three shows what fraction is left of each rate, and the results are
// the medians of these fractions.
//
// The file should be on the disk that will hold plans. Reads that bypass the
// page cache may still come from a cache of the drive, of its controller or of
// the host of a virtual machine, above all if the file has just been written.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PROBE_DISKPROBE_H
#define AIRPACK_RUNTIME_IO_PROBE_DISKPROBE_H

#include "formats/machine/CpuRates.h"
#include "formats/machine/DiskRates.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace air::rt {

/// The least size in bytes of the file that is read. The blocks in flight have
/// at most 16 MiB together, so in a file of this size, no two of them overlap.
inline constexpr uint64_t kFewestProbeBytes = uint64_t{32} << 20;

/// Reads memory with all cores while the disk is measured.
class MemoryTraffic {
public:
  virtual ~MemoryTraffic() = default;
  /// Begins to read, and returns when all cores are reading.
  virtual Status start() = 0;
  /// The number of bytes that the cores have read so far.
  virtual uint64_t bytes() const = 0;
  /// Stops reading, and returns when all cores have stopped.
  virtual void stop() = 0;
};

struct DiskProbeResult {
  std::vector<DiskRate> curve; ///< sorted by compareDiskRates(), not empty
  /// Sorted by size; empty if the system has no memory for the rings.
  std::vector<RingRate> rings;
  /// While the disk and memory are read at the same time, each reaches only a
  /// fraction of the rate that it has alone. `kept` has these two fractions; it
  /// is nullopt if they were not measured. Because the samples vary, a fraction
  /// may be above 1.
  std::optional<KeptShares> kept;
  /// One sentence for the user about each method, and each size of memory
  /// pages, that could not be measured.
  std::vector<std::string> notes;
};

/// Takes samples for about `seconds` seconds, or longer if the disk is very
/// slow. `path` is only used in messages. If `traffic` is null, or if the
/// system has no memory for the usual ring, DiskProbeResult::kept is not
/// measured. Errors: Unsupported if the file is not on a disk (tmpfs, ramfs) or
/// has holes, or if no method can be measured, Corrupt if it is not a regular
/// file, Usage if it is smaller than kFewestProbeBytes, DoesNotFit if the
/// system has no memory for the blocks, and those of `traffic`, of opening a
/// reader with the Buffered method, and of reading with any method.
Result<DiskProbeResult> probeDisk(int descriptor, const std::string &path,
                                  double seconds,
                                  MemoryTraffic *traffic = nullptr);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PROBE_DISKPROBE_H
