//===- HugePages.h - memory into which a disk reads fast --------*- C++ -*-===//
//
// Makes memory consist of huge pages. Reads from a disk into huge pages may be
// much faster than reads into scattered pages of 4 KiB. If the system has no
// huge pages, the memory keeps its pages of 4 KiB.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_HUGEPAGES_H
#define AIRPACK_RUNTIME_IO_HUGEPAGES_H

#include <cstdint>
#include <sys/mman.h>

namespace air::rt {

inline constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

/// Turns the pages of a range of memory, which the system must have allocated
/// already, into huge pages. The range should begin at a multiple of
/// kHugePageBytes. A failure is ignored.
inline void collapseToHugePages(void *start, uint64_t bytes) {
  // Older C libraries do not define MADV_COLLAPSE, which Linux 6.1 introduced.
#ifdef MADV_COLLAPSE
  constexpr int kCollapse = MADV_COLLAPSE;
#else
  constexpr int kCollapse = 25;
#endif
  (void)madvise(start, bytes, kCollapse);
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_HUGEPAGES_H
