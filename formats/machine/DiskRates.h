//===- DiskRates.h - how a disk is read, and how fast -----------*- C++ -*-===//
//
// The ways of reading blocks of a file, and the rates that `airrun probe` has
// measured for them. The comments on the fields and on the methods begin with
// their names in the JSON of a machine profile; the option --io of airrun uses
// the same names of methods. In the JSON, the rates are the object "disk",
// which has these keys:
//   cached  always "unknown", because a program cannot see whether some of the
//           bytes came from a cache below the operating system, such as the
//           cache of the drive or the cache of a virtual machine's host
//   curve   a list of at most kMaxDiskRates objects with all five keys of
//           DiskRate; each combination of the first four may appear once
//   rings   a list of at most kMaxRingRates objects with both keys of RingRate;
//           each size may appear once
//   bandwidth_beside
//           the bytes per second that are read from the disk, into a ring of
//           kUsualRingBytes, while all cores read from memory: 0..2^63-1
//   memory_beside
//           the bytes per second that all cores read from memory while the disk
//           is read in this way: 0..2^63-1
// `airrun probe` measures which fractions of disk_bandwidth and of
// memory_bandwidth are left while the disk and memory are read at the same time
// (DiskProbe.h). The rates bandwidth_beside and memory_beside are
// disk_bandwidth and memory_bandwidth times these fractions. Each of the two is
// only written if it is known. `rings` is only written if there is a ring, and
// `cached` and `curve` only if there is a curve or a ring.
//
// Thread-safety: plain data and pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_DISKRATES_H
#define AIRPACK_FORMATS_MACHINE_DISKRATES_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace air {

/// How blocks of a file are read into memory.
enum class IoMethod : uint8_t {
  Uring = 0,    ///< uring: io_uring with O_DIRECT, bypassing the page cache
  Pread = 1,    ///< pread: threads that call pread, with O_DIRECT
  Buffered = 2, ///< buffered: threads that call pread, through the page cache
};

/// The name of a method, or "" if the value is not in the enumeration.
std::string_view ioMethodName(IoMethod method);
/// The method called `name`, or nullopt if there is none.
std::optional<IoMethod> ioMethodOf(std::string_view name);

/// Offsets, lengths and addresses of blocks are multiples of this number of
/// bytes. This alignment suffices for every file system whose blocks are no
/// larger than a page of 4 KiB.
inline constexpr uint64_t kBlockAlignment = 4096;
/// The largest block, in bytes. Linux reads at most 2 GiB minus a page at once.
inline constexpr uint64_t kMaxBlockBytes = uint64_t{1} << 30;
/// The largest number of blocks that are read at the same time. Some ways of
/// reading need a thread for each. With the large blocks in which weights are
/// read, a disk needs only a few at a time to reach its full rate.
inline constexpr uint32_t kMaxDiskDepth = 256;
/// A profile has at most this many rates of a disk. airrun probe writes some
/// 70.
inline constexpr size_t kMaxDiskRates = 1024;

/// A way of reading a file from its start to its end, and how fast it is.
struct DiskRate {
  IoMethod method = IoMethod::Uring; ///< method: uring, pread or buffered
  /// block_bytes: a multiple of kBlockAlignment, at most kMaxBlockBytes
  uint64_t blockBytes = uint64_t{2} << 20;
  uint32_t depth = 2; ///< depth: blocks in flight, 1 to kMaxDiskDepth
  /// huge_pages: whether the memory into which the blocks are read has huge
  /// pages, true or false
  bool hugePages = true;
  uint64_t bandwidth = 0; ///< bandwidth: bytes per second, at least 1

  bool operator==(const DiskRate &) const = default;
};

/// How fast blocks are read into a ring with the method, block size, number of
/// blocks in flight and kind of memory pages (normal or huge) that
/// chooseDiskRate() returns. A ring is a block of memory that is filled again
/// and again. Some machines write what comes from the disk into the cache of
/// the CPU. There, a ring that does not fit in the cache is filled more slowly.
struct RingRate {
  uint64_t bytes = 0;     ///< bytes: the size of the ring, at least 1
  uint64_t bandwidth = 0; ///< bandwidth: bytes per second, at least 1

  bool operator==(const RingRate &) const = default;
};
/// A profile has at most this many rates of rings. airrun probe writes fewer
/// than 10.
inline constexpr size_t kMaxRingRates = 64;
/// The size of the ring of most plans, in bytes.
inline constexpr uint64_t kUsualRingBytes = uint64_t{24} << 20;

/// The bytes per second at which weights can be read in every pass. This is the
/// rate of the smallest ring of at least kUsualRingBytes or, without such a
/// ring, the highest rate of the curve; 0 if there is no curve either. `rings`
/// is sorted by size.
uint64_t streamingBandwidth(std::span<const DiskRate> curve,
                            std::span<const RingRate> rings);

/// Compares by method, block size, depth and pages (huge pages last), which is
/// the order of MachineProfile::diskCurve. Rates that compare equal describe
/// the same way of reading.
std::strong_ordering compareDiskRates(const DiskRate &a, const DiskRate &b);

/// Chooses how a program reads. Among the ways that reach at least 97 % of the
/// highest rate, it chooses the one that takes the least memory (block size
/// times depth), because weights could use this memory; among ways that take
/// equal memory, the fastest. Differences below 3 % are within the spread of
/// the measurements. If the curve is empty, returns a default DiskRate, whose
/// bandwidth is 0. Its two blocks of 2 MiB in flight are enough for an NVMe
/// drive.
DiskRate chooseDiskRate(std::span<const DiskRate> curve);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_DISKRATES_H
