//===- TileQueue.h - one phase of work, owned and stolen --------*- C++ -*-===//
//
// A phase is a set of units (usually tiles) that may run in any order. Each
// thread owns a contiguous range of them and takes chunks from the front of its
// own range. What it reads is therefore one stream, the same in every pass and
// on its own memory node. A thread whose range is empty takes chunks from the
// end of the range that has the most units left. A chunk is a fraction of what
// is left, but at least one unit, so a thread that the system suspends holds up
// little.
//
// A phase is over when all its units have run, no matter which threads ran
// them. It does not wait for a thread that slept through it.
//
// Why a late thread does no harm:
//   - The rest of a range is one 64-bit word, [begin, end), on its own cache
//     line, and a claim is one compare-and-exchange of that word. A phase ends
//     only when all units have been claimed and run, so words are non-empty
//     only while their phase is open. A claim that succeeds is therefore a
//     claim in the current phase, however stale the claimer's view of it is,
//     and that phase cannot end before finish() has been called for the claim.
//   - open() itself counts as a claim until it has written every word.
//     Otherwise the phase could end, and the next one open, while it still
//     writes.
//   - open() stores the words with release, and a claim acquires them, so the
//     claimer observes everything that was written before open(). A thread
//     therefore claims first and then reads what its units are.
//   - finish() releases what the units wrote, and the last finish() of a phase
//     acquires from all others. Whichever thread opens the next phase
//     afterwards publishes all of it.
//
// Thread-safety: any thread may call claim() and finish() at any time. One
// thread calls open(), when every claim has been finished. Nothing allocates
// after construction.
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
  /// The largest number of units in a range.
  static constexpr uint32_t kMaxUnits = (uint32_t{1} << 31) - 1;
  /// A chunk is the rest of a range divided by this, rounded up.
  static constexpr uint32_t kChunkDivisor = 2;

  /// Units [begin, end) of `owner`'s range.
  struct Claim {
    uint32_t owner = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  explicit TileQueue(uint32_t threads) : ranges(threads) {}

  /// Starts a phase in which thread t owns units[t] units. Unless `shared`, no
  /// thread takes the units of another. Returns true if this call also ends the
  /// phase, in the sense of finish(): either there were no units, or all of
  /// them have run before it returns.
  bool open(std::span<const uint32_t> units, bool shared);

  /// The next units for `thread` to run. Empty if this phase has none left.
  std::optional<Claim> claim(uint32_t thread);

  /// Reports that `units` claimed units have run. Returns true for the one call
  /// that ends the phase.
  bool finish(uint64_t units) {
    return left.fetch_sub(units, std::memory_order_acq_rel) == units;
  }

private:
  struct alignas(64) Range {
    std::atomic<uint64_t> word{0}; ///< owner-only: 1 bit | begin: 31 | end: 32
  };

  std::optional<Claim> claimOwn(uint32_t thread);
  std::optional<Claim> steal(uint32_t thread);

  std::vector<Range> ranges;
  alignas(64) std::atomic<uint64_t> left{0}; ///< units not yet finished
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_TILEQUEUE_H
