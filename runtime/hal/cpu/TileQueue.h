//===- TileQueue.h - distributes a phase by work stealing -------*- C++ -*-===//
//
// A phase is a set of units (usually tiles) that may run in any order. Each
// thread owns a contiguous range of them and takes chunks from the front of its
// own range. It therefore reads memory as one stream, which is the same in
// every pass and lies on the thread's own NUMA node. A chunk is a small
// fraction of what is left of the range, but at least one unit. If the system
// suspends a thread, only its current chunk is delayed.
//
// A thread whose range is empty steals the second half of the range that has
// the most units left. It then treats these units like its own: it takes chunks
// from their front, so that it reads their memory as one stream, and other
// threads may in turn steal the second half of those that are left.
//
// A phase is over when all its units have run, no matter which threads ran
// them, so a phase does not wait for a thread that was asleep throughout.
//
// The system may suspend a thread at any point of claim() for so long that
// other phases have begun and ended when it continues. Why such a late thread
// does no harm:
//   - The units that are left of a range, [begin, end), are stored in one
//     64-bit word, and a claim is one compare-and-exchange of that word. A
//     phase ends only when all units have been claimed and run, so a range is
//     non-empty only while its phase is open. A claim that succeeds is
//     therefore a claim in the current phase, however late the claiming thread
//     is, and that phase cannot end before finish() has been called for the
//     claim.
//   - open() itself counts as a claim until it has written every word.
//     Otherwise the phase could end, and the next one could begin, while open()
//     is still writing words.
//   - Each thread has two words: one for the units that it owns, which open()
//     fills, and one for units that it has stolen, which only the thread itself
//     fills. A late thread may steal while open() is still writing. Because it
//     stores what it steals in its second word, which open() never writes,
//     neither the thread nor open() overwrites what the other has written. A
//     thread steals only while its second word is empty, and no other thread
//     changes an empty second word.
//   - Units are numbered consecutively through all ranges of a phase, so equal
//     words stand for the same units, whichever thread holds them. A
//     compare-and-exchange is therefore correct even if the word has changed
//     and has returned to its earlier value in the meantime.
//   - open() stores the words with release semantics, and a claim acquires
//     them, so the claiming thread observes everything that was written before
//     open(). A thread that steals passes this on: it acquires the word from
//     which it takes units, and releases the word in which it stores those that
//     it does not run immediately. A thread must first claim units, and only
//     then read what they are.
//   - finish() releases what the units wrote, and the last finish() of a phase
//     acquires what all others released. The thread that then opens the next
//     phase publishes all of it.
//
// Thread-safety: any thread may call claim() and finish() at any time. open()
// is called by one thread, after finish() has been called for every claim. Only
// the constructor allocates memory.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_TILEQUEUE_H
#define AIRPACK_RUNTIME_HAL_CPU_TILEQUEUE_H

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace air::rt {

class TileQueue {
public:
  /// The largest number of units in a phase, summed over all threads.
  static constexpr uint32_t kMaxUnits = (uint32_t{1} << 31) - 1;
  /// The number of units in a chunk is the number of units left in its range,
  /// divided by kChunkDivisor and rounded up.
  static constexpr uint32_t kChunkDivisor = 8;

  /// Units [begin, end) of `owner`'s range.
  struct Claim {
    uint32_t owner = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  explicit TileQueue(uint32_t threads) : ranges(threads), firsts(threads + 1) {}

  /// Starts a phase in which thread t owns units[t] units. If `shared` is
  /// false, no thread takes the units of another. Returns true if this call
  /// also ends the phase (see finish()): either there were no units, or all of
  /// them have run before open() returns.
  bool open(std::span<const uint32_t> units, bool shared);

  /// Returns the next units for `thread` to run, or nothing if this phase has
  /// none left.
  std::optional<Claim> claim(uint32_t thread);

  /// Reports that `units` claimed units have run. Returns true for the one call
  /// that ends the phase.
  bool finish(uint64_t units) {
    return left.fetch_sub(units, std::memory_order_acq_rel) == units;
  }

private:
  /// The units that a thread holds, on a cache line of its own. A word stands
  /// for units [begin, end): bits 62 to 32 are `begin`, and bits 31 to 0 are
  /// `end`. Bit 63 is set if only the owner may claim the units.
  struct alignas(64) Range {
    std::atomic<uint64_t> owned{0};
    std::atomic<uint64_t> stolen{0};
  };

  std::optional<Claim> claimFront(std::atomic<uint64_t> &word, uint32_t thread);
  std::optional<Claim> steal(uint32_t thread);
  Claim claimOf(uint32_t begin, uint32_t end, uint32_t thread) const;

  std::vector<Range> ranges;
  /// For each thread, the index of the first unit that it owns; the last
  /// element is the total number of units. Only open() writes this vector, and
  /// threads read it only after a successful claim.
  std::vector<uint32_t> firsts;
  alignas(64) std::atomic<uint64_t> left{0}; ///< units not yet finished
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_TILEQUEUE_H
