//===- CpuRates.h - what decides the speed of a kernel ----------*- C++ -*-===//
//
// The rates of a CPU by which variants of a kernel are chosen: how much
// arithmetic one core does, how fast memory is read with various orders of
// loads and various prefetches, and how long it takes to start a tile and to
// pass a barrier. They are either nominal (those of a built-in profile, or of
// the host's microarchitecture) or measured by `airrun probe`. A number that is
// not known is 0, and a list that is not known is empty.
//
// In the JSON of a profile, the rates are the object "cpu", and in a plan the
// table CpuRates of plan.fbs. Both use the names with which the comments below
// begin.
//
// Thread-safety: plain data.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_CPURATES_H
#define AIRPACK_FORMATS_MACHINE_CPURATES_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace air {

/// The hint of a software prefetch, as defined for PREFETCHh (Intel SDM, volume
/// 2) and PRFM (Arm ARM). T0, T1 and T2 prefetch into L1, L2 and L3. Nta is for
/// data that is read only once. None means that there is no prefetch
/// instruction. T1T0 stands for two prefetches of every cache line: T1 at the
/// distance of the stream, and T0 at nearDistance().
enum class StreamHint : uint8_t {
  None = 0,
  Nta = 1,
  T0 = 2,
  T1 = 3,
  T2 = 4,
  T1T0 = 5,
};
/// The last StreamHint.
inline constexpr StreamHint kLastStreamHint = StreamHint::T1T0;

/// How far ahead of the loads the second prefetches of StreamHint::T1T0 are, in
/// bytes. `distance` is the distance of the first ones. 4 KiB are a small part
/// of L1.
constexpr uint64_t nearDistance(uint64_t distance) {
  constexpr uint64_t kMost = 4096;
  constexpr uint64_t kLine = 64;
  return distance / 2 < kMost ? distance / 2 / kLine * kLine : kMost;
}

/// The order of the loads of a stream.
enum class StreamLoads : uint8_t {
  Single = 0,     ///< one cache line after another, in ascending order
  Burst = 1,      ///< eight lines in ascending order, then arithmetic on them
  TwoStreams = 2, ///< two ascending streams inside each page of 4 KiB
};

/// A stream: one way of reading memory, and how fast all cores together read in
/// this way.
struct StreamRate {
  StreamLoads loads =
      StreamLoads::Single;            ///< loads: single, burst, two_streams
  StreamHint hint = StreamHint::None; ///< hint: none, nta, t0, t1, t2,
                                      ///< t1t0
  /// distance_bytes: how far ahead of the loads the prefetches are; 0 if and
  /// only if the hint is None.
  uint32_t distanceBytes = 0;
  uint64_t bandwidth = 0; ///< bandwidth: bytes per second, all cores together

  bool operator==(const StreamRate &) const = default;
};

/// The rates of a CPU. Operations per second are for one core while all cores
/// compute. A multiplication and an addition are two operations. The core
/// executes vector instructions, except where a comment names tile registers.
struct CpuRates {
  uint64_t fmaF32 = 0;  ///< fma_f32: fused multiply-add of float32
  uint64_t byteDot = 0; ///< byte_dot: dot products of bytes, summed in int32
  /// byte_dot_mixed: like byte_dot, but in a loop that also has one bitwise AND
  /// per dot product and one shift per two dot products, as decoding 4-bit
  /// weights needs. The ANDs and shifts are not counted as operations.
  uint64_t byteDotMixed = 0;
  /// bf16_dot: dot products of bfloat16; 0 if unknown, or if the CPU has no
  /// instruction for them.
  uint64_t bf16Dot = 0;
  /// read_bandwidth: bytes per second that one core alone reads from memory.
  /// MachineProfile::memoryBandwidth is what all cores read together.
  uint64_t readBandwidth = 0;
  /// streams: sorted by loads, hint and distance. Each combination of these
  /// three appears at most once.
  std::vector<StreamRate> streams;
  /// tile_ns: nanoseconds that a thread loses when it starts a tile, because it
  /// goes on reading at an address that does not follow the previous one.
  uint64_t tileNs = 0;
  uint64_t barrierNs = 0; ///< barrier_ns: ns that a barrier of all cores takes
  uint64_t l1dBytes = 0;  ///< l1d_bytes: L1 data cache of one core
  uint64_t l2Bytes = 0;   ///< l2_bytes: L2 cache of one core
  uint64_t l3Bytes = 0;   ///< l3_bytes: L3 cache that one core reaches
  /// planes_decode, zstd_decode: the decoded bytes per second of one core for
  /// weights of the codec Planes or Zstd (ChunkCodec.h), while all cores
  /// decode.
  uint64_t planesDecode = 0;
  uint64_t zstdDecode = 0;
  /// bf16_tile, byte_tile: operations per second of tile registers (AMX) that
  /// multiply 16 x 32 numbers in bfloat16, or 16 x 64 bytes, by as many; 0 if
  /// unknown, or if the CPU has no instruction for it. Four products of tiles
  /// are in flight at a time, and their operands stay in tile registers.
  uint64_t bf16Tile = 0;
  uint64_t byteTile = 0;

  bool operator==(const CpuRates &) const = default;
};

/// The bytes of vector operands per operation of byte_dot_mixed. The loop has
/// two ANDs and a shift for every two dot products, so it has 2.5 instructions
/// for each dot product. A 512-bit instruction counts as 64 bytes of operands,
/// and a 512-bit dot product as 128 operations. Bytes of vector operands are
/// the unit in which a plan counts the arithmetic of a pass
/// (docs/plan-format.md).
inline constexpr double kMixedOperandBytes = 2.5 * 64 / 128;

/// The share of the shorter time that overlappedTime() adds to the longer one
/// if both times are equal. Fitted to 25 decode passes of whole models on two
/// cores of a Zen 4, of which 23 are predicted within 10 %
/// (docs/performance.md).
inline constexpr double kExposedShare = 0.5;

/// The time that cores take if reading alone takes `reading` and arithmetic
/// alone takes `arithmetic`, all in the same unit. They do both at the same
/// time, but the longer of the two does not hide the shorter one entirely,
/// because loads wait for arithmetic and arithmetic waits for loads. The more
/// alike the two times are, the larger is the share of the shorter one that is
/// not hidden: kExposedShare * sqrt(shorter / longer).
double overlappedTime(double reading, double arithmetic);

/// While the disk and memory are both read, each reaches only a share of its
/// full rate, because the disk writes to the memory from which the cores read.
/// Both shares are from kLeastKeptShare to 1.
///
/// The default is for machines on which nothing has been measured. With it, the
/// time of a pass is the longer of the disk's and the cores' time, plus a fifth
/// of the shorter one. This predicts eight decode passes of whole models on two
/// cores of Emerald Rapids within 5 % (docs/streaming.md).
struct KeptShares {
  double disk = 5.0 / 6;   ///< rate of the disk while all cores read memory
  double memory = 5.0 / 6; ///< rate of memory while the disk is read

  bool operator==(const KeptShares &) const = default;
};
inline constexpr double kLeastKeptShare = 0.1;

/// The rate `beside` as a share of the rate `alone`, clamped to the range of
/// KeptShares. If one of the rates is 0, which means that it is not known,
/// returns the default of KeptShares.
double keptShare(uint64_t beside, uint64_t alone);

/// The time of a pass in which the cores alone would take the time `cores`, and
/// the disk alone would take `disk`. All times are in the same unit. The cores
/// and the disk start together, and each reaches only the share of its full
/// rate that `kept` states. Once one of them has finished, the other continues
/// at its full rate.
double passTime(double cores, double disk, const KeptShares &kept);

/// A profile and a plan have at most this many streams. airrun probe writes
/// some 50: each order of loads with each hint at several distances.
inline constexpr size_t kMaxStreams = 256;
/// The longest distance of a prefetch, in bytes. A prefetched line must stay in
/// the L2 cache until it is used, and that cache rarely has more than twice
/// this size.
inline constexpr uint32_t kMaxPrefetchDistance = uint32_t{1} << 20;

/// The name that the JSON uses for a value, or "" if the value is not in the
/// enumeration.
std::string_view streamHintName(StreamHint hint);
std::string_view streamLoadsName(StreamLoads loads);
/// The value called `name`, or nullopt if there is none.
std::optional<StreamHint> streamHintOf(std::string_view name);
std::optional<StreamLoads> streamLoadsOf(std::string_view name);

/// Compares by loads, then hint, then distance, which is the order of
/// CpuRates::streams. Streams that compare equal describe the same way of
/// reading.
std::strong_ordering compareStreams(const StreamRate &a, const StreamRate &b);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_CPURATES_H
