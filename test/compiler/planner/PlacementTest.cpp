//===- PlacementTest.cpp - what stays in RAM, and what is read when -------===//
#include "compiler/planner/Placement.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace air::compiler {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPage = 4096;

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

WeightPlacement placed(const WeightProblem &problem, uint64_t room) {
  Result<WeightPlacement> placement = placeWeights(problem, room);
  EXPECT_TRUE(placement.isOk()) << placement.status().message();
  const Status verdict = verifyWeights(problem, *placement, room);
  EXPECT_TRUE(verdict.isOk()) << room << ": " << verdict.message();
  return *placement;
}

/// The ring as a list of pages. Each page is identified by its segment and its
/// index in the segment.
class PageByPage {
public:
  PageByPage(const WeightProblem &given, const WeightPlacement &plan)
      : problem(given), placement(plan), ring(plan.ringBytes / kPage) {}

  /// Runs three passes and performs each read as early as the placement allows.
  /// A read that is allowed too early overwrites bytes that a step still needs.
  /// A read that is allowed too late leaves a step without its bytes.
  void run() {
    const auto steps = int64_t{problem.steps};
    readUpTo(-1);
    for (int64_t now = 0; now < 3 * steps; ++now) {
      check(static_cast<uint32_t>(now % steps), now / steps);
      readUpTo(now);
    }
  }

private:
  void readUpTo(int64_t step) {
    const auto count = static_cast<int64_t>(placement.reads.size());
    for (; next < 4 * count; ++next) {
      const StreamedRead &read =
          placement.reads[static_cast<size_t>(next % count)];
      const int64_t pass = next / count;
      if (pass * int64_t{problem.steps} + read.afterStep > step) {
        return;
      }
      for (uint64_t p = 0; p < read.bytes / kPage; ++p) {
        ring[(read.ringOffset / kPage + p) % ring.size()] =
            std::tuple(pass, read.segment, read.offset / kPage + p);
      }
    }
  }

  void check(uint32_t step, int64_t pass) {
    for (const StreamedRead &read : placement.reads) {
      const WeightSegment &segment = problem.weights[read.segment];
      for (uint64_t p = 0; p < read.bytes / kPage; ++p) {
        WeightPiece piece = {segment.bytes, segment.firstStep,
                             segment.lastStep};
        for (auto it = segment.pieces.rbegin(); it != segment.pieces.rend();
             ++it) {
          piece = read.offset + p * kPage < it->end ? *it : piece;
        }
        if (piece.firstStep > step || piece.lastStep < step) {
          continue;
        }
        const auto &found = ring[(read.ringOffset / kPage + p) % ring.size()];
        const std::tuple wanted(pass, read.segment, read.offset / kPage + p);
        ASSERT_EQ(found, wanted) << "step " << step;
      }
    }
  }

  const WeightProblem &problem;
  const WeightPlacement &placement;
  std::vector<std::tuple<int64_t, uint32_t, uint64_t>> ring;
  int64_t next = 0; // index of the next read, counted over all passes
};

TEST(Placement, WhatFitsStays) {
  WeightProblem problem = fourEqual();
  problem.tables = {10 * kMiB - 1};
  EXPECT_EQ(residentBytes(problem), 266 * kMiB);
  const WeightPlacement all = placed(problem, 266 * kMiB);
  EXPECT_EQ(all.weights, std::vector<uint64_t>(4, 64 * kMiB));
  EXPECT_EQ(all.tables, problem.tables);
  EXPECT_EQ(all.ringBytes, 0U);
  EXPECT_TRUE(all.reads.empty());
  EXPECT_EQ(all.ramBytes(), 266 * kMiB);
  // Without room for the table, its rows are gathered from the file.
  const WeightPlacement gathered = placed(problem, 266 * kMiB - 1);
  EXPECT_EQ(gathered.weights, all.weights);
  EXPECT_EQ(gathered.tables, std::vector<uint64_t>{0});
  EXPECT_TRUE(gathered.reads.empty());
  EXPECT_FALSE(placed(problem, 256 * kMiB - 1).reads.empty());
}

// The weights exceed the room of 192 MiB by 64 MiB. The ring should hold what a
// step needs and 16 MiB more. If a pass fills a ring of 64 MiB twice, each of
// the four steps needs 32 MiB, so the ring is large enough. If a pass filled a
// ring of 32 MiB three times, a step would need 24 MiB, which leaves only 8
// MiB.
TEST(Placement, HalfOfEachSegmentStays) {
  const WeightPlacement placement = placed(fourEqual(), 192 * kMiB);
  EXPECT_EQ(placement.weights, std::vector<uint64_t>(4, 32 * kMiB));
  EXPECT_EQ(placement.ringBytes, 64 * kMiB);
  EXPECT_EQ(placement.streamedBytes(), 128 * kMiB);
  EXPECT_EQ(placement.ramBytes(), 192 * kMiB);
  // The half of each segment that is not in RAM is read in 8 pieces of 4 MiB,
  // and the ring holds 16 pieces. So the first two segments overwrite the last
  // two, which steps 3 and 4 of the previous pass have used. Counted from the
  // end of that pass of 6 steps, these are steps -3 and -2.
  ASSERT_EQ(placement.reads.size(), 32U);
  const int64_t after[] = {-3, -2, 1, 2};
  for (uint32_t i = 0; i < 32; ++i) {
    const StreamedRead expected = {i / 8,     (32 + i % 8 * 4) * kMiB,
                                   4 * kMiB,  i % 16 * 4 * kMiB,
                                   i / 8 + 1, after[i / 8]};
    EXPECT_EQ(placement.reads[i], expected) << i;
  }
}

// The weights of 256 MiB exceed the room of 240 MiB by 16 MiB. If a pass fills
// a ring of R MiB twice, it reads 2 R MiB, of which each of the four steps
// needs R / 2 MiB. A ring of the preferred size has 16 MiB more than a step
// needs, so R = R / 2 + 16, which gives 32 MiB. A pass would then read 64 MiB,
// 192 MiB of the weights would stay in RAM, and 240 - 192 - 32 = 16 MiB of the
// room would be idle. With a ring of only 16 MiB, a pass reads 32 MiB, 224 MiB
// of the weights stay in RAM, and no RAM is idle.
TEST(Placement, AlmostEverythingStays) {
  const WeightPlacement placement = placed(fourEqual(), 240 * kMiB);
  EXPECT_EQ(placement.weights, std::vector<uint64_t>(4, 56 * kMiB));
  EXPECT_EQ(placement.ringBytes, 16 * kMiB);
  EXPECT_EQ(placement.streamedBytes(), 32 * kMiB);
  EXPECT_EQ(placement.ramBytes(), 240 * kMiB);
  // A pass fills the ring at least twice. If it fills the ring exactly twice,
  // each of the four steps takes half of it. While a step runs, the other half
  // receives the next read of 4 MiB, so the ring has at least 8 MiB, and a pass
  // reads at least 16 MiB.
  EXPECT_EQ(placed(fourEqual(), 248 * kMiB).streamedBytes(), 16 * kMiB);
  EXPECT_EQ(placed(fourEqual(), 255 * kMiB).streamedBytes(), 16 * kMiB);
}

// The model has 40 segments of 1 MiB, of which `missing` MiB do not fit in the
// room. A pass fills a ring of `missing` MiB twice, so it reads 2 * missing
// MiB. The rest of the weights stays in RAM and takes all of the room that the
// ring leaves. This is so even if the ring is smaller than its preferred size,
// which is more than 16 MiB (see kReadAhead).
TEST(Placement, SmallModelsUseAllOfTheRoom) {
  WeightProblem problem;
  for (; problem.steps < 40; ++problem.steps) {
    problem.weights.push_back({kMiB, problem.steps, problem.steps});
  }
  for (uint64_t missing : {6, 10, 15, 19}) {
    const WeightPlacement placement = placed(problem, (40 - missing) * kMiB);
    // The resident bytes of each segment are rounded down to whole pages.
    EXPECT_NEAR(static_cast<double>(placement.streamedBytes()),
                static_cast<double>(2 * missing * kMiB), 40.0 * kPage);
    EXPECT_NEAR(static_cast<double>(placement.ramBytes()),
                static_cast<double>((40 - missing) * kMiB), 40.0 * kPage);
  }
  // Only 1 MiB does not fit, but a pass fills the ring at least twice. The ring
  // must hold a read of 4 MiB and the part of a segment that does not stay in
  // RAM, about 0.2 MiB, so a pass reads about 8.4 MiB.
  EXPECT_LT(placed(problem, 39 * kMiB).streamedBytes(), 9 * kMiB);
}

// The ring must hold the 64 MiB of a step, and one read.
TEST(Placement, TheLeastRoomIsThatOfTheLargestStep) {
  const WeightProblem problem = fourEqual();
  EXPECT_EQ(leastBytes(problem), 68 * kMiB);
  const WeightPlacement placement = placed(problem, 68 * kMiB);
  EXPECT_EQ(placement.weights, std::vector<uint64_t>(4, 0));
  EXPECT_EQ(placement.ringBytes, 68 * kMiB);
  const Status refused = placeWeights(problem, 68 * kMiB - 1).status();
  EXPECT_EQ(refused.code(), ErrorCode::DoesNotFit);
  // One byte less must not look like the same size.
  EXPECT_THAT(refused.message(), HasSubstr("at least 68.00 MiB"));
  EXPECT_THAT(refused.message(),
              HasSubstr("but only 67.99 MiB of RAM is left"));
  // With 90 MiB of RAM, no weights stay there. The ring has the largest size in
  // 90 MiB that a pass fills a whole number of times: 256 / 3 = 85 1/3 MiB.
  EXPECT_EQ(placed(problem, 90 * kMiB).ringBytes, 21846 * kPage);
}

// A segment of two matrices of 32 MiB each. Step 1 needs the first half of
// both, and step 2 the second half. Both steps need the last page before the
// middle of each matrix, because it belongs to a chunk that both halves share.
// The first MiB of the segment stays in RAM.
TEST(Placement, APartOfAStepNeedsItsRowsOnly) {
  WeightProblem problem;
  problem.weights.push_back({64 * kMiB, 1, 2});
  WeightSegment &segment = problem.weights.back();
  segment.pieces = {{16 * kMiB - kPage, 1, 1}, {16 * kMiB, 1, 2},
                    {32 * kMiB, 2, 2},         {48 * kMiB - kPage, 1, 1},
                    {48 * kMiB, 1, 2},         {64 * kMiB, 2, 2}};
  segment.keptBytes = kMiB;
  problem.steps = 3;
  // The first MiB stays in RAM. Each pass reads the rest of the first halves of
  // both matrices, and then the second halves (see `expected` below). The first
  // page that step 2 needs is the last one of the first matrix's first half.
  // When step 2 runs, the ring must hold this page and everything that is read
  // after it, which is three halves of 16 MiB. It also has room for a read of 4
  // MiB.
  EXPECT_EQ(leastBytes(problem), kMiB + 48 * kMiB + kPage + 4 * kMiB);
  const WeightPlacement placement = placed(problem, leastBytes(problem));
  EXPECT_EQ(placement.weights, std::vector<uint64_t>{kMiB});
  EXPECT_EQ(placement.ringBytes, 52 * kMiB + kPage);
  PageByPage(problem, placement).run();
  std::vector<std::pair<uint64_t, uint32_t>> order;
  for (const StreamedRead &read : placement.reads) {
    EXPECT_LE(read.bytes, 4 * kMiB);
    if (order.empty() || read.offset != order.back().first) {
      order.emplace_back(read.offset, read.beforeStep);
    }
    order.back().first = read.offset + read.bytes;
  }
  // The end of each run of consecutive bytes, and the step that needs the run.
  const std::vector<std::pair<uint64_t, uint32_t>> expected = {
      {16 * kMiB, 1}, {48 * kMiB, 1}, {32 * kMiB, 2}, {64 * kMiB, 2}};
  EXPECT_EQ(order, expected);
}

TEST(Placement, SmallAndSharedSegmentsStay) {
  WeightProblem problem = fourEqual();
  problem.weights.insert(problem.weights.begin(), {64 * 1024 - 1, 0, 0});
  problem.weights.push_back({3 * kMiB, 4, 5});
  const WeightPlacement placement = placed(problem, 192 * kMiB);
  EXPECT_EQ(placement.weights.front(), 64 * 1024 - 1U);
  EXPECT_EQ(placement.weights.back(), 3 * kMiB);
  EXPECT_LT(placement.weights[1], 32 * kMiB);
  // The first and the last segment, 64 KiB and 3 MiB, stay in RAM in any case.
  // The ring has 64 MiB for a step and 4 MiB for a read.
  EXPECT_EQ(leastBytes(problem), (68 + 3) * kMiB + 64 * 1024);
}

/// Divides the rows of a segment of one or two matrices among several
/// consecutive steps. Where two steps meet inside a chunk, both need this
/// chunk. Returns the last step.
uint32_t addPieces(WeightSegment &segment, std::mt19937_64 &random) {
  const uint32_t first = segment.firstStep;
  const uint32_t parts = 1 + random() % 5;
  const uint64_t matrices = 1 + random() % 2;
  for (uint64_t m = 0; m < matrices; ++m) {
    for (uint32_t part = 0; part < parts; ++part) {
      const uint64_t chunk = segment.bytes * (m * parts + part + 1) /
                             (matrices * parts) / kMiB * kMiB;
      const uint64_t begin =
          segment.pieces.empty() ? 0 : segment.pieces.back().end;
      // The pages from `middle` to `chunk`, the end of this part, are needed by
      // two steps: the one that uses this part and the one that uses the next
      // part of the matrix, if there is one.
      const uint64_t middle =
          std::max(begin, chunk - std::min(chunk, random() % 256 * kPage));
      if (middle > begin) {
        segment.pieces.push_back({middle, first + part, first + part});
      }
      if (chunk > middle) {
        segment.pieces.push_back(
            {chunk, first + part,
             std::min(first + part + 1, first + parts - 1)});
      }
    }
  }
  const uint64_t end = segment.pieces.empty() ? 0 : segment.pieces.back().end;
  if (end < segment.bytes) {
    segment.pieces.push_back(
        {segment.bytes, first + parts - 1, first + parts - 1});
  }
  segment.lastStep = first + parts - 1;
  segment.keptBytes =
      random() % 2 == 0 ? 0 : std::min(segment.bytes, random() % 300 * kPage);
  return segment.lastStep;
}

WeightProblem randomProblem(std::mt19937_64 &random, bool withPieces = true) {
  WeightProblem problem;
  const uint32_t segments = 3 + random() % 10;
  uint32_t step = random() % 2;
  for (uint32_t i = 0; i < segments; ++i) {
    const uint64_t bytes = random() % 5 == 0
                               ? 1 + random() % (128 * 1024)
                               : 1 + random() % ((2 + random() % 30) * kMiB);
    const uint32_t last = random() % 8 == 0 ? step + 1 : step;
    problem.weights.push_back({bytes, step, last});
    if (withPieces && random() % 3 == 0) {
      step = addPieces(problem.weights.back(), random);
    }
    step += random() % 3;
  }
  problem.steps = step + 2 + random() % 3;
  if (random() % 2 == 0) {
    problem.tables.push_back(1 + random() % (8 * kMiB));
  }
  return problem;
}

TEST(Placement, EveryPageIsThereWhenItIsNeeded) {
  std::mt19937_64 random(7);
  int streamed = 0;
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    const WeightProblem problem = randomProblem(random);
    const uint64_t least = leastBytes(problem);
    const uint64_t most = residentBytes(problem) + kMiB;
    const uint64_t room = least + random() % (most - least);
    const WeightPlacement placement = placed(problem, room);
    if (!placement.reads.empty()) {
      ++streamed;
      PageByPage(problem, placement).run();
    }
  }
  EXPECT_GT(streamed, 100);
}

// If a segment has a codec, every read of it must consist of whole chunks.
TEST(Placement, CodedSegmentsAreReadInWholeChunks) {
  constexpr uint64_t kChunk = uint64_t{256} << 10;
  std::mt19937_64 random(8);
  int streamed = 0;
  for (int round = 0; round < 100 && !HasFailure(); ++round) {
    WeightProblem problem = randomProblem(random);
    for (WeightSegment &segment : problem.weights) {
      segment.unitBytes =
          segment.pieces.empty() && random() % 4 != 0 ? kChunk : kPage;
    }
    const uint64_t least = leastBytes(problem);
    const uint64_t most = residentBytes(problem) + kMiB;
    const uint64_t room = least + random() % (most - least);
    const WeightPlacement placement = placed(problem, room);
    for (const StreamedRead &read : placement.reads) {
      const WeightSegment &segment = problem.weights[read.segment];
      EXPECT_EQ(read.offset % segment.unitBytes, 0U);
      EXPECT_TRUE(read.offset + read.bytes >= segment.bytes ||
                  read.bytes % segment.unitBytes == 0);
    }
    if (!placement.reads.empty()) {
      ++streamed;
      PageByPage(problem, placement).run();
    }
  }
  EXPECT_GT(streamed, 30);
}

TEST(Placement, TheVerifierFindsReadsThatEndInsideAChunk) {
  WeightProblem problem = fourEqual();
  const uint64_t room = 192 * kMiB;
  const WeightPlacement placement = placed(problem, room);
  problem.weights[0].unitBytes = 3 * kPage;
  EXPECT_THAT(verifyWeights(problem, placement, room).message(),
              HasSubstr("the number must be a multiple of 12288"));
  problem.weights[0].unitBytes = 32 * kMiB;
  EXPECT_THAT(verifyWeights(problem, placement, room).message(),
              HasSubstr("must end at a multiple of"));
}

/// Returns the largest number of pages that can stay in RAM, found by trial.
/// The function tries 1024 shares: of each segment that may be divided, this
/// share stays in RAM. For each share, it tries rings that a pass fills 2 to 63
/// times. If a step needs at most S bytes from the ring, the ring must have S
/// bytes plus the larger of S / 2 and 16 MiB. If a pass fills the ring only
/// twice, S bytes plus 4 MiB are enough.
uint64_t mostKept(const WeightProblem &problem, uint64_t room) {
  uint64_t best = 0;
  for (uint64_t share = 0; share < 1024; ++share) {
    uint64_t kept = 0;
    uint64_t streamed = 0;
    uint64_t largest = 0;
    uint64_t step = 0;
    for (size_t i = 0; i < problem.weights.size(); ++i) {
      const WeightSegment &segment = problem.weights[i];
      const uint64_t pages = (segment.bytes + kPage - 1) / kPage;
      const bool whole =
          segment.bytes < 64 * 1024 || segment.firstStep != segment.lastStep;
      const uint64_t stays = whole ? pages : pages * share / 1024;
      const bool isNew =
          i == 0 || segment.firstStep != problem.weights[i - 1].firstStep;
      step = (isNew ? 0 : step) + pages - stays;
      kept += stays;
      streamed += pages - stays;
      largest = std::max(largest, step);
    }
    const uint64_t wanted =
        largest + std::max<uint64_t>(16 * kMiB / kPage, (largest + 1) / 2);
    const uint64_t two = (streamed + 1) / 2;
    if (two >= largest + 4 * kMiB / kPage && (kept + two) * kPage <= room) {
      best = std::max(best, kept);
    }
    for (uint64_t rings = 2; rings < 64; ++rings) {
      const uint64_t ring = (streamed + rings - 1) / rings;
      if (ring >= wanted && (kept + ring) * kPage <= room) {
        best = std::max(best, kept);
      }
    }
  }
  return best;
}

TEST(Placement, AsMuchAsPossibleStays) {
  std::mt19937_64 random(11);
  int compared = 0;
  for (int round = 0; round < 60; ++round) {
    const WeightProblem problem = randomProblem(random, false);
    const uint64_t least = leastBytes(problem);
    const uint64_t room =
        least + random() % (residentBytes(problem) - least + 1);
    const WeightPlacement placement = placed(problem, room);
    if (placement.reads.empty()) {
      continue;
    }
    uint64_t kept = 0;
    for (uint64_t bytes : placement.weights) {
      kept += (bytes + kPage - 1) / kPage;
    }
    // The resident bytes of each segment are rounded down to whole pages.
    EXPECT_GE(kept + problem.weights.size() + 1, mostKept(problem, room))
        << round;
    ++compared;
  }
  EXPECT_GT(compared, 20);
}

TEST(Placement, MoreRoomMeansLessToRead) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 20; ++round) {
    const WeightProblem problem = randomProblem(random);
    const uint64_t least = leastBytes(problem);
    const uint64_t most = residentBytes(problem);
    uint64_t before = UINT64_MAX / 2;
    for (uint64_t part = 0; part <= 40; ++part) {
      const uint64_t read =
          placed(problem, least + (most - least) * part / 40).streamedBytes();
      EXPECT_LE(read, before + problem.weights.size() * kPage)
          << round << ' ' << part;
      before = read;
    }
    EXPECT_EQ(before, 0U);
  }
}

TEST(Placement, APinnedShareStays) {
  // 16 MiB of each segment of 64 MiB stay in RAM, so a pass reads 192 MiB. The
  // ring should hold the 48 MiB that a step needs and half as much again, 72
  // MiB in all. But a pass must fill the ring a whole number of times, so it
  // fills a ring of 96 MiB twice.
  const WeightProblem problem = fourEqual();
  const uint64_t enough = (64 + 96) * kMiB;
  Result<WeightPlacement> placement = pinWeights(problem, 25, enough);
  ASSERT_TRUE(placement.isOk()) << placement.status().message();
  EXPECT_EQ(placement->weights, std::vector<uint64_t>(4, 16 * kMiB));
  EXPECT_EQ(placement->ringBytes, 96 * kMiB);
  EXPECT_EQ(placement->streamedBytes(), 192 * kMiB);
  EXPECT_TRUE(verifyWeights(problem, *placement, enough).isOk());
  // With less RAM, the ring must hold only the 48 MiB that a step needs and 4
  // MiB for a read, 52 MiB in all. The smallest such ring that a pass fills a
  // whole number of times has 192 / 3 = 64 MiB.
  EXPECT_EQ(leastBytesPinned(problem, 25), (64 + 64) * kMiB);
  placement = pinWeights(problem, 25, enough - 1);
  ASSERT_TRUE(placement.isOk()) << placement.status().message();
  EXPECT_EQ(placement->ringBytes, 64 * kMiB);
  const Status refused = pinWeights(problem, 25, 127 * kMiB).status();
  EXPECT_EQ(refused.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(refused.message(), HasSubstr("128.00 MiB"));
  EXPECT_THAT(refused.message(), HasSubstr("127.00 MiB"));
  // All weights stay in RAM, and a pass reads nothing.
  EXPECT_EQ(leastBytesPinned(problem, 100), 256 * kMiB);
  EXPECT_TRUE(pinWeights(problem, 100, 256 * kMiB)->reads.empty());
}

TEST(Placement, EveryShareCanBePinned) {
  std::mt19937_64 random(17);
  for (int round = 0; round < 20; ++round) {
    const WeightProblem problem = randomProblem(random);
    for (uint32_t percent = 0; percent <= 100; percent += 5) {
      const uint64_t least = leastBytesPinned(problem, percent);
      for (uint64_t room : {least, residentBytes(problem) * 2}) {
        const Result<WeightPlacement> placement =
            pinWeights(problem, percent, room);
        ASSERT_TRUE(placement.isOk()) << placement.status().message();
        const Status verdict = verifyWeights(problem, *placement, room);
        EXPECT_TRUE(verdict.isOk()) << percent << ": " << verdict.message();
        PageByPage(problem, *placement).run();
        for (size_t i = 0; i < problem.weights.size(); ++i) {
          const WeightSegment &segment = problem.weights[i];
          EXPECT_GE(placement->weights[i] + kPage,
                    segment.bytes * percent / 100)
              << percent;
        }
      }
    }
  }
}

// A model of 405 billion weights in Q4_K_M, with rounded sizes: 126 layers of 4
// segments each, and an output head.
TEST(Placement, ReadsOfALargeModelAreBounded) {
  WeightProblem problem;
  for (uint32_t layer = 0; layer < 126; ++layer) {
    const uint64_t sizes[] = {180, 155, 980, 560};
    for (uint64_t size : sizes) {
      problem.weights.push_back({size * kMiB, problem.steps, problem.steps});
      ++problem.steps;
    }
  }
  problem.weights.push_back({1650 * kMiB, problem.steps, problem.steps});
  ++problem.steps;
  const WeightPlacement placement = placed(problem, 20 * 1024 * kMiB);
  EXPECT_LE(placement.reads.size(), 16384 + problem.weights.size());
  // The weights take 232.3 GiB. A ring and at least 15.3 GiB of them must fit
  // in 20 GiB of RAM.
  EXPECT_LT(placement.streamedBytes(), 217 * 1024 * kMiB);
}

TEST(Placement, TheVerifierFindsMistakes) {
  const WeightProblem problem = fourEqual();
  const uint64_t room = 192 * kMiB;
  const WeightPlacement good = placed(problem, room);
  using Change = std::function<void(WeightPlacement &)>;
  const std::pair<const char *, Change> cases[] = {
      {"keeps", [](auto &p) { p.weights[0] += 1; }},
      {"keeps", [](auto &p) { p.weights[0] = 65 * kMiB; }},
      {"must begin at byte", [](auto &p) { p.weights[0] += kPage; }},
      {"must begin at byte", [](auto &p) { p.reads[3].offset += kPage; }},
      {"must begin at byte", [](auto &p) { p.reads[3].bytes -= 1; }},
      {"must end where the last page of the segment ends",
       [](auto &p) { p.reads[7].bytes -= kPage; }},
      {"must end where the last page of the segment ends",
       [](auto &p) { p.reads[7].bytes += kPage; }},
      {"must end where the last page of the segment ends",
       [](auto &p) { p.reads.pop_back(); }},
      {"out of order", [](auto &p) { std::swap(p.reads[7], p.reads[8]); }},
      {"does not exist", [](auto &p) { p.reads[31].segment = 4; }},
      {"must begin at byte",
       [](auto &p) { p.reads.push_back(p.reads.back()); }},
      {"the ring has", [](auto &p) { p.ringBytes = 0; }},
      {"the ring has", [](auto &p) { p.ringBytes += 1; }},
      {"no larger than the ring", [](auto &p) { p.ringBytes = 2 * kMiB; }},
      {"no larger than the ring",
       [](auto &p) { p.reads[0].ringOffset = p.ringBytes; }},
      {"must end before step", [](auto &p) { p.reads[0].beforeStep = 2; }},
      {"must end before step", [](auto &p) { p.reads[31].afterStep = 4; }},
      {"must not begin before an earlier read",
       [](auto &p) { p.reads[20].afterStep = 0; }},
      {"may overwrite",
       [](auto &p) {
         for (size_t i = 16; i < 24; ++i) {
           p.reads[i].afterStep = 0;
         }
       }},
      {"may overwrite",
       [](auto &p) {
         for (size_t i = 0; i < 8; ++i) {
           p.reads[i].afterStep = -4;
         }
       }},
      {"may overwrite", [](auto &p) { p.reads[9].ringOffset += kPage; }},
      {"may overwrite",
       [](auto &p) {
         // The reads' offsets are for a ring that is larger by one read.
         p.ringBytes -= 4 * kMiB;
         p.reads[15].ringOffset = p.reads[31].ringOffset = 0;
       }},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    WeightPlacement bad = good;
    cases[i].second(bad);
    const Status verdict = verifyWeights(problem, bad, UINT64_MAX);
    EXPECT_EQ(verdict.code(), ErrorCode::VerificationFailed) << i;
    EXPECT_THAT(verdict.message(), HasSubstr(cases[i].first)) << i;
  }
  EXPECT_THAT(verifyWeights(problem, good, room - 1).message(),
              HasSubstr("are left for them"));
  WeightProblem withTable = problem;
  withTable.tables = {100};
  WeightPlacement part = good;
  EXPECT_THAT(verifyWeights(withTable, part, room).message(),
              HasSubstr("4 segments of weights and 0 tables, but the plan has "
                        "4 and 1"));
  part.tables = {50};
  EXPECT_THAT(verifyWeights(withTable, part, room).message(),
              HasSubstr("part of table"));
}

} // namespace
} // namespace air::compiler
