//===- KvCache.h - pages of keys and values, and their owners ---*- C++ -*-===//
//
// Keys and values are stored in pages of AIR_KV_PAGE_TOKENS positions. A page
// belongs to a cache group, and holds all caches of the group for its positions
// (CacheGroup in formats/plan/plan.fbs). The pages of a sequence in a group are
// listed in its row of the group's block table: if a page has T positions, page
// row[p / T] holds position p of the sequence, at place p % T.
//
// This class does the bookkeeping; the bytes belong to the device of the group.
// In every group, a sequence takes pages when it grows, and returns them when
// it shrinks or ends. A fork shares the pages of the sequence that it comes
// from. Before a sequence grows into a page that it shares, it gets a copy of
// the page. The same calls in the same order always yield the same pages.
//
// Apart from error messages, only create() allocates memory. Thread-safety: one
// caller at a time. Errors of create(): VerificationFailed if a number is out
// of range, or if a group has fewer pages than one sequence may need. Errors of
// the other functions: DoesNotFit if a sequence exceeds the context, if too few
// pages are free, or if `maxSequences` sequences are live already; Usage for a
// sequence that is not live, or that has fewer positions than it is to keep or
// share; those of the device for a copy. A failed call changes no sequence.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_KV_KVCACHE_H
#define AIRPACK_RUNTIME_KV_KVCACHE_H

#include "formats/support/Status.h"
#include "runtime/hal/Device.h"
#include "runtime/kv/PageAllocator.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace air::rt {

using SequenceId = uint32_t;

/// The pages of a cache group.
struct PageGroup {
  uint64_t pageTokens = AIR_KV_PAGE_TOKENS;
  uint64_t pageBytes = 0;
  uint64_t pages = 0;
  DeviceAddress base = 0; ///< address of page 0
  /// The device that owns the pages. It must outlive the cache.
  Device *device = nullptr;
};

class KvCache {
public:
  /// `context` is the largest number of tokens in a sequence. At most
  /// `maxSequences` sequences are live at a time.
  static Result<KvCache> create(std::span<const PageGroup> groups,
                                uint64_t context, uint32_t maxSequences);
  // Cannot be copied, because the block tables of a copy would point to the
  // entries of the original.
  KvCache(KvCache &&) = default;
  KvCache &operator=(KvCache &&) = default;

  /// Starts an empty sequence, which holds no page yet.
  Result<SequenceId> newSequence();
  void endSequence(SequenceId sequence);

  /// Adds `tokens` positions to the end of a sequence, and takes pages for
  /// them.
  Status append(SequenceId sequence, uint64_t tokens);
  /// Keeps the first `length` positions and drops the others. Returns Usage if
  /// the sequence is shorter.
  Status truncate(SequenceId sequence, uint64_t length);
  /// Starts a sequence with the first `length` positions of another. The two
  /// sequences share the pages of these positions, so no free page is taken.
  Result<SequenceId> fork(SequenceId sequence, uint64_t length);

  bool isLive(SequenceId sequence) const {
    return sequence < live.size() && live[sequence];
  }
  /// The number of positions in use; 0 for a sequence that is not live.
  uint64_t length(SequenceId sequence) const {
    return isLive(sequence) ? lengths[sequence] : 0;
  }
  /// Whether append() can add a position to the sequence without taking a page
  /// in any group.
  bool canGrowInPlace(SequenceId sequence) const;
  /// The number of calls of truncate() and endSequence() so far that dropped at
  /// least one position.
  uint64_t drops() const { return dropCount; }
  uint64_t freePages(size_t group) const {
    return groups[group].pages.freePages();
  }

  /// One block table per group, with one row of page indices per sequence.
  /// Entries past the pages of a sequence are 0, which is a valid index.
  const std::vector<AirBlockTable> &blockTables() const { return tables; }

private:
  KvCache() = default;

  struct Group {
    PageGroup shape;
    PageAllocator pages;
    uint64_t stride = 0; ///< table entries of a sequence
    std::vector<uint32_t> table;
    /// Used only during append(): the page with the copy of a shared page.
    std::optional<uint32_t> copy = std::nullopt;

    uint64_t pagesFor(uint64_t tokens) const;
    uint32_t *row(SequenceId sequence) {
      return table.data() + sequence * stride;
    }
    const uint32_t *row(SequenceId sequence) const {
      return table.data() + sequence * stride;
    }
    /// Whether `sequence`, which has `length` positions, ends within a page
    /// that it shares with other sequences. If so, it needs a copy of the page
    /// before it can grow.
    bool endsInSharedPage(SequenceId sequence, uint64_t length) const;
  };

  Status checkLive(SequenceId sequence) const;
  Status makeWritable(SequenceId sequence);

  uint64_t context = 0;
  std::vector<Group> groups;
  std::vector<AirBlockTable> tables; ///< one for each of `groups`
  std::vector<uint64_t> lengths;
  std::vector<bool> live;
  uint64_t dropCount = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_KV_KVCACHE_H
