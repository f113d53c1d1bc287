//===- TileQueue.cpp - claims by compare-and-exchange -----------*- C++ -*-===//
#include "runtime/hal/cpu/TileQueue.h"

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
  // open() itself counts as a claim of one unit, so that the phase cannot end
  // before every range has been stored.
  uint64_t total = 1;
  for (uint32_t count : units) {
    total += count;
  }
  // This store must precede the release stores below. A successful claim
  // acquires one of them, and therefore observes this store.
  left.store(total, std::memory_order_relaxed);
  for (size_t thread = 0; thread < ranges.size(); ++thread) {
    ranges[thread].word.store(
        makeWord(shared ? 0 : kOwnerOnlyBit, 0, units[thread]),
        std::memory_order_release);
  }
  return finish(1);
}

std::optional<TileQueue::Claim> TileQueue::claim(uint32_t thread) {
  std::optional<Claim> own = claimOwn(thread);
  return own ? own : steal(thread);
}

std::optional<TileQueue::Claim> TileQueue::claimOwn(uint32_t thread) {
  std::atomic<uint64_t> &word = ranges[thread].word;
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
      return Claim{thread, begin, next};
    }
  }
}

std::optional<TileQueue::Claim> TileQueue::steal(uint32_t thread) {
  while (true) {
    uint32_t victim = thread;
    uint64_t seen = 0;
    for (uint32_t other = 0; other < ranges.size(); ++other) {
      uint64_t word = ranges[other].word.load(std::memory_order_relaxed);
      if ((word & kOwnerOnlyBit) == 0 &&
          endOf(word) - beginOf(word) > endOf(seen) - beginOf(seen)) {
        victim = other;
        seen = word;
      }
    }
    if (seen == 0) {
      return std::nullopt;
    }
    uint32_t begin = beginOf(seen);
    uint32_t end = endOf(seen);
    uint32_t from = end - chunkOf(end - begin);
    // If the exchange fails, another thread has taken units of this range in
    // the meantime.
    if (ranges[victim].word.compare_exchange_strong(
            seen, makeWord(0, begin, from), std::memory_order_acquire,
            std::memory_order_relaxed)) {
      return Claim{victim, from, end};
    }
  }
}
