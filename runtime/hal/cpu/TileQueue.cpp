//===- TileQueue.cpp - claims by compare-and-exchange -----------*- C++ -*-===//
#include "runtime/hal/cpu/TileQueue.h"

#include <algorithm>

using namespace air::rt;

namespace {

/// This bit of a range's word is set if only the owner may take units of the
/// range.
constexpr uint64_t kOwnerOnlyBit = uint64_t{1} << 63;

uint64_t makeWord(uint64_t ownerOnly, uint32_t begin, uint32_t end) {
  return ownerOnly | uint64_t{begin} << 32 | end;
}
uint32_t beginOf(uint64_t word) {
  return static_cast<uint32_t>((word & ~kOwnerOnlyBit) >> 32);
}
uint32_t endOf(uint64_t word) { return static_cast<uint32_t>(word); }

uint32_t chunkOf(uint32_t units) {
  return units / TileQueue::kChunkDivisor +
         (units % TileQueue::kChunkDivisor != 0 ? 1 : 0);
}

} // namespace

bool TileQueue::open(std::span<const uint32_t> units, bool shared) {
  uint32_t total = 0;
  for (size_t thread = 0; thread < ranges.size(); ++thread) {
    firsts[thread] = total;
    total += units[thread];
  }
  firsts[ranges.size()] = total;
  // open() itself counts as a claim of one unit, so that the phase cannot end
  // before every range has been stored. The store to `left` and the writes to
  // `firsts` above must precede the release stores below. A successful claim
  // acquires a word that one of these release stores has written, and therefore
  // observes everything that was written before that store.
  left.store(uint64_t{total} + 1, std::memory_order_relaxed);
  for (size_t thread = 0; thread < ranges.size(); ++thread) {
    ranges[thread].owned.store(makeWord(shared ? 0 : kOwnerOnlyBit,
                                        firsts[thread], firsts[thread + 1]),
                               std::memory_order_release);
  }
  return finish(1);
}

std::optional<TileQueue::Claim> TileQueue::claim(uint32_t thread) {
  Range &own = ranges[thread];
  for (std::atomic<uint64_t> *word : {&own.owned, &own.stolen}) {
    if (std::optional<Claim> claim = claimFront(*word, thread)) {
      return claim;
    }
  }
  return steal(thread);
}

TileQueue::Claim TileQueue::claimOf(uint32_t begin, uint32_t end,
                                    uint32_t thread) const {
  uint32_t owner = thread;
  if (begin < firsts[thread] || begin >= firsts[thread + 1]) {
    // A thread that owns no units has the same entry in `firsts` as its
    // successor. The owner of unit `begin` is therefore the last thread whose
    // entry does not exceed `begin`.
    auto next = std::upper_bound(firsts.begin(), firsts.end(), begin);
    owner = static_cast<uint32_t>(next - firsts.begin()) - 1;
  }
  return {owner, begin - firsts[owner], end - firsts[owner]};
}

std::optional<TileQueue::Claim>
TileQueue::claimFront(std::atomic<uint64_t> &word, uint32_t thread) {
  uint64_t seen = word.load(std::memory_order_relaxed);
  while (true) {
    uint32_t begin = beginOf(seen);
    uint32_t end = endOf(seen);
    if (begin == end) {
      return std::nullopt;
    }
    uint32_t next = begin + chunkOf(end - begin);
    if (word.compare_exchange_weak(
            seen, makeWord(seen & kOwnerOnlyBit, next, end),
            std::memory_order_acquire, std::memory_order_relaxed)) {
      return claimOf(begin, next, thread);
    }
  }
}

std::optional<TileQueue::Claim> TileQueue::steal(uint32_t thread) {
  while (true) {
    std::atomic<uint64_t> *victim = nullptr;
    uint64_t seen = 0;
    for (Range &other : ranges) {
      for (std::atomic<uint64_t> *held : {&other.owned, &other.stolen}) {
        uint64_t word = held->load(std::memory_order_relaxed);
        if ((word & kOwnerOnlyBit) == 0 &&
            endOf(word) - beginOf(word) > endOf(seen) - beginOf(seen)) {
          victim = held;
          seen = word;
        }
      }
    }
    if (victim == nullptr) {
      return std::nullopt;
    }
    uint32_t begin = beginOf(seen);
    uint32_t end = endOf(seen);
    uint32_t from = begin + (end - begin) / 2;
    // If the exchange fails, another thread has taken units of this range in
    // the meantime.
    if (victim->compare_exchange_strong(seen, makeWord(0, begin, from),
                                        std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      uint32_t next = from + chunkOf(end - from);
      if (next != end) {
        ranges[thread].stolen.store(makeWord(0, next, end),
                                    std::memory_order_release);
      }
      return claimOf(from, next, thread);
    }
  }
}
