//===- SegmentArenaTest.cpp - addresses of partly resident segments -------===//
#include "runtime/io/SegmentArena.h"

#include "formats/support/CheckedMath.h"
#include "runtime/io/HugePages.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kPage = SegmentArena::kPageBytes;

bool holds(const uint8_t *bytes, uint64_t pages, uint8_t value) {
  uint64_t count = pages * kPage;
  return bytes[0] == value && std::memcmp(bytes, bytes + 1, count - 1) == 0;
}

TEST(SegmentArena, WindowsShowTheRingInTurn) {
  // The ring has five pages. Pages 2 to 4 of the first segment show pages 0 to
  // 2 of the ring, and pages 1 to 3 of the second segment show pages 3, 4 and 0
  // of the ring. The other pages of the segments have memory of their own.
  uint64_t sizes[] = {6 * kPage, 4 * kPage};
  RingWindow windows[] = {{0, 2 * kPage, 3 * kPage, 0},
                          {1, kPage, 3 * kPage, 3 * kPage}};
  Result<SegmentArena> arena = SegmentArena::create(sizes, windows, 5 * kPage);
  ASSERT_TRUE(arena) << arena.status().message();
  uint8_t *first = arena->segment(0);
  uint8_t *second = arena->segment(1);
  std::memset(first, 1, 6 * kPage);
  std::memset(second, 2, 4 * kPage);
  EXPECT_TRUE(holds(second, 4, 2));
  EXPECT_TRUE(holds(first, 2, 1));
  EXPECT_TRUE(holds(first + 2 * kPage, 1, 2));
  EXPECT_TRUE(holds(first + 3 * kPage, 3, 1));
}

/// How many bytes of the mapping that begins at `start` are mapped as huge
/// pages of shared memory.
uint64_t hugeBytesAt(const uint8_t *start) {
  std::ifstream maps("/proc/self/smaps");
  char expected[32];
  std::snprintf(expected, sizeof expected, "%lx-",
                static_cast<unsigned long>(reinterpret_cast<uintptr_t>(start)));
  bool isInside = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(':')) {
      isInside = line.starts_with(expected);
    }
    unsigned long kilobytes = 0;
    if (isInside &&
        std::sscanf(line.c_str(), "ShmemPmdMapped: %lu kB", &kilobytes) == 1) {
      return uint64_t{kilobytes} * 1024;
    }
  }
  return 0;
}

/// Whether this system turns `count` huge pages' worth of a memfd into huge
/// pages now.
bool hasHugeSharedPages(uint64_t count) {
  const uint64_t bytes = count * kHugePageBytes;
  const int file = memfd_create("probe", MFD_CLOEXEC);
  void *region = mmap(nullptr, bytes + kHugePageBytes, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0 ||
      region == MAP_FAILED) {
    return false;
  }
  auto *start = reinterpret_cast<uint8_t *>(
      alignUp(reinterpret_cast<uintptr_t>(region), kHugePageBytes));
  mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
  std::memset(start, 1, bytes);
  collapseToHugePages(start, bytes);
  const bool areHuge = hugeBytesAt(start) == bytes;
  munmap(region, bytes + kHugePageBytes);
  close(file);
  return areHuge;
}

TEST(SegmentArena, TheRingConsistsOfHugePages) {
  // Three for the ring, and as many more, because others use memory, too.
  if (!hasHugeSharedPages(6)) {
    GTEST_SKIP() << "the system does not turn the pages of a memfd into huge "
                    "pages";
  }
  // The last page does not belong to a whole huge page.
  constexpr uint64_t kRing = 3 * kHugePageBytes + kPage;
  uint64_t sizes[] = {kRing};
  RingWindow windows[] = {{0, 0, kRing, 0}};
  Result<SegmentArena> arena = SegmentArena::create(sizes, windows, kRing);
  ASSERT_TRUE(arena) << arena.status().message();
  EXPECT_EQ(hugeBytesAt(arena->ring().data()), 3 * kHugePageBytes);
  EXPECT_TRUE(holds(arena->ring().data(), kRing / kPage, 0));
  std::memset(arena->ring().data(), 7, kRing);
  EXPECT_TRUE(holds(arena->segment(0), kRing / kPage, 7));
}

TEST(SegmentArena, TheWholeRingIsTheMemoryOfTheWindows) {
  // The window begins at the last page of the ring, and continues at its first.
  uint64_t sizes[] = {4 * kPage};
  RingWindow windows[] = {{0, kPage, 2 * kPage, 2 * kPage}};
  Result<SegmentArena> arena = SegmentArena::create(sizes, windows, 3 * kPage);
  ASSERT_TRUE(arena) << arena.status().message();
  std::memset(arena->segment(0), 1, 4 * kPage);
  const std::span<uint8_t> ring = arena->ring();
  ASSERT_EQ(ring.size(), 3 * kPage);
  EXPECT_TRUE(holds(ring.data() + 2 * kPage, 1, 1));
  EXPECT_TRUE(holds(ring.data(), 1, 1));
  EXPECT_TRUE(holds(ring.data() + kPage, 1, 0));
  std::memset(ring.data(), 2, kPage);
  EXPECT_TRUE(holds(arena->segment(0) + kPage, 1, 1));
  EXPECT_TRUE(holds(arena->segment(0) + 2 * kPage, 1, 2));
  EXPECT_TRUE(holds(arena->segment(0) + 3 * kPage, 1, 1));
}

/// Whether a byte can be read. The byte is passed to write(), which returns an
/// error if the byte is not mapped. An access by the test itself would crash.
bool canRead(const uint8_t *byte) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe(ends), 0);
  const bool canRead = write(ends[1], byte, 1) == 1;
  EXPECT_TRUE(canRead || errno == EFAULT) << std::strerror(errno);
  close(ends[0]);
  close(ends[1]);
  return canRead;
}

/// The memory that the page tables of this process take, in bytes.
uint64_t pageTableBytes() {
  std::ifstream file("/proc/self/status");
  std::string word;
  uint64_t kilobytes = 0;
  while (file >> word) {
    if (word == "VmPTE:") {
      file >> kilobytes;
    }
  }
  EXPECT_NE(kilobytes, 0U);
  return kilobytes << 10;
}

/// A segment that consists of `count` windows of two pages each. All windows
/// show the first two pages of the ring.
std::vector<RingWindow> windowsOfTwoPages(uint32_t count) {
  std::vector<RingWindow> windows;
  for (uint32_t i = 0; i < count; ++i) {
    windows.push_back({0, 2 * kPage * i, 2 * kPage, 0});
  }
  return windows;
}

TEST(SegmentArena, MapsFewOfManyWindowsAtATime) {
  constexpr uint32_t kCount = 40;
  const uint64_t sizes[] = {2 * kPage * kCount};
  const std::vector<RingWindow> windows = windowsOfTwoPages(kCount);
  Result<SegmentArena> arena = SegmentArena::create(sizes, windows, 2 * kPage);
  ASSERT_TRUE(arena) << arena.status().message();
  std::memset(arena->ring().data(), 7, 2 * kPage);
  const auto mapped = [&] {
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < kCount; ++i) {
      if (canRead(arena->segment(0) + windows[i].offset)) {
        found.push_back(i);
      }
    }
    return found;
  };
  EXPECT_TRUE(mapped().empty());
  for (uint32_t i = 0; i < kCount; ++i) {
    Status status = arena->show(windows[i]);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_TRUE(holds(arena->segment(0) + windows[i].offset, 2, 7));
  }
  std::vector<uint32_t> last(16);
  std::iota(last.begin(), last.end(), kCount - 16);
  EXPECT_EQ(mapped(), last);
}

TEST(SegmentArena, FreesThePageTablesOfUnmappedWindows) {
  // A page table takes 4 KiB of memory and maps 2 MiB of addresses. A window
  // has 3 MiB, so every second one begins in the middle of such a range. All 64
  // windows together would need 96 tables, which take 384 KiB.
  constexpr uint64_t kBytes = uint64_t{3} << 20;
  constexpr uint32_t kCount = 64;
  const uint64_t sizes[] = {kBytes * kCount};
  std::vector<RingWindow> windows;
  for (uint32_t i = 0; i < kCount; ++i) {
    windows.push_back({0, kBytes * i, kBytes, 0});
  }
  Result<SegmentArena> arena =
      SegmentArena::create(sizes, windows, kBytes, /*mostMappings=*/3);
  ASSERT_TRUE(arena) << arena.status().message();
  const uint64_t before = pageTableBytes();
  for (const RingWindow &window : windows) {
    ASSERT_TRUE(arena->show(window).isOk());
    // Touches every page of the window.
    const uint8_t *bytes = arena->segment(0) + window.offset;
    EXPECT_TRUE(holds(bytes, kBytes / kPage, 0));
  }
  EXPECT_LE(pageTableBytes(), before + (uint64_t{64} << 10));
}

TEST(SegmentArena, AWindowThatIsShownAgainStaysMapped) {
  // Windows 0 and 1 have two pages each, so the ring of four pages holds both.
  // They are shown alternately, so neither is ever unmapped. No other window is
  // ever mapped.
  const uint64_t sizes[] = {2 * kPage * 8};
  std::vector<RingWindow> windows = windowsOfTwoPages(8);
  for (uint32_t i = 1; i < windows.size(); i += 2) {
    windows[i].ringOffset = 2 * kPage;
  }
  Result<SegmentArena> arena =
      SegmentArena::create(sizes, windows, 4 * kPage, /*mostMappings=*/3);
  ASSERT_TRUE(arena) << arena.status().message();
  std::memset(arena->ring().data(), 7, 4 * kPage);
  ASSERT_TRUE(arena->show(windows[0]).isOk());
  for (uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(arena->show(windows[1 - i % 2]).isOk());
    EXPECT_TRUE(canRead(arena->segment(0)));
    EXPECT_TRUE(canRead(arena->segment(0) + 2 * kPage));
    EXPECT_FALSE(canRead(arena->segment(0) + 4 * kPage));
  }
}

TEST(SegmentArena, TooFewMappingsAreRefused) {
  const uint64_t sizes[] = {2 * kPage * 8};
  Result<SegmentArena> arena = SegmentArena::create(
      sizes, windowsOfTwoPages(8), 2 * kPage, /*mostMappings=*/2);
  ASSERT_FALSE(arena);
  EXPECT_EQ(arena.status().code(), ErrorCode::Usage);
  EXPECT_EQ(arena.status().message(),
            "the limit on the mappings of each byte of the ring must be at "
            "least 3, but mostMappings is 2");
}

TEST(SegmentArena, AllOfAFewWindowsAreMappedAtOnce) {
  const uint64_t sizes[] = {2 * kPage * 3};
  const std::vector<RingWindow> windows = windowsOfTwoPages(3);
  Result<SegmentArena> arena = SegmentArena::create(sizes, windows, 2 * kPage);
  ASSERT_TRUE(arena) << arena.status().message();
  EXPECT_TRUE(canRead(arena->segment(0)));
  EXPECT_TRUE(canRead(arena->segment(0) + 4 * kPage));
}

TEST(SegmentArena, ResidentSegmentsNeedNoRing) {
  uint64_t sizes[] = {3 * kPage, kPage};
  Result<SegmentArena> arena = SegmentArena::create(sizes, {}, 0);
  ASSERT_TRUE(arena) << arena.status().message();
  std::memset(arena->segment(0), 1, 3 * kPage);
  std::memset(arena->segment(1), 2, kPage);
  EXPECT_TRUE(holds(arena->segment(0), 3, 1));
  EXPECT_TRUE(arena->ring().empty());
}

TEST(SegmentArena, AddressesAndWhatStaysSurviveARemap) {
  uint64_t sizes[] = {600 * kPage, 4 * kPage};
  RingWindow before[] = {{1, 3 * kPage, kPage, 0}};
  Result<SegmentArena> arena = SegmentArena::create(sizes, before, kPage);
  ASSERT_TRUE(arena) << arena.status().message();
  uint8_t *first = arena->segment(0);
  uint8_t *second = arena->segment(1);
  std::memset(first, 1, 600 * kPage);
  std::memset(second, 2, 4 * kPage);
  RingWindow after[] = {{0, 2 * kPage, 590 * kPage, 0},
                        {1, 0, 2 * kPage, 589 * kPage}};
  Status status = arena->remap(after, 590 * kPage);
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(arena->segment(0), first);
  EXPECT_EQ(arena->segment(1), second);
  EXPECT_TRUE(holds(first, 2, 1));
  EXPECT_TRUE(holds(first + 592 * kPage, 8, 1));
  EXPECT_TRUE(holds(second + 2 * kPage, 1, 2));
  // This page is no longer part of a window, so it does not share memory with
  // the ring.
  std::memset(second + 3 * kPage, 5, kPage);
  std::memset(first + 2 * kPage, 3, 590 * kPage);
  std::memset(second, 4, 2 * kPage);
  EXPECT_TRUE(holds(second + 3 * kPage, 1, 5));
  EXPECT_TRUE(holds(first, 2, 1));
  // The second segment's window shows the last page of the ring, then the
  // first.
  EXPECT_TRUE(holds(first + 2 * kPage, 1, 4));
  EXPECT_TRUE(holds(first + 3 * kPage, 588, 3));
  EXPECT_TRUE(holds(first + 591 * kPage, 1, 4));
}

TEST(SegmentArena, AMoveKeepsTheAddresses) {
  uint64_t sizes[] = {2 * kPage};
  RingWindow windows[] = {{0, kPage, kPage, 0}};
  Result<SegmentArena> made = SegmentArena::create(sizes, windows, kPage);
  ASSERT_TRUE(made) << made.status().message();
  uint8_t *address = made->segment(0);
  std::memset(address, 7, 2 * kPage);
  SegmentArena arena = *std::move(made);
  EXPECT_EQ(arena.segment(0), address);
  EXPECT_TRUE(holds(address, 2, 7));
}

TEST(SegmentArena, MoreThanTheAddressSpaceIsRefused) {
  uint64_t sizes[] = {uint64_t{1} << 60};
  EXPECT_EQ(SegmentArena::create(sizes, {}, 0).status().code(),
            ErrorCode::DoesNotFit);
}

} // namespace
