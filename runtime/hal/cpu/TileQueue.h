//===- TileQueue.h - one phase of work, owned and stolen --------*- C++ -*-===//
//
// A phase is a set of units (tiles, usually) that may run in any order. Each
// thread owns a contiguous range of them: it takes chunks from the front of its
// own range, so that what it reads is one stream, the same in every pass and on
// its own memory node. A thread whose range is empty takes chunks from the end
// of the range that has the most left. A chunk is a part of what is left, at
// least one unit, so a thread that the system stops holds little.
//
// The phase is over when all its units have run, whoever ran them: a thread
// that slept through it was not waited for.
//
// Why a late thread does no harm
//   - What is left of a range is one 64-bit word, [begin, end), on a cache line
//     of its own, and a claim is one compare-and-exchange of that word. Words
//     are non-empty only while their phase runs, because a phase ends when all
//     is claimed and run. So a claim that succeeds is a claim in the phase that
//     runs now, however old the claimer's idea of it is; and that phase can't
//     end before finish() is told of the claim.
//   - open() counts as a claim itself until it has written every word: else the
//     phase could end, and the next one open, while it still writes.
//   - open() releases the words, and a claim acquires: the claimer sees all
//     that was written before open(). Hence a thread claims first, and then
//     reads what its units are.
//   - finish() releases what the units wrote; the last finish() of a phase has
//     acquired all the others, so that whoever opens the next phase after it
//     hands everything on.
//
// Thread-safety: claim() and finish() by any thread at any time; open() by one,
// when every claim has been finished. Nothing here allocates after creation.
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
  /// A range holds at most so many.
  static constexpr uint32_t kMostUnits = (uint32_t{1} << 31) - 1;
  /// A chunk is this part of what is left of a range, rounded up.
  static constexpr uint32_t kChunkDivisor = 2;

  /// Units [begin, end) of `owner`'s range.
  struct Claim {
    uint32_t owner = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  explicit TileQueue(uint32_t threads) : ranges(threads) {}

  /// Starts a phase where thread t owns units[t] units. Unless `shared`, nobody
  /// takes another's. True when this call also ends it, as finish() does: all
  /// units have run by the time it returns, or there were none.
  bool open(std::span<const uint32_t> units, bool shared);

  /// The next units for `thread` to run; nothing when this phase has no more.
  std::optional<Claim> claim(uint32_t thread);

  /// Tells that `units` claimed units have run. True for the one call that ends
  /// the phase.
  bool finish(uint64_t units) {
    return left.fetch_sub(units, std::memory_order_acq_rel) == units;
  }

private:
  struct alignas(64) Range {
    std::atomic<uint64_t> word{0}; ///< own bit | begin: 31 bits | end: 32 bits
  };

  std::optional<Claim> claimOwn(uint32_t thread);
  std::optional<Claim> steal(uint32_t thread);

  std::vector<Range> ranges;
  alignas(64) std::atomic<uint64_t> left{0}; ///< units not yet finished
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_TILEQUEUE_H
