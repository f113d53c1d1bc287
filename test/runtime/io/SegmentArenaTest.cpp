//===- SegmentArenaTest.cpp - addresses of partly resident segments -------===//
#include "runtime/io/SegmentArena.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kPage = SegmentArena::kPageBytes;

bool holds(const uint8_t *bytes, uint64_t pages, uint8_t value) {
  uint64_t count = pages * kPage;
  return bytes[0] == value && std::memcmp(bytes, bytes + 1, count - 1) == 0;
}

TEST(SegmentArena, WindowsShowTheRingInTurn) {
  // The ring has five pages. The first window shows pages 0 to 2, and the
  // second one pages 3, 4 and 0.
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
