//===- PlanCostsTest.cpp - the arithmetic that a kernel's name states -----===//
#include "tools/air-bench/PlanCosts.h"

#include "codegen/KernelSpec.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::bench;

namespace {

codegen::KernelSpec product(codegen::Activation activation) {
  codegen::KernelSpec spec;
  spec.dtype = DType::Q8_0;
  spec.activation = activation;
  spec.n = 64;
  spec.k = 64;
  spec.yStride = 64;
  return spec;
}

TEST(PlanCosts, FloatsAreMultipliedByFma) {
  const KernelArithmetic found =
      arithmeticOf(kernelName(product(codegen::Activation::F32)));
  EXPECT_EQ(found.kind, Arithmetic::FmaF32);
  EXPECT_EQ(found.repeats, 1);
  EXPECT_EQ(arithmeticOf("").kind, Arithmetic::FmaF32);
  EXPECT_EQ(arithmeticOf("attention_h4_kvi8x2").kind, Arithmetic::FmaF32);
}

TEST(PlanCosts, TwoBytesTakeTwoDotProducts) {
  const KernelArithmetic found =
      arithmeticOf(kernelName(product(codegen::Activation::I8x2)));
  EXPECT_EQ(found.kind, Arithmetic::ByteDot);
  EXPECT_EQ(found.repeats, 2);
}

TEST(PlanCosts, PairsOfBf16AreADotProduct) {
  const KernelArithmetic found =
      arithmeticOf("matmul_bf16_x16_m9_bf16x32_n64_k64");
  EXPECT_EQ(found.kind, Arithmetic::Bf16Dot);
  EXPECT_EQ(found.repeats, 1);
  EXPECT_EQ(arithmeticOf("matmul_bf16_x16_m1_n64").kind, Arithmetic::FmaF32);
  // Rounding is not a multiplication.
  EXPECT_EQ(arithmeticOf("pack_activations_bf16x32_k64").kind,
            Arithmetic::FmaF32);
}

TEST(PlanCosts, OneByteTakesOne) {
  const KernelArithmetic found = arithmeticOf("matmul_q4_0_x16_m9_i8_n64");
  EXPECT_EQ(found.kind, Arithmetic::ByteDot);
  EXPECT_EQ(found.repeats, 1);
  EXPECT_EQ(arithmeticOf("matmul_i8").kind, Arithmetic::ByteDot);
}

} // namespace
