//===- KvCache.h - pages of keys and values, and who holds them -*- C++ -*-===//
//
// Keys and values lie in pages of AIR_KV_PAGE_TOKENS positions (all layers of a
// position range together; formats/plan/plan.fbs, KvLayout). A sequence is a
// list of pages: its row of the block table. Position p of a sequence lies in
// page row[p / 64] at p % 64.
//
// This class does the book-keeping; the bytes belong to the device. Pages are
// taken when a sequence grows and given back when it shrinks or ends. The same
// calls give the same pages.
//
// Allocates only in create(). Thread-safety: one caller at a time. Errors:
// DoesNotFit (a sequence beyond the context, no page left, no sequence left)
// with both numbers; Usage for a sequence that is not alive. A failed call
// changes nothing.
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
  uint64_t context = 0; ///< tokens one sequence may hold
};

class KvCache {
public:
  /// `base` is the address of page 0. At most `maxSequences` live at a time.
  static Result<KvCache> create(const KvPageShape &shape, DeviceAddress base,
                                uint32_t maxSequences);

  /// An empty sequence; it holds no page yet.
  Result<SequenceId> newSequence();
  void endSequence(SequenceId sequence);

  /// Makes room for `tokens` more positions.
  Status append(SequenceId sequence, uint64_t tokens);
  /// Forgets the positions from `length` on. Usage when it is shorter.
  Status truncate(SequenceId sequence, uint64_t length);
  /// A new sequence with a copy of the first `length` positions.
  Result<SequenceId> fork(SequenceId sequence, uint64_t length, Device &device);

  bool isAlive(SequenceId sequence) const {
    return sequence < alive.size() && alive[sequence];
  }
  /// Positions in use; 0 for a sequence that is not alive.
  uint64_t length(SequenceId sequence) const {
    return isAlive(sequence) ? lengths[sequence] : 0;
  }
  uint64_t freePages() const { return freeList.size(); }
  const KvPageShape &shape() const { return pageShape; }

  /// Rows of blockTableStride() pages, one a sequence; entries past a
  /// sequence's pages are 0, a page that exists.
  const uint32_t *blockTables() const { return tables.data(); }
  uint64_t blockTableStride() const { return stride; }

private:
  uint64_t pagesFor(uint64_t tokens) const;
  Status checkAlive(SequenceId sequence) const;

  KvPageShape pageShape;
  DeviceAddress baseAddress = 0;
  uint64_t stride = 0;
  std::vector<uint32_t> freeList; ///< a stack: the last page freed is next
  std::vector<uint32_t> tables;
  std::vector<uint64_t> lengths;
  std::vector<bool> alive;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_KV_KVCACHE_H
