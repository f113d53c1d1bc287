//===- KvCache.h - pages of keys and values, and their owners ---*- C++ -*-===//
//
// Keys and values are stored in pages of AIR_KV_PAGE_TOKENS positions. A page
// holds all layers of its positions (formats/plan/plan.fbs, KvLayout). The
// pages of a sequence are listed in its row of the block table: if a page has T
// positions, page row[p / T] holds position p of the sequence, at place p % T.
//
// This class only does the bookkeeping; the bytes belong to the device. A
// sequence takes pages when it grows, and returns them when it shrinks or ends.
// The same calls in the same order always yield the same pages.
//
// Only create() allocates memory. Thread-safety: one caller at a time. Errors:
// DoesNotFit if a sequence exceeds the context, or if no page or no sequence is
// left; Usage for a sequence that is not live. A failed call changes nothing.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_KV_KVCACHE_H
#define AIRPACK_RUNTIME_KV_KVCACHE_H

#include "formats/support/Status.h"
#include "runtime/hal/Device.h"

#include <cstdint>
#include <vector>

namespace air::rt {

using SequenceId = uint32_t;

struct KvPageShape {
  uint64_t pageTokens = AIR_KV_PAGE_TOKENS;
  uint64_t pageBytes = 0;
  uint64_t pages = 0;
  uint64_t context = 0; ///< the largest number of tokens in a sequence
};

class KvCache {
public:
  /// `base` is the address of page 0. At most `maxSequences` sequences are live
  /// at a time.
  static Result<KvCache> create(const KvPageShape &shape, DeviceAddress base,
                                uint32_t maxSequences);

  /// Starts an empty sequence, which holds no page yet.
  Result<SequenceId> newSequence();
  void endSequence(SequenceId sequence);

  /// Makes room for `tokens` more positions.
  Status append(SequenceId sequence, uint64_t tokens);
  /// Keeps the first `length` positions and drops the others. Returns Usage if
  /// the sequence is shorter.
  Status truncate(SequenceId sequence, uint64_t length);
  /// Starts a sequence with a copy of the first `length` positions of another.
  Result<SequenceId> fork(SequenceId sequence, uint64_t length, Device &device);

  bool isLive(SequenceId sequence) const {
    return sequence < live.size() && live[sequence];
  }
  /// The number of positions in use; 0 for a sequence that is not live.
  uint64_t length(SequenceId sequence) const {
    return isLive(sequence) ? lengths[sequence] : 0;
  }
  uint64_t freePages() const { return freeList.size(); }
  const KvPageShape &shape() const { return pageShape; }

  /// The block table: one row of blockTableStride() page numbers per sequence.
  /// Entries past the pages of a sequence are 0, which is a valid page number.
  const uint32_t *blockTables() const { return tables.data(); }
  uint64_t blockTableStride() const { return stride; }

private:
  uint64_t pagesFor(uint64_t tokens) const;
  Status checkLive(SequenceId sequence) const;

  KvPageShape pageShape;
  DeviceAddress baseAddress = 0;
  uint64_t stride = 0;
  /// The numbers of the free pages. The page that was freed last is taken
  /// first.
  std::vector<uint32_t> freeList;
  std::vector<uint32_t> tables;
  std::vector<uint64_t> lengths;
  std::vector<bool> live;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_KV_KVCACHE_H
