//===- MemoryPlannerTest.cpp - arena placement and its verifier -----------===//
#include "compiler/planner/MemoryPlanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace air::compiler {
namespace {

using testing::HasSubstr;

MemoryProblem chain() {
  // Buffer `x` is alive in all steps, `a` in steps 0 and 1, `b` in steps 1 and
  // 2, and `c` in steps 2 and 3.
  MemoryProblem problem;
  problem.buffers = {{"x", 100}, {"a", 256}, {"b", 64}, {"c", 200}};
  problem.programs = {{{{0, 1}, {1, 2}, {2, 3}, {3, 0}}}};
  return problem;
}

TEST(MemoryPlanner, SharesRangesOfBuffersThatNeverMeet) {
  Result<ArenaPlan> plan = planArena(chain());
  ASSERT_TRUE(plan.isOk());
  // Sizes are rounded up to multiples of 64: 128 for `x`, 256 for `a`, 64 for
  // `b` and 256 for `c`. Buffers are placed by descending size. `a` gets offset
  // 0, and so does `c`, which is never alive together with `a`. `x` is alive
  // together with both, so it gets offset 256. `b` is alive together with `a`
  // (bytes 0-256) and `x` (256-384), so it gets offset 384.
  EXPECT_EQ(plan->offsets, (std::vector<uint64_t>{256, 0, 384, 0}));
  EXPECT_EQ(plan->arenaBytes, 384U + 64U);
  EXPECT_TRUE(verifyArena(chain(), *plan).isOk());
}

TEST(MemoryPlanner, TakesTheSmallestGapThatHolds) {
  MemoryProblem problem;
  problem.buffers = {{"l", 256}, {"m", 192}, {"s", 128}, {"e", 128}, {"t", 64}};
  // In step 0, buffer `l` takes the bytes 0-256, `m` 256-448, `s` 448-576 and
  // `e` 576-704. In step 1, `m` and `e` are still alive. The gaps are 0-256 and
  // 448-576, and `t` takes the smaller one.
  problem.programs = {{{{0, 1, 2, 3}, {1, 3, 4}}}};
  Result<ArenaPlan> plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ(plan->offsets, (std::vector<uint64_t>{0, 256, 448, 576, 448}));
  EXPECT_EQ(plan->arenaBytes, 704U);
}

TEST(MemoryPlanner, AnyProgramThatNeedsBothKeepsThemApart) {
  MemoryProblem problem;
  problem.buffers = {{"a", 64}, {"b", 64}};
  problem.programs = {{{{0}, {1}}}, {{{0, 1}}}};
  Result<ArenaPlan> plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ(plan->arenaBytes, 128U);
  problem.programs.pop_back();
  plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ(plan->arenaBytes, 64U);
}

TEST(MemoryPlanner, OutputsLiveToTheEnd) {
  MemoryProblem problem;
  problem.buffers = {{"out", 64}, {"other", 64}};
  problem.programs = {{{{}, {0}, {1}}}};
  Result<ArenaPlan> plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  // The two buffers are never alive together, so they share their memory.
  EXPECT_EQ(plan->arenaBytes, 64U);
  problem.buffers[0].isOutput = true;
  plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  // An output stays alive up to the last step, which uses "other".
  EXPECT_NE(plan->offsets[0], plan->offsets[1]);
}

// The value of BufferUse::reads for a use that only writes, and thereby starts
// a new value of the buffer. Between the last use of the old value and this
// use, other buffers may occupy the memory.
constexpr bool kWrites = false;

TEST(MemoryPlanner, ABufferIsFreeBetweenItsValues) {
  MemoryProblem problem;
  problem.buffers = {{"h", 64}, {"t", 64}};
  // Buffer `h` holds one value in steps 0 and 1, and another in steps 3 and 4.
  problem.programs = {
      {{{{0, kWrites}}, {0}, {{1, kWrites}}, {{0, kWrites}}, {0}}}};
  Result<ArenaPlan> plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ(plan->arenaBytes, 64U);
  EXPECT_TRUE(verifyArena(problem, *plan).isOk());
  // Now step 3 reads the value of `h` that step 0 has written, so this value
  // must outlive step 2.
  problem.programs[0].steps[3] = {0};
  EXPECT_EQ(verifyArena(problem, *plan).message(),
            "buffers 'h' [0, 64) and 't' [0, 64) overlap while step 2 needs "
            "both");
  plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ(plan->arenaBytes, 128U);
}

// A step may write matrices side by side into the rows of one buffer. Later
// writes of the step do not end the value that the first write started.
TEST(MemoryPlanner, AStepWritesAValueInParts) {
  MemoryProblem problem;
  problem.buffers = {{"qkv", 64}, {"packed", 64}};
  problem.programs = {{{{{0, kWrites}, {1, kWrites}, 1, {0, kWrites}}, {0}}}};
  Result<ArenaPlan> plan = planArena(problem);
  ASSERT_TRUE(plan.isOk());
  EXPECT_EQ(plan->arenaBytes, 128U);
  EXPECT_EQ(verifyArena(problem, {{0, 0}, 64}).code(),
            ErrorCode::VerificationFailed);
}

TEST(MemoryPlanner, RefusesSizesThatOverflow) {
  MemoryProblem problem;
  problem.buffers = {{"a", uint64_t{1} << 63}, {"b", uint64_t{1} << 63}};
  problem.programs = {{{{0, 1}}}};
  Result<ArenaPlan> plan = planArena(problem);
  ASSERT_FALSE(plan.isOk());
  EXPECT_EQ(plan.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(plan.status().message(), HasSubstr("'b'"));
  problem.buffers[0].bytes = ~uint64_t{0};
  EXPECT_EQ(planArena(problem).status().code(), ErrorCode::DoesNotFit);
}

TEST(MemoryPlanner, RefusesAnUnknownBuffer) {
  MemoryProblem problem;
  problem.buffers = {{"a", 64}};
  problem.programs = {{{{1}}}};
  EXPECT_EQ(planArena(problem).status().code(), ErrorCode::Internal);
  EXPECT_EQ(verifyArena(problem, {{0}, 64}).code(),
            ErrorCode::VerificationFailed);
}

// For random problems, the planner's result must pass the verifier. The arena
// must be no larger than all buffers side by side, and no smaller than the
// buffers of any single step.
TEST(MemoryPlanner, RandomProblemsHold) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    MemoryProblem problem;
    size_t buffers = 1 + random() % 12;
    uint64_t sum = 0;
    for (size_t i = 0; i < buffers; ++i) {
      uint64_t bytes = random() % 1000;
      problem.buffers.push_back(
          {"b" + std::to_string(i), bytes, random() % 8 == 0});
      sum += (bytes + 63) / 64 * 64;
    }
    uint64_t largestStep = 0;
    size_t programs = 1 + random() % 3;
    for (size_t p = 0; p < programs; ++p) {
      ProgramUses uses;
      size_t steps = 1 + random() % 9;
      for (size_t s = 0; s < steps; ++s) {
        std::vector<BufferUse> step;
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < buffers; ++i) {
          if (random() % 3 == 0) {
            step.emplace_back(i, random() % 2 == 0);
            bytes += (problem.buffers[i].bytes + 63) / 64 * 64;
          }
        }
        largestStep = std::max(largestStep, bytes);
        uses.steps.push_back(step);
      }
      problem.programs.push_back(uses);
    }
    Result<ArenaPlan> plan = planArena(problem);
    ASSERT_TRUE(plan.isOk());
    Status verdict = verifyArena(problem, *plan);
    EXPECT_TRUE(verdict.isOk()) << verdict.message();
    EXPECT_LE(plan->arenaBytes, sum);
    EXPECT_GE(plan->arenaBytes, largestStep);
    EXPECT_EQ(planArena(problem)->offsets, plan->offsets);
  }
}

TEST(ArenaVerifier, FindsAnOverlapAndNamesIt) {
  Result<ArenaPlan> plan = planArena(chain());
  ASSERT_TRUE(plan.isOk());
  plan->offsets[2] = 320; // `b` [320, 384) overlaps `x` [256, 356)
  Status status = verifyArena(chain(), *plan);
  ASSERT_EQ(status.code(), ErrorCode::VerificationFailed);
  EXPECT_EQ(status.message(), "buffers 'x' [256, 356) and 'b' [320, 384) "
                              "overlap while step 1 needs both");
}

TEST(ArenaVerifier, FindsMisalignedAndOutside) {
  Result<ArenaPlan> plan = planArena(chain());
  ASSERT_TRUE(plan.isOk());
  ArenaPlan misaligned = *plan;
  misaligned.offsets[2] += 4;
  EXPECT_THAT(verifyArena(chain(), misaligned).message(),
              HasSubstr("alignment 64"));
  ArenaPlan outside = *plan;
  outside.arenaBytes = 440; // `b` ends at 448
  EXPECT_THAT(verifyArena(chain(), outside).message(),
              HasSubstr("outside the arena of 440 bytes"));
  ArenaPlan missing = *plan;
  missing.offsets.pop_back();
  EXPECT_EQ(verifyArena(chain(), missing).code(),
            ErrorCode::VerificationFailed);
}

// The verifier computes lifetimes by itself. A value is alive from the first to
// the last step that binds it, also in steps between them that do not bind it.
TEST(ArenaVerifier, KnowsThatAValueWaits) {
  MemoryProblem problem;
  problem.buffers = {{"a", 64}, {"b", 64}};
  problem.programs = {{{{0}, {1}, {0}}}};
  EXPECT_EQ(verifyArena(problem, {{0, 0}, 64}).code(),
            ErrorCode::VerificationFailed);
  EXPECT_TRUE(verifyArena(problem, {{0, 64}, 128}).isOk());
}

} // namespace
} // namespace air::compiler
