//===- PlanCostsTest.cpp - the arithmetic that a plan records -------------===//
#include "tools/air-bench/PlanCosts.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::bench;

namespace {

TEST(PlanCosts, FloatsAreMultipliedByFma) {
  const KernelArithmetic found = kernelArithmetic(plan::Arithmetic::Float32);
  EXPECT_EQ(found.kind, Arithmetic::FmaF32);
  EXPECT_EQ(found.repeats, 1);
}

TEST(PlanCosts, TwoBytesTakeTwoDotProducts) {
  const KernelArithmetic found = kernelArithmetic(plan::Arithmetic::Int15);
  EXPECT_EQ(found.kind, Arithmetic::ByteDot);
  EXPECT_EQ(found.repeats, 2);
}

TEST(PlanCosts, OneByteTakesOne) {
  const KernelArithmetic found = kernelArithmetic(plan::Arithmetic::Int8);
  EXPECT_EQ(found.kind, Arithmetic::ByteDot);
  EXPECT_EQ(found.repeats, 1);
}

TEST(PlanCosts, PairsOfBf16AreADotProduct) {
  const KernelArithmetic found = kernelArithmetic(plan::Arithmetic::BFloat16);
  EXPECT_EQ(found.kind, Arithmetic::Bf16Dot);
  EXPECT_EQ(found.repeats, 1);
}

TEST(PlanCosts, PartsOfAStepHaveItsNameAndANumber) {
  EXPECT_TRUE(isPartOf("layer.3.ffn_in.1", "layer.3.ffn_in", 1));
  EXPECT_TRUE(isPartOf("head.12", "head", 12));
  EXPECT_FALSE(isPartOf("head.2", "head", 1));
  EXPECT_FALSE(isPartOf("head", "head", 1));
  EXPECT_FALSE(isPartOf("head.1.1", "head", 1));
  EXPECT_FALSE(isPartOf("layer.1", "head", 1));
  EXPECT_FALSE(isPartOf("layer.3.attn_out", "layer.3.attn", 1));
}

} // namespace
