//===- Races.h - data races of an emulated kernel ---------------*- C++ -*-===//
//
// Records, for every byte of shared and global memory that a kernel accesses,
// who has written it and who has read it since. An access is a race if another
// thread's access to the same byte is not ordered before it, and at least one
// of the two is a write. What orders accesses:
//   - a barrier of the block, for all of its threads;
//   - a warp barrier, for the threads of the warp. Other collectives of a warp
//     (shuffles, mma) order nothing;
//   - two atomic operations at the same address in different blocks, provided
//     that the earlier one follows a fence and the later one precedes a fence.
//     What is ordered before the first of these fences is then ordered before
//     what is ordered after the second fence. Nothing else orders accesses of
//     different blocks.
//
// An asynchronous copy counts as a write to its target from its issue until a
// thread has waited for it: with cp.async, the thread that has issued it; with
// a bulk copy, any thread that waits for its mbarrier. Only a thread that has
// waited, or that a barrier orders after such a wait, may then use the bytes.
// The source of a copy counts as read when the copy is issued and when it ends.
// Atomic operations are no races with each other.
//
// The memory and the time that this takes are bounded, because each byte has a
// record of only 16 bytes. It holds the last write and, of the accesses since
// then, at most two reads or the last atomic operation. If reads of several
// blocks or warps are not ordered, the record holds reads of two of these
// blocks or warps. At least one of the two is not the block or warp of a thread
// that then writes, so between two barriers of a block, no race of a write with
// a read is missed. Races of two kinds can be missed. One is a race with a read
// that is not in the record, if atomic operations order the two reads in the
// record before the write. The other is a race with a write that a thread makes
// after a fence and before the next barrier of its warp, because the record
// does not distinguish this write from those before the fence.
//
// The emulator runs blocks one after the other, so one object sees all accesses
// of a launch, in an order that the GPU might choose.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_RACES_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_RACES_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace air::emulator {

enum class Access : uint8_t { Read, Write, Atomic };

/// Two accesses that nothing orders.
struct Race {
  uint64_t address = 0;
  uint32_t thread = 0; ///< of the later access, in the block that runs
  std::string text;    ///< what both accesses are, without the address
};

class Races {
public:
  /// Begins a launch of blocks with `threads` threads. Each block has the
  /// shared memory [shared, shared + sharedBytes).
  Races(uint32_t threads, const uint8_t *shared, uint64_t sharedBytes);

  void beginBlock(uint32_t x, uint32_t y);
  void blockBarrier();
  void warpBarrier(uint32_t warp);
  void fence(uint32_t thread);
  void access(uint32_t thread, const void *at, uint64_t bytes, Access kind);

  /// Begins a copy. Returns its index for the functions below.
  uint32_t beginCopy(uint32_t thread, const void *to, const void *from,
                     uint64_t bytes);
  /// Records that `thread`, which has issued the copy with cp.async, has waited
  /// for it.
  void endCopy(uint32_t thread, uint32_t copy);
  /// Records that `thread` has waited for a bulk copy.
  void waitForBulkCopy(uint32_t thread, uint32_t copy);

  /// The first race, if any.
  const std::optional<Race> &found() const { return race; }

private:
  /// Who makes an access, and in which interval between two barriers.
  struct Place {
    uint32_t interval = 0; ///< 0 means "nobody"
    uint8_t lane = 0;
  };
  /// The record of a byte: the interval and the lane of its last write, and of
  /// the accesses since then, which are called users. If `isAtomic` is 0, the
  /// users are at most two reads. Otherwise, the only user is the last atomic
  /// operation, in users[0].
  struct Cell {
    uint32_t writer = 0;
    uint32_t users[2] = {0, 0};
    uint8_t writerLane = 0;
    uint8_t userLanes[2] = {0, 0};
    uint8_t isAtomic = 0;
    bool operator==(const Cell &) const = default;
  };
  static_assert(sizeof(Cell) == 16);
  /// The time of one warp between two of its barriers. An asynchronous copy
  /// has an interval of its own.
  struct Interval {
    uint32_t epoch = 0; ///< increases with each barrier of a block
    uint32_t block = 0;
    uint32_t warp = 0;
    uint32_t copy = UINT32_MAX; ///< in a copy's interval: the copy's index
  };
  struct Copy {
    const uint8_t *to = nullptr;
    const uint8_t *from = nullptr;
    uint64_t bytes = 0;
    Place issued;
    std::vector<Place> waits; ///< of a bulk copy
  };
  /// Like Place, but for one or more lanes of a warp in the same interval.
  struct Places {
    uint32_t interval = 0;
    uint32_t lanes = 0; ///< a bit for each
  };
  using PlaceList = std::vector<Places>;
  /// An atomic operation A, or a fence that follows A. In both cases, `fences`
  /// are the fences that precede the atomic operations which were done before A
  /// at the address of A.
  struct Seen {
    Places at;
    std::shared_ptr<const PlaceList> fences;
  };
  static constexpr uint64_t kPageBytes = 4096;
  struct Page {
    Cell cells[kPageBytes];
  };

  Place placeOf(uint32_t thread) const {
    return {current[thread / 32], static_cast<uint8_t>(thread % 32)};
  }
  void beginInterval(uint32_t warp);
  Cell *cellsAt(uint64_t address);
  bool isOrdered(Place before, Place now) const;
  bool isBeforeFence(Place before, const Places &fence) const;
  bool isBeforeOrAt(const Places &before, Place now) const;
  bool isOrderedByAtomics(Place before, Place now) const;
  uint32_t distance(uint32_t a, uint32_t b) const;
  void addUser(Cell &cell, Place now, bool isAtomic) const;
  bool check(const Cell &cell, uint64_t address, Place now, Access kind);
  void report(uint64_t address, Place before, const char *did, Place now,
              Access kind);
  void record(Place now, uint64_t address, uint64_t bytes, Access kind,
              Place becomes);
  static void add(PlaceList &list, Place place);

  uint64_t sharedBegin;
  std::vector<Cell> sharedCells;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages;
  uint64_t latestPageAt = UINT64_MAX;
  Page *latestPage = nullptr;
  std::vector<Interval> intervals; ///< the first is not used
  std::vector<uint32_t> current;   ///< per warp: its interval
  std::vector<Copy> copies;
  std::vector<std::pair<uint32_t, uint32_t>> blocks; ///< their coordinates
  uint32_t epoch = 0;
  /// The fences of the block that runs.
  PlaceList fences;
  std::vector<Seen> atomics;  ///< atomic operations of the block that runs
  std::vector<Seen> acquired; ///< fences of that block after those operations
  /// The fences before the atomic operations at an address.
  struct Released {
    PlaceList fences;
    std::shared_ptr<const PlaceList> copy; ///< the latest copy, if any
  };
  std::map<uint64_t, Released> released; ///< for each address
  std::optional<Race> race;
};

} // namespace air::emulator

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_RACES_H
