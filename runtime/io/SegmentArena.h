//===- SegmentArena.h - addresses of partly resident segments ---*- C++ -*-===//
//
// Kernels read each segment as one contiguous range of addresses, although only
// some of its bytes stay in memory. The arena reserves one such range per
// segment and maps two kinds of memory into it:
//
//   segment   [ private memory | window | private memory | window | ... ]
//
// Private memory holds the bytes that stay resident. A window shows a part of
// the ring, which is one block of memory that all windows share. Several
// windows may show the same bytes of the ring. In the course of a pass, these
// bytes are filled for one of these windows after another, so whoever fills
// them must know when the previous window is no longer needed. A window that
// reaches the end of the ring continues at the start of the ring.
//
// All windows are mapped from the start, unless they have more than
// kMostMappings times as many bytes as the ring. If they do, a window is mapped
// when show() asks for it, and the oldest ones are unmapped to make room. There
// must not be too many mappings: the system keeps page tables for every
// mapping, limits how many mappings a process may have, and visits all mappings
// of a page whenever it looks for pages to reclaim. While it visits the
// mappings of a huge page, no read into that page can begin.
//
// If the placement of the segments changes, remap() maps the same addresses in
// another way. Neither the kernels nor their bindings change.
//
// Where the system has huge pages, the ring consists of them, because a disk
// may read into scattered 4 KiB pages much more slowly. Without huge pages,
// everything works in the same way.
//
// In addition to the windows, the whole ring is mapped once more, at an address
// that is a huge-page boundary. Disk reads go to this mapping (ring()), and
// kernels use the windows. A window rarely begins at a huge-page boundary, so
// the system maps each of its 4 KiB pages with a page-table entry of its own,
// although the memory consists of huge pages. A disk read into a window would
// therefore cost the system more than twice as much CPU time as a disk read
// into the mapping of the whole ring.
//
// Ownership: the arena owns its memory; addresses are valid as long as it
// exists. Thread-safety: no other function and no user of the memory may run at
// the same time as remap(). One thread at a time may call show(), while others
// use the windows that stay mapped. Errors: DoesNotFit if the system refuses
// memory or addresses; create() may also fail with Usage.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_SEGMENTARENA_H
#define AIRPACK_RUNTIME_IO_SEGMENTARENA_H

#include "formats/support/Status.h"

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace air::rt {

/// A part of a segment's addresses at which a part of the ring is mapped. All
/// fields except `segment` are multiples of SegmentArena::kPageBytes.
struct RingWindow {
  uint32_t segment = 0;
  uint64_t offset = 0; ///< where the part begins in the segment
  uint64_t bytes = 0;  ///< at most the size of the ring
  uint64_t ringOffset = 0;
};

/// Where the bytes of each segment are in memory.
class SegmentMemory {
public:
  virtual ~SegmentMemory() = default;
  /// The address of segment `index`. It never changes.
  virtual uint8_t *segment(uint32_t index) const = 0;
  /// The ring as one range of addresses, if it is mapped as a whole in addition
  /// to the windows; otherwise empty.
  virtual std::span<uint8_t> ring() const { return {}; }

  /// Makes sure that a window is mapped. The window stays mapped at least until
  /// it and the windows that were shown after it have, together, more bytes
  /// than the ring.
  virtual Status show(const RingWindow &window) {
    (void)window;
    return Status::ok();
  }
};

class SegmentArena final : public SegmentMemory {
public:
  static constexpr uint64_t kPageBytes = 4096;
  /// The approximate limit on the number of windows that show the same byte of
  /// the ring. The value is not critical: passes take the same time with 4 to
  /// 148 windows, but more than twice the time with 1,240 (docs/streaming.md).
  static constexpr uint64_t kMostMappings = 16;
  /// With fewer, show() could unmap windows that are still in use.
  static constexpr uint64_t kLeastMappings = 3;

  /// `sizes` are the sizes of the segments in bytes, which are multiples of
  /// kPageBytes. `windows` are in the order in which a pass fills them, and
  /// each but the first begins in the ring where the one before it ends (rule
  /// plan.stream.fill of docs/plan-format.md). Because of this order, show()
  /// can tell that a window is no longer in use from the number of bytes in the
  /// windows that were shown after it. Only tests choose another value of
  /// `mostMappings` than kMostMappings; a value below kLeastMappings is a Usage
  /// error.
  static Result<SegmentArena> create(std::span<const uint64_t> sizes,
                                     std::span<const RingWindow> windows,
                                     uint64_t ringBytes,
                                     uint64_t mostMappings = kMostMappings);
  SegmentArena(SegmentArena &&other) noexcept;
  SegmentArena &operator=(SegmentArena &&other) noexcept;
  SegmentArena(const SegmentArena &) = delete;
  SegmentArena &operator=(const SegmentArena &) = delete;
  ~SegmentArena() override;

  /// remap() does not change the address.
  uint8_t *segment(uint32_t index) const override {
    return base + offsets[index];
  }

  /// Replaces the windows and the ring, whose contents are lost. Bytes that
  /// neither an old nor a new window covers keep their contents.
  Status remap(std::span<const RingWindow> windows, uint64_t ringBytes);

  /// The range of addresses of the ring, which is empty if there is no ring.
  /// It is valid until remap() is called.
  std::span<uint8_t> ring() const override { return whole; }

  Status show(const RingWindow &window) override;

private:
  SegmentArena() = default;
  Status mapPrivate(uint64_t offset, uint64_t bytes);
  Status mapRing(uint64_t bytes);
  Status mapWhole();
  void unmapRing();
  Status mapWindows(std::span<const RingWindow> windows);
  Status mapWindow(const RingWindow &window);
  void hide(const RingWindow &window);
  bool isHidden(uint8_t *begin, const uint8_t *end) const;

  uint8_t *base = nullptr; ///< where the addresses of all segments begin
  uint64_t reserved = 0;
  std::vector<uint64_t> offsets;   ///< each segment's distance from `base`
  std::vector<RingWindow> current; ///< all windows
  /// For each window, the address at which it ends, and its index in `current`;
  /// sorted. Empty unless showsOnDemand is set.
  std::vector<std::pair<const uint8_t *, uint32_t>> ends;
  /// Whether windows are mapped only when they are shown.
  bool showsOnDemand = false;
  std::deque<RingWindow> shown; ///< in the order of show()
  /// For each window in `shown`, by its address: how often it is there. Passes
  /// that run only a few steps show the same windows again and again.
  std::unordered_map<const uint8_t *, uint32_t> timesShown;
  uint64_t shownBytes = 0; ///< the bytes of all windows in `shown`
  int memory = -1;         ///< descriptor of the ring's memory
  uint64_t ringSize = 0;
  uint64_t mostMappings = kMostMappings;
  std::span<uint8_t> whole; ///< what ring() returns
  std::span<uint8_t> outer; ///< the addresses that are reserved for `whole`
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_SEGMENTARENA_H
