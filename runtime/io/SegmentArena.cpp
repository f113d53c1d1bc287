//===- SegmentArena.cpp - addresses of partly resident segments -----------===//
#include "runtime/io/SegmentArena.h"

#include "formats/support/CheckedMath.h"
#include "runtime/io/HugePages.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// No processor offers a larger address space to a process.
constexpr uint64_t kMostAddresses = uint64_t{1} << 56;

constexpr const char *kRing = "the ring that weights are read into";

Status refused(const std::string &what, uint64_t bytes) {
  return doesNotFitError("cannot allocate " + std::to_string(bytes) +
                         " bytes of memory for " + what + " (" +
                         std::strerror(errno) +
                         "); pack the model for less memory with --ram");
}

} // namespace

Result<SegmentArena> SegmentArena::create(std::span<const uint64_t> sizes,
                                          std::span<const RingWindow> windows,
                                          uint64_t ringBytes,
                                          uint64_t mostMappings) {
  if (mostMappings < kLeastMappings) {
    return usageError("the limit on the mappings of each byte of the ring must "
                      "be at least " +
                      std::to_string(kLeastMappings) +
                      ", but mostMappings is " + std::to_string(mostMappings));
  }
  SegmentArena arena;
  arena.mostMappings = mostMappings;
  uint64_t total = 0;
  for (uint64_t size : sizes) {
    arena.offsets.push_back(total);
    // Each segment begins at a huge-page boundary, so that its resident bytes
    // can consist of huge pages.
    std::optional<uint64_t> padded = checkedAlignUp(size, kHugePageBytes);
    std::optional<uint64_t> sum =
        padded ? checkedAdd(total, *padded) : std::nullopt;
    if (!sum || *sum > kMostAddresses) {
      return doesNotFitError(
          "the weights are larger than the address space of 2^56 bytes");
    }
    total = *sum;
  }
  arena.reserved = total + kHugePageBytes;
  void *region = mmap(nullptr, arena.reserved, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    return doesNotFitError(
        "cannot reserve " + std::to_string(arena.reserved) +
        " bytes of address space for the weights: " + std::strerror(errno) +
        "; allow more address space (ulimit -v)");
  }
  arena.base = static_cast<uint8_t *>(region);
  auto address = reinterpret_cast<uintptr_t>(region);
  uint64_t skipped = alignUp(address, kHugePageBytes) - address;
  for (uint64_t &offset : arena.offsets) {
    offset += skipped;
  }
  for (uint32_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) {
      continue;
    }
    AIR_RETURN_IF_ERROR(arena.mapPrivate(arena.offsets[i], sizes[i]));
  }
  AIR_RETURN_IF_ERROR(arena.mapRing(ringBytes));
  AIR_RETURN_IF_ERROR(arena.mapWindows(windows));
  return arena;
}

/// Maps zero-filled private memory at `offset` bytes after `base`.
Status SegmentArena::mapPrivate(uint64_t offset, uint64_t bytes) {
  uint8_t *start = base + offset;
  if (mmap(start, bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    return refused("the weights", bytes);
  }
  // A failure is ignored: huge pages only make reading the weights faster.
  (void)madvise(start, bytes, MADV_HUGEPAGE);
  return Status::ok();
}

/// Allocates a new ring. Windows onto the previous ring stay valid.
Status SegmentArena::mapRing(uint64_t bytes) {
  unmapRing();
  ringSize = bytes;
  if (bytes == 0) {
    return Status::ok();
  }
  memory = memfd_create("airrun-ring", MFD_CLOEXEC);
  if (memory < 0 || ftruncate(memory, static_cast<off_t>(bytes)) != 0) {
    return refused(kRing, bytes);
  }
  AIR_RETURN_IF_ERROR(mapWhole());
  // collapseToHugePages() needs at least one existing page in the range of each
  // huge page. It copies the existing pages one by one and clears the rest of
  // the huge page, so only the first page of each range is made here. A failure
  // is ignored, because the second call of fallocate() below then fails, too.
  for (uint64_t offset = 0; offset < bytes; offset += kHugePageBytes) {
    const uint64_t page = std::min(kPageBytes, bytes - offset);
    (void)fallocate(memory, 0, static_cast<off_t>(offset),
                    static_cast<off_t>(page));
  }
  collapseToHugePages(whole.data(), bytes);
  // Makes all pages that are still missing. If there is not enough memory,
  // fallocate() fails. Without this call, the first write to a page that the
  // system cannot provide would end the process.
  if (fallocate(memory, 0, 0, static_cast<off_t>(bytes)) != 0) {
    return refused(kRing, bytes);
  }
  return Status::ok();
}

/// Maps the whole ring at a huge-page boundary, so that its pages can be turned
/// into huge pages. The windows map the same memory, so they then consist of
/// huge pages, too, even if they do not begin at huge-page boundaries.
Status SegmentArena::mapWhole() {
  const uint64_t mapped = ringSize + kHugePageBytes;
  void *region = mmap(nullptr, mapped, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    return refused(kRing, ringSize);
  }
  outer = {static_cast<uint8_t *>(region), mapped};
  auto *start = reinterpret_cast<uint8_t *>(
      alignUp(reinterpret_cast<uintptr_t>(region), kHugePageBytes));
  if (mmap(start, ringSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
           memory, 0) == MAP_FAILED) {
    return refused(kRing, ringSize);
  }
  whole = {start, ringSize};
  return Status::ok();
}

void SegmentArena::unmapRing() {
  if (!outer.empty()) {
    munmap(outer.data(), outer.size());
    outer = {};
    whole = {};
  }
  if (memory >= 0) {
    close(memory);
    memory = -1;
  }
}

/// Maps all windows. If they have more than mostMappings times as many bytes as
/// the ring, unmaps them instead, and show() maps each one when it is needed.
Status SegmentArena::mapWindows(std::span<const RingWindow> windows) {
  current.assign(windows.begin(), windows.end());
  shown.clear();
  timesShown.clear();
  shownBytes = 0;
  ends.clear();
  uint64_t bytes = 0;
  for (const RingWindow &window : windows) {
    bytes += window.bytes;
  }
  // The product cannot overflow: mostMappings is at most kMostMappings (tests
  // choose even less), and `ringSize` bytes of memory have been allocated.
  showsOnDemand = bytes > mostMappings * ringSize;
  if (!showsOnDemand) {
    for (const RingWindow &window : windows) {
      AIR_RETURN_IF_ERROR(mapWindow(window));
    }
    return Status::ok();
  }
  for (uint32_t i = 0; i < current.size(); ++i) {
    ends.emplace_back(
        segment(current[i].segment) + current[i].offset + current[i].bytes, i);
  }
  std::ranges::sort(ends);
  for (const RingWindow &window : windows) {
    hide(window);
  }
  return Status::ok();
}

/// Whether all addresses in [begin, end) belong to windows that are not mapped.
/// `end` must be the address at which a window begins.
bool SegmentArena::isHidden(uint8_t *begin, const uint8_t *end) const {
  while (end > begin) {
    const auto found = std::ranges::lower_bound(
        ends, end, {}, [](const auto &known) { return known.first; });
    if (found == ends.end() || found->first != end) {
      return false;
    }
    const RingWindow &before = current[found->second];
    end = segment(before.segment) + before.offset;
    if (timesShown.contains(end)) {
      return false;
    }
  }
  return true;
}

/// Unmaps a window. Its addresses stay reserved, but can no longer be
/// accessed. If the system refuses to unmap the window, it stays mapped, which
/// does no harm.
void SegmentArena::hide(const RingWindow &window) {
  // A page table covers an aligned range of 2 MiB of addresses, and the system
  // frees the table only if one call unmaps the whole range. Therefore, if the
  // window begins inside such a range, and all addresses before it in the range
  // belong to unmapped windows, the call below unmaps these addresses again.
  uint8_t *begin = segment(window.segment) + window.offset;
  uint8_t *const end = begin + window.bytes;
  uint8_t *const table = reinterpret_cast<uint8_t *>(
      reinterpret_cast<uintptr_t>(begin) / kHugePageBytes * kHugePageBytes);
  begin = isHidden(table, begin) ? table : begin;
  (void)mmap(begin, static_cast<size_t>(end - begin), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

Status SegmentArena::show(const RingWindow &window) {
  if (!showsOnDemand) {
    return Status::ok();
  }
  // This loop never unmaps a window that is still in use. Such a window and
  // those that were shown after it for the same pass lie at different places in
  // the ring, so together they have at most ringSize bytes. For the same
  // reason, the windows that have already been shown for the next pass also
  // have at most ringSize bytes together. The new window has at most ringSize
  // bytes, too. The sum is at most 3 * ringSize, and mostMappings is at least
  // kLeastMappings, which is 3, so the loop ends before it reaches a window in
  // use.
  while (!shown.empty() &&
         shownBytes + window.bytes > mostMappings * ringSize) {
    const RingWindow oldest = shown.front();
    shown.pop_front();
    shownBytes -= oldest.bytes;
    const auto found = timesShown.find(segment(oldest.segment) + oldest.offset);
    if (--found->second == 0) {
      timesShown.erase(found);
      hide(oldest);
    }
  }
  const uint8_t *const address = segment(window.segment) + window.offset;
  if (!timesShown.contains(address)) {
    AIR_RETURN_IF_ERROR(mapWindow(window));
  }
  ++timesShown[address];
  shown.push_back(window);
  shownBytes += window.bytes;
  return Status::ok();
}

Status SegmentArena::mapWindow(const RingWindow &window) {
  uint8_t *to = segment(window.segment) + window.offset;
  uint64_t bytes = window.bytes;
  uint64_t offset = window.ringOffset;
  while (bytes != 0) {
    uint64_t part = std::min(bytes, ringSize - offset);
    if (mmap(to, part, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory,
             static_cast<off_t>(offset)) == MAP_FAILED) {
      return refused(kRing, part);
    }
    to += part;
    bytes -= part;
    offset = 0;
  }
  return Status::ok();
}

Status SegmentArena::remap(std::span<const RingWindow> windows,
                           uint64_t ringBytes) {
  // First maps empty private memory over all windows, old and new. No window
  // then refers to the old ring, so mapRing() can free the memory of that ring
  // before it allocates the new one. Bytes that were resident but lie in a new
  // window are freed here, too.
  for (const RingWindow &window : current) {
    AIR_RETURN_IF_ERROR(
        mapPrivate(offsets[window.segment] + window.offset, window.bytes));
  }
  for (const RingWindow &window : windows) {
    AIR_RETURN_IF_ERROR(
        mapPrivate(offsets[window.segment] + window.offset, window.bytes));
  }
  AIR_RETURN_IF_ERROR(mapRing(ringBytes));
  return mapWindows(windows);
}

SegmentArena::SegmentArena(SegmentArena &&other) noexcept {
  *this = std::move(other);
}

SegmentArena &SegmentArena::operator=(SegmentArena &&other) noexcept {
  std::swap(base, other.base);
  std::swap(reserved, other.reserved);
  std::swap(offsets, other.offsets);
  std::swap(current, other.current);
  std::swap(ends, other.ends);
  std::swap(showsOnDemand, other.showsOnDemand);
  std::swap(shown, other.shown);
  std::swap(timesShown, other.timesShown);
  std::swap(shownBytes, other.shownBytes);
  std::swap(memory, other.memory);
  std::swap(ringSize, other.ringSize);
  std::swap(mostMappings, other.mostMappings);
  std::swap(whole, other.whole);
  std::swap(outer, other.outer);
  return *this;
}

SegmentArena::~SegmentArena() {
  unmapRing();
  if (base != nullptr) {
    munmap(base, reserved);
  }
}
