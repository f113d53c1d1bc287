//===- WeightUsesTest.cpp - pieces of segments ----------------------------===//
#include "compiler/planner/WeightUses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::compiler {
namespace {

using testing::ElementsAre;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kChunk = 4 * kPage;

/// A piece as {end in pages, first step, last step}.
using Piece = std::tuple<double, uint32_t, uint32_t>;

std::vector<Piece> piecesOf(const WeightSegment &segment) {
  std::vector<Piece> pieces;
  for (const WeightPiece &piece : segment.pieces) {
    pieces.emplace_back(static_cast<double>(piece.end) / kPage, piece.firstStep,
                        piece.lastStep);
  }
  return pieces;
}

TEST(WeightUses, OneStepNeedsAll) {
  const WeightSegment segment =
      dividedSegment(10000, kChunk, {{0, 40, 3, true}, {64, 10000, 3}});
  EXPECT_EQ(segment.bytes, 10000U);
  EXPECT_EQ(segment.firstStep, 3U);
  EXPECT_EQ(segment.lastStep, 3U);
  EXPECT_TRUE(segment.pieces.empty());
}

TEST(WeightUses, NoStepMayNeedIt) {
  const WeightSegment segment = dividedSegment(100, kChunk, {});
  EXPECT_EQ(segment.bytes, 100U);
  EXPECT_EQ(segment.firstStep, UINT32_MAX);
  EXPECT_TRUE(segment.pieces.empty());
}

// The matrix has 10.5 pages. Step 5 uses the first 5.5 pages, and step 6 the
// others. The second chunk, pages 4 to 7, is read for step 5, and its pages 5
// to 7 are kept for step 6.
TEST(WeightUses, AChunkIsReadForTheFirstStep) {
  const uint64_t middle = 5 * kPage + kPage / 2;
  const uint64_t end = 10 * kPage + kPage / 2;
  const WeightSegment segment =
      dividedSegment(end, kChunk, {{0, middle, 5}, {middle, end, 6}});
  EXPECT_EQ(segment.firstStep, 5U);
  EXPECT_EQ(segment.lastStep, 6U);
  EXPECT_EQ(segment.keptBytes, 0U);
  EXPECT_THAT(piecesOf(segment),
              ElementsAre(Piece(5, 5, 5), Piece(8, 5, 6), Piece(10.5, 6, 6)));
}

// The programs divide the rows differently: step 5 reads 3 pages in one
// program, and 5 pages in the other.
TEST(WeightUses, ProgramsMayCutElsewhere) {
  const WeightSegment segment = dividedSegment(16 * kPage, kChunk,
                                               {{0, 3 * kPage, 5},
                                                {3 * kPage, 16 * kPage, 6},
                                                {0, 5 * kPage, 5},
                                                {5 * kPage, 16 * kPage, 6}});
  EXPECT_THAT(piecesOf(segment),
              ElementsAre(Piece(3, 5, 5), Piece(8, 5, 6), Piece(16, 6, 6)));
}

// Only step 1 reads the norm, the bytes 0 to 99. Steps 1 to 3 all read the
// bias, which ends in the middle of the second page, so the first two pages
// stay in RAM. Each of these steps also reads a third of the rows of two
// matrices.
TEST(WeightUses, VectorsOfLaterStepsStay) {
  std::vector<WeightUse> uses = {{0, 100, 1, true}};
  for (uint32_t step = 1; step <= 3; ++step) {
    uses.push_back({128, 6144, step, true});
    for (uint64_t matrix : {4 * kPage, 40 * kPage}) {
      uses.push_back(
          {matrix + (step - 1) * 12 * kPage, matrix + step * 12 * kPage, step});
    }
  }
  const WeightSegment segment = dividedSegment(76 * kPage, kChunk, uses);
  EXPECT_EQ(segment.keptBytes, 2 * kPage);
  EXPECT_THAT(piecesOf(segment),
              ElementsAre(Piece(2, 1, 3), Piece(16, 1, 1), Piece(28, 2, 2),
                          Piece(40, 3, 3), Piece(52, 1, 1), Piece(64, 2, 2),
                          Piece(76, 3, 3)));
}

TEST(WeightUses, AMatrixThatDistantStepsReadIsNotDivided) {
  const WeightSegment segment =
      dividedSegment(8 * kPage, kChunk, {{0, 4 * kPage, 1}, {0, 8 * kPage, 9}});
  EXPECT_TRUE(segment.pieces.empty());
  EXPECT_EQ(segment.firstStep, 1U);
  EXPECT_EQ(segment.lastStep, 9U);
}

} // namespace
} // namespace air::compiler
