//===- PageAllocator.h - the pages of a cache group -------------*- C++ -*-===//
//
// Hands out the pages of a cache group by index, and counts how many sequences
// hold each of them. A page is free again when the last of them has released
// it. The page that became free last is taken first, so the same calls in the
// same order always yield the same pages.
//
// Only the constructor allocates memory. Thread-safety: one caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_KV_PAGEALLOCATOR_H
#define AIRPACK_RUNTIME_KV_PAGEALLOCATOR_H

#include <cstdint>
#include <vector>

namespace air::rt {

class PageAllocator {
public:
  explicit PageAllocator(uint32_t pages);

  uint64_t pages() const { return holders.size(); }
  uint64_t freePages() const { return freeList.size(); }

  /// Returns a free page, which then has one holder. There must be a free page.
  uint32_t take();
  /// Adds a holder to a page that has at least one.
  void share(uint32_t page) { ++holders[page]; }
  /// Removes a holder of a page.
  void release(uint32_t page);
  /// Whether a page has several holders, none of which may write it.
  bool isShared(uint32_t page) const { return holders[page] > 1; }

private:
  std::vector<uint32_t> freeList;
  std::vector<uint32_t> holders; ///< the number of holders of each page
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_KV_PAGEALLOCATOR_H
