//===- DevicePlacementTest.cpp - what a GPU keeps, and what is copied -----===//
#include "compiler/planner/DevicePlacement.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace air::compiler {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// Four segments of 64 MiB. Of six steps, numbered from 0, steps 1 to 4 need
/// one segment each.
WeightProblem fourEqual() {
  WeightProblem problem;
  for (uint32_t step = 1; step <= 4; ++step) {
    problem.weights.push_back({64 * kMiB, step, step});
  }
  problem.steps = 6;
  return problem;
}

/// Checks a placement with verifyWeights(), to which it presents VRAM as RAM.
/// Also checks that the bytes of each segment are contiguous in the ring.
void verify(const WeightProblem &problem, const DevicePlacement &placement,
            uint64_t room) {
  EXPECT_LE(placement.deviceBytes(problem), room);
  WeightPlacement seen;
  seen.tables = problem.tables;
  seen.ringBytes = placement.ringBytes;
  seen.reads = placement.copies;
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    seen.weights.push_back(!placement.isCopied.empty() && placement.isCopied[i]
                               ? 0
                               : problem.weights[i].bytes);
  }
  const Status verdict = verifyWeights(problem, seen, UINT64_MAX);
  EXPECT_TRUE(verdict.isOk()) << room << ": " << verdict.message();
  std::map<uint32_t, uint64_t> startOf;
  for (const StreamedRead &copy : placement.copies) {
    const uint64_t start =
        startOf.emplace(copy.segment, copy.ringOffset).first->second;
    EXPECT_EQ(copy.ringOffset - start, copy.offset);
    EXPECT_LE(copy.ringOffset + copy.bytes, placement.ringBytes);
  }
}

DevicePlacement placed(const WeightProblem &problem, uint64_t room) {
  Result<DevicePlacement> placement = placeOnDevice(problem, room);
  EXPECT_TRUE(placement.isOk()) << placement.status().message();
  verify(problem, *placement, room);
  return *std::move(placement);
}

TEST(DevicePlacement, WhatFitsStays) {
  WeightProblem problem = fourEqual();
  problem.tables = {10 * kMiB - 1};
  const DevicePlacement all = placed(problem, 266 * kMiB);
  EXPECT_TRUE(all.isCopied.empty());
  EXPECT_TRUE(all.copies.empty());
  EXPECT_EQ(all.ringBytes, 0U);
  EXPECT_EQ(all.deviceBytes(problem), 266 * kMiB);
  EXPECT_EQ(all.ramBytes(problem), 0U);
  EXPECT_FALSE(placed(problem, 266 * kMiB - 1).copies.empty());
}

// VRAM has room for two of four segments and a ring of the size of one. The
// other two segments are copied in parts of 4 MiB. The second segment
// overwrites the fourth, which step 4 of the previous pass used. A pass has 6
// steps, so counted from the start of the present pass, this is step -2.
TEST(DevicePlacement, EverySecondSegmentIsCopied) {
  const WeightProblem problem = fourEqual();
  const DevicePlacement placement = placed(problem, 192 * kMiB);
  EXPECT_THAT(placement.isCopied, ElementsAre(false, true, false, true));
  EXPECT_EQ(placement.ringBytes, 64 * kMiB);
  EXPECT_EQ(placement.deviceBytes(problem), 192 * kMiB);
  EXPECT_EQ(placement.ramBytes(problem), 128 * kMiB);
  ASSERT_EQ(placement.copies.size(), 32U);
  for (uint32_t i = 0; i < 32; ++i) {
    const uint64_t offset = i % 16 * 4 * kMiB;
    const StreamedRead expected = {i < 16 ? 1U : 3U, offset,
                                   4 * kMiB,         offset,
                                   i < 16 ? 2U : 4U, i < 16 ? -2 : 2};
    EXPECT_EQ(placement.copies[i], expected) << i;
  }
}

TEST(DevicePlacement, TheRingGrowsIfThatIsWorthwhile) {
  const WeightProblem problem = fourEqual();
  // Three segments are copied in every pass, and one stays in VRAM. With a ring
  // for two segments, this would take 192 MiB.
  EXPECT_EQ(placed(problem, 192 * kMiB - 1).ringBytes, 64 * kMiB);
  EXPECT_EQ(placed(problem, 128 * kMiB).ringBytes, 64 * kMiB);
  // All four segments are copied, and only the ring is in VRAM.
  EXPECT_EQ(placed(problem, 128 * kMiB - 1).ringBytes, 64 * kMiB);
  EXPECT_EQ(leastDeviceBytes(problem), 64 * kMiB);
  const Status status = placeOnDevice(problem, 64 * kMiB - 1).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(
      status.message(),
      HasSubstr("need at least 64.00 MiB of VRAM even if they stay in RAM and "
                "are copied to the GPU in every pass, but only 63.99 MiB"));
  WeightProblem many;
  for (uint32_t step = 0; step < 64; ++step) {
    many.weights.push_back({8 * kMiB, step, step});
  }
  many.steps = 64;
  // Copies of segments of 8 MiB may run ahead of the kernels by at most 16 MiB
  // (kReadAhead), and by at most a sixteenth of the bytes that a pass copies.
  // Here a pass copies 264 MiB, and a sixteenth of that is 16.5 MiB. The ring
  // has room for three segments, so copies run ahead by two segments, 16 MiB.
  const DevicePlacement half = placed(many, 272 * kMiB);
  EXPECT_EQ(std::count(half.isCopied.begin(), half.isCopied.end(), true), 33);
  EXPECT_EQ(half.ringBytes, 24 * kMiB);
  // Here a pass copies 120 MiB, so copies may run ahead by at most 7.5 MiB. In
  // a ring for two segments, they would run ahead by one segment, 8 MiB, so the
  // ring has room for only one segment.
  const DevicePlacement most = placed(many, 400 * kMiB);
  EXPECT_EQ(std::count(most.isCopied.begin(), most.isCopied.end(), true), 15);
  EXPECT_EQ(most.ringBytes, 8 * kMiB);
  // If there is no room for a larger ring, a ring of one segment is chosen.
  EXPECT_EQ(placed(many, 8 * kMiB).ringBytes, 8 * kMiB);
}

// The largest segment stays in VRAM, because copying it would need a ring of
// its size.
TEST(DevicePlacement, AFewLargeSegmentsStay) {
  WeightProblem problem = fourEqual();
  problem.weights.push_back({200 * kMiB, 5, 5});
  problem.tables = {kMiB};
  const DevicePlacement placement = placed(problem, 400 * kMiB);
  EXPECT_FALSE(placement.isCopied[4]);
  EXPECT_EQ(placement.ramBytes(problem), 128 * kMiB);
}

TEST(DevicePlacement, SomeSegmentsAlwaysStay) {
  WeightProblem problem = fourEqual();
  // Two steps (2 and 3) need the second segment, and the third is too small to
  // be copied.
  problem.weights[1].lastStep = 3;
  problem.weights[2].bytes = kSmallestStreamed - 1;
  const DevicePlacement placement = placed(problem, 140 * kMiB);
  EXPECT_THAT(placement.isCopied, ElementsAre(true, false, false, true));
}

/// Checks `host`. Of the segments that `device` copies to the GPU, some stay in
/// RAM, and each pass reads the others from the disk through a ring. The ring
/// and the segments in RAM must fit in `room` bytes. verifyWeights() knows only
/// RAM and the disk, so the segments that stay on the GPU are presented to it
/// as segments that stay in RAM.
void verifyHost(const WeightProblem &problem, const DevicePlacement &device,
                const HostPlacement &host, uint64_t room) {
  EXPECT_LE(host.ramBytes(), room);
  WeightPlacement seen;
  seen.tables = problem.tables;
  seen.ringBytes = host.ringBytes;
  seen.reads = host.reads;
  uint64_t kept = 0;
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    const uint64_t bytes = problem.weights[i].bytes;
    const bool isRead = !host.isRead.empty() && host.isRead[i];
    EXPECT_TRUE(!isRead || device.isCopied[i]) << i;
    seen.weights.push_back(isRead ? 0 : bytes);
    kept += device.isCopied[i] && !isRead ? (bytes + 4095) / 4096 * 4096 : 0;
  }
  EXPECT_EQ(host.keptBytes, kept);
  const Status verdict = verifyWeights(problem, seen, UINT64_MAX);
  EXPECT_TRUE(verdict.isOk()) << room << ": " << verdict.message();
  std::map<uint32_t, uint64_t> startOf;
  for (const StreamedRead &read : host.reads) {
    const uint64_t start =
        startOf.emplace(read.segment, read.ringOffset).first->second;
    EXPECT_EQ(read.ringOffset - start, read.offset);
    EXPECT_LE(read.ringOffset + read.bytes, host.ringBytes);
  }
}

// VRAM has room for only one of the four segments. The ring takes this room, so
// all four are copied in every pass. RAM has room for three segments: two stay
// there, and the other two take turns in a ring.
TEST(HostPlacement, WhatDoesNotFitIntoRamIsRead) {
  const WeightProblem problem = fourEqual();
  const DevicePlacement device = placed(problem, 64 * kMiB);
  ASSERT_THAT(device.isCopied, ElementsAre(true, true, true, true));
  const std::optional<HostPlacement> host =
      placeInRam(problem, device, 192 * kMiB);
  ASSERT_TRUE(host);
  verifyHost(problem, device, *host, 192 * kMiB);
  EXPECT_EQ(host->keptBytes, 128 * kMiB);
  EXPECT_EQ(host->ringBytes, 64 * kMiB);
  EXPECT_THAT(host->isRead, ElementsAre(false, true, false, true));
  // With room for all four segments in RAM, nothing is read from the disk.
  const std::optional<HostPlacement> all =
      placeInRam(problem, device, 256 * kMiB);
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->isRead.empty() && all->reads.empty());
  EXPECT_EQ(all->ramBytes(), 256 * kMiB);
  EXPECT_EQ(leastRamBytes(problem, device), 64 * kMiB);
  EXPECT_FALSE(placeInRam(problem, device, 64 * kMiB - 1));
}

TEST(DevicePlacement, RandomProblemsAreSolved) {
  std::mt19937 random(7);
  const auto below = [&](uint32_t end) {
    return static_cast<uint32_t>(random() % end);
  };
  for (uint32_t round = 0; round < 60; ++round) {
    WeightProblem problem;
    problem.steps = 5 + below(30);
    for (uint32_t step = 0; step < problem.steps; ++step) {
      for (uint32_t i = below(3); i-- > 0;) {
        problem.weights.push_back({1 + below(12 * kMiB), step,
                                   below(8) == 0 ? problem.steps - 1 : step});
      }
    }
    problem.tables = {below(4 * kMiB)};
    const uint64_t least = leastDeviceBytes(problem);
    const uint64_t all = DevicePlacement().deviceBytes(problem);
    for (const uint64_t part : {0, 1, 2, 3}) {
      placed(problem, least + (all - least) * part / 4);
    }
    if (least < all) {
      EXPECT_FALSE(placeOnDevice(problem, least - 1).isOk());
      const DevicePlacement device = placed(problem, least);
      const uint64_t leastRam = leastRamBytes(problem, device);
      const uint64_t allRam = device.ramBytes(problem);
      for (const uint64_t part : {0, 1, 2, 3, 4}) {
        const uint64_t room = leastRam + (allRam - leastRam) * part / 4;
        const auto host = placeInRam(problem, device, room);
        ASSERT_TRUE(host) << room;
        verifyHost(problem, device, *host, room);
      }
      EXPECT_FALSE(placeInRam(problem, device, leastRam - 1));
    }
  }
}

} // namespace
} // namespace air::compiler
