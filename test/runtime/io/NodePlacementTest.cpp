//===- NodePlacementTest.cpp - which NUMA node reads which bytes ----------===//
#include "runtime/io/NodePlacement.h"

#include <cstdio>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace air::rt;

namespace {

constexpr uint64_t kPage = 4096;

const uint8_t *at(uint64_t address) {
  return reinterpret_cast<const uint8_t *>(static_cast<uintptr_t>(address));
}

TEST(NodePlacement, PartsOfAllThreadsCoverEveryByteOnce) {
  const NodePart parts[] = {
      {0, 0, 3, 8}, {1, 3, 4, 8}, {0, 4, 7, 8}, {2, 7, 8, 8}};
  for (uint64_t start : {uint64_t{1} << 20, (uint64_t{1} << 20) + 64}) {
    for (uint64_t size : {uint64_t{0}, uint64_t{1}, kPage, 5 * kPage + 7,
                          uint64_t{1} << 30, uint64_t{1} << 62}) {
      std::span<const uint8_t> bytes(at(start), size);
      uint64_t next = start;
      for (const NodePart &part : parts) {
        std::span<const uint8_t> own = bytesOfPart(bytes, part, kPage);
        auto begin = reinterpret_cast<uintptr_t>(own.data());
        EXPECT_EQ(begin, next);
        EXPECT_TRUE(begin == start || own.empty() || begin % kPage == 0);
        next = begin + own.size();
        // The length of each part of the memory is proportional to the number
        // of threads that read it, except that its ends are rounded to pages.
        double expected =
            static_cast<double>(size) * (part.end - part.first) / 8;
        EXPECT_NEAR(static_cast<double>(own.size()), expected, kPage + 1.0);
      }
      EXPECT_EQ(next, start + size);
    }
  }
}

std::pair<int, unsigned long> policy() {
  int mode = -1;
  unsigned long nodes[16] = {};
  EXPECT_EQ(syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, nullptr, 0UL), 0);
  return {mode, nodes[0]};
}

// Linux reports the memory policy of an address on every machine, even on one
// with a single node. All parts but the second are on node 0.
TEST(NodePlacement, MemoryGetsThePolicyOfItsReaders) {
  constexpr uint64_t kPages = 12;
  void *mapped = mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  const auto *start = static_cast<const uint8_t *>(mapped);
  const NodePart parts[] = {{0, 0, 1, 4}, {4000, 1, 2, 4}, {0, 2, 4, 4}};
  preferNodes({start, kPages * kPage}, 8 * kPage, parts);
  for (uint64_t page = 0; page < kPages; ++page) {
    int mode = -1;
    unsigned long nodes[16] = {};
    ASSERT_EQ(syscall(SYS_get_mempolicy, &mode, nodes, 1024UL,
                      start + page * kPage, MPOL_F_ADDR),
              0);
    // The parts are pages 0 to 2, 3 to 5 and 6 to 11. Pages 3 to 5 keep the
    // default policy, because their node cannot exist. Pages 8 to 11 keep it,
    // because preferNodes() is called for the first eight pages only.
    const bool isPlaced = page < 3 || (page >= 6 && page < 8);
    EXPECT_EQ(mode, isPlaced ? MPOL_PREFERRED : MPOL_DEFAULT) << page;
    EXPECT_EQ(nodes[0], isPlaced ? 1U : 0U) << page;
  }
  munmap(mapped, kPages * kPage);
}

TEST(NodePlacement, BringsPagesInAndLeavesThePolicy) {
  // The test maps a file, because plans are mapped files, too. None of the
  // file's pages has been read, so not all of them are in memory yet.
  char name[] = "/tmp/node-placement-XXXXXX";
  int file = mkstemp(name);
  ASSERT_GE(file, 0);
  std::remove(name);
  constexpr uint64_t kPages = 40;
  ASSERT_EQ(ftruncate(file, kPages * kPage), 0);
  void *mapped = mmap(nullptr, kPages * kPage, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  ASSERT_NE(mapped, MAP_FAILED);
  auto resident = [&] {
    unsigned char pages[kPages] = {};
    EXPECT_EQ(mincore(mapped, kPages * kPage, pages), 0);
    uint64_t count = 0;
    for (unsigned char page : pages) {
      count += page & 1;
    }
    return count;
  };
  EXPECT_LT(resident(), kPages);

  unsigned long first = 1;
  ASSERT_EQ(syscall(SYS_set_mempolicy, MPOL_BIND, &first, 65UL), 0);
  std::pair<int, unsigned long> before = policy();
  EXPECT_EQ(before.first, MPOL_BIND);
  const NodePart parts[] = {{0, 0, 1, 2}, {0, 1, 2, 2}};
  placeOnNodes({static_cast<const uint8_t *>(mapped), kPages * kPage}, parts);
  EXPECT_EQ(policy(), before);
  ASSERT_EQ(syscall(SYS_set_mempolicy, MPOL_DEFAULT, nullptr, 0UL), 0);
  EXPECT_EQ(resident(), kPages);
  munmap(mapped, kPages * kPage);
}

} // namespace
