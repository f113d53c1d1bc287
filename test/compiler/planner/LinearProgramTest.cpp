//===- LinearProgramTest.cpp - small programs with known solutions --------===//
#include "compiler/planner/LinearProgram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::compiler {
namespace {

// The diet problem of a textbook: 2 a + b >= 8 and a + 3 b >= 9 at the cost 3 a
// + 2 b. Both rows hold with equality at a = 3, b = 2.
TEST(LinearProgram, FindsTheVertex) {
  LinearProgram program;
  const size_t a = program.addVariable(3);
  const size_t b = program.addVariable(2);
  program.atMost({{a, -2}, {b, -1}}, -8);
  program.atMost({{a, -1}, {b, -3}}, -9);
  auto values = program.minimise();
  ASSERT_TRUE(values.isOk());
  ASSERT_TRUE(values->has_value());
  EXPECT_NEAR((**values)[a], 3, 1e-9);
  EXPECT_NEAR((**values)[b], 2, 1e-9);
}

TEST(LinearProgram, AddsRepeatedTermsAndKeepsEqualities) {
  LinearProgram program;
  const size_t a = program.addVariable();
  const size_t b = program.addVariable(1);
  program.equals({{a, 1}, {b, 1}, {a, 1}}, 6); // 2 a + b = 6
  program.atMost({{a, 1}}, 2);
  auto values = program.minimise();
  ASSERT_TRUE(values.isOk() && values->has_value());
  EXPECT_NEAR((**values)[b], 2, 1e-9);
  program.setCost(b, -1);
  values = program.minimise();
  ASSERT_TRUE(values.isOk() && values->has_value());
  EXPECT_NEAR((**values)[a], 0, 1e-9);
  EXPECT_NEAR((**values)[b], 6, 1e-9);
}

TEST(LinearProgram, SaysWhenThereIsNoSolution) {
  LinearProgram program;
  const size_t a = program.addVariable(1);
  program.atMost({{a, 1}}, 1);
  program.equals({{a, 1}}, 2);
  auto values = program.minimise();
  ASSERT_TRUE(values.isOk());
  EXPECT_FALSE(values->has_value());

  LinearProgram unbounded;
  const size_t b = unbounded.addVariable(-1);
  unbounded.atMost({{b, -1}}, 0);
  EXPECT_EQ(unbounded.minimise().status().code(), ErrorCode::Internal);
}

TEST(LinearProgram, PrintsNothing) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  LinearProgram program;
  const size_t a = program.addVariable(1);
  program.atMost({{a, -1}}, -1);
  ASSERT_TRUE(program.minimise().isOk());
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

} // namespace
} // namespace air::compiler
