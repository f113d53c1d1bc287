//===- ReferenceTest.cpp - the oracle against values worked out by hand ---===//
#include "codegen/reference/Reference.h"

#include <cmath>
#include <complex>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numbers>

namespace air::codegen::reference {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;

constexpr double kTiny = 1e-14;
const double kLn3 = std::log(3.0);

MATCHER_P(IsNear, tolerance, "") {
  return std::abs(std::get<0>(arg) - std::get<1>(arg)) <= tolerance;
}

TEST(Reference, EmbedRowsPicksAndScales) {
  const Doubles table = {1, 2, 3, 4, 5, 6};
  const int32_t ids[] = {2, 0, 2};
  EXPECT_THAT(embedRows(table, 2, ids, 0.5),
              ElementsAre(2.5, 3, 0.5, 1, 2.5, 3));
}

TEST(Reference, RmsNormDividesByTheRoot) {
  // The squares of the first row have the mean (9 + 16) / 2 = 12.5. With an
  // epsilon of 11.5, the row is divided by sqrt(12.5 + 11.5) = sqrt(24).
  const Doubles x = {3, 4, 0, 0};
  const Doubles weight = {1, 2};
  const double root = std::sqrt(24.0);
  EXPECT_THAT(rmsNorm(x, weight, 11.5),
              Pointwise(IsNear(kTiny), {3 / root, 8 / root, 0.0, 0.0}));
}

TEST(Reference, MatMulIsRowsTimesTokens) {
  const Doubles w = {1, 2, 3, -4, 5, 6};
  const Doubles x = {1, 0, -1, 2, 1, 1};
  const Doubles bias = {0.5, -0.5};
  EXPECT_THAT(matMul(x, w, bias, 2, 3), ElementsAre(-1.5, -10.5, 7.5, 2.5));
  EXPECT_THAT(matMulMagnitude(x, w, bias, 2, 3),
              ElementsAre(4.5, 10.5, 7.5, 19.5));
  EXPECT_THAT(matMul(x, w, {}, 2, 3), ElementsAre(-2, -10, 7, 3));
}

TEST(Reference, SiluAtKnownPoints) {
  EXPECT_EQ(silu(0), 0);
  EXPECT_THAT(silu(kLn3), DoubleNear(kLn3 * 0.75, kTiny));
  EXPECT_THAT(silu(-kLn3), DoubleNear(-kLn3 * 0.25, kTiny));
  EXPECT_THAT(siluMul(Doubles{kLn3, 0}, Doubles{4, 9}),
              Pointwise(IsNear(kTiny), {3 * kLn3, 0.0}));
}

TEST(Reference, GluMatMulGatesTheUpHalf) {
  const Doubles x = {1, 2};
  // gate * x is (ln 3, 0), and up * x is (8, 15).
  const Doubles gate = {kLn3, 0, 0, 0};
  const Doubles up = {0, 4, 5, 5};
  EXPECT_THAT(gluMatMul(x, gate, up, 2, 2),
              Pointwise(IsNear(kTiny), {6 * kLn3, 0.0}));
}

TEST(Reference, RopeAnglesAreCosinesThenSines) {
  const Doubles frequency = {std::numbers::pi / 6, std::numbers::pi / 4};
  const uint32_t positions[] = {0, 2};
  EXPECT_THAT(ropeAngles(frequency, positions),
              Pointwise(IsNear(kTiny),
                        {1.0, 1.0, 0.0, 0.0, 0.5, 0.0, std::sqrt(0.75), 1.0}));
}

TEST(Reference, RotateIsAComplexProduct) {
  const Doubles theta = {0.3, 2.1};
  const Doubles angles = {std::cos(0.3), std::cos(2.1), std::sin(0.3),
                          std::sin(2.1)};
  for (const RopeKind kind : {RopeKind::Norm, RopeKind::Neox}) {
    // RoPE rotates four elements. The last two stay as they are.
    Doubles head = {1, -2, 3, 5, 7, 11};
    const Doubles before = head;
    rotate(head, angles, 4, kind);
    for (int i = 0; i < 2; ++i) {
      const int first = kind == RopeKind::Norm ? 2 * i : i;
      const int second = kind == RopeKind::Norm ? 2 * i + 1 : i + 2;
      const std::complex<double> expected =
          std::complex(before[first], before[second]) *
          std::polar(1.0, theta[i]);
      EXPECT_NEAR(head[first], expected.real(), kTiny);
      EXPECT_NEAR(head[second], expected.imag(), kTiny);
    }
    EXPECT_EQ(head[4], 7);
    EXPECT_EQ(head[5], 11);
  }
}

TEST(Reference, RopeAppendSplitsNormsAndRotates) {
  KernelSpec spec;
  spec.heads = 2;
  spec.kvHeads = 1;
  spec.headDim = 2;
  spec.ropeDim = 2;
  spec.rope = RopeKind::Norm;
  spec.qkNorm = true;
  spec.epsilon = 0;
  // The row holds q0, q1, k and v. The rotation by a quarter turn maps the
  // elements (a, b) of q and k to (-b, a).
  const Doubles qkv = {1, 1, 3, -3, 1, 7, 5, 6};
  const Doubles angles = {0, 1};
  const Doubles qNorm = {2, 3};
  const Doubles kNorm = {1, 1};
  const QkvRows rows = ropeAppend(spec, qkv, angles, qNorm, kNorm);
  EXPECT_THAT(rows.q, Pointwise(IsNear(kTiny), {-3.0, 2.0, 3.0, 2.0}));
  // The root mean square of k is sqrt((1 + 49) / 2) = 5.
  EXPECT_THAT(rows.k, Pointwise(IsNear(kTiny), {-1.4, 0.2}));
  EXPECT_THAT(rows.v, ElementsAre(5, 6));

  spec.qkNorm = false;
  spec.rope = RopeKind::None;
  const QkvRows plain = ropeAppend(spec, qkv, {}, {}, {});
  EXPECT_THAT(plain.q, ElementsAre(1, 1, 3, -3));
  EXPECT_THAT(plain.k, ElementsAre(1, 7));
}

TEST(Reference, AttentionWeighsValuesByScores) {
  KernelSpec spec;
  spec.heads = 2;
  spec.kvHeads = 1;
  spec.headDim = 2;
  spec.scale = 0.5F;
  const Doubles q = {2 * kLn3, 0, 0, 1};
  const Doubles keys = {1, 0, 0, 0, 9, 9};
  const Doubles values = {4, 0, 8, 100, 1e30, 1e30};
  // The softmax weights of the two keys are 3 : 1 for head 0, and equal for
  // head 1.
  EXPECT_THAT(attention(spec, q, keys, values, 2),
              Pointwise(IsNear(1e-12), {5.0, 25.0, 6.0, 50.0}));
  EXPECT_THAT(attention(spec, q, keys, values, 1), ElementsAre(4, 0, 4, 0));
}

TEST(Reference, AttentionGroupsReadTheirOwnHead) {
  KernelSpec spec;
  spec.heads = 4;
  spec.kvHeads = 2;
  spec.headDim = 1;
  const Doubles ones = {1, 1, 1, 1};
  EXPECT_THAT(attention(spec, ones, Doubles{1, 1}, Doubles{10, 20}, 1),
              ElementsAre(10, 10, 20, 20));
}

TEST(Reference, ActivationsAreSplitInTwoBytes) {
  std::vector<float> x(2 * kActivationColumns);
  // This is the largest magnitude in the first block, whose scale is therefore
  // 1.
  x[0] = 127 * 128;
  x[1] = -127 * 128;
  // 63.5 is a tie and rounds to 64. A value is stored as 128 * high + low,
  // where `low` is at most 63, so 64 is stored as 128 * 1 - 64.
  x[2] = 63.5F;
  x[3] = -64.5F;
  x[17] = 1000;
  // This number is in the second block, and is so small that this block has the
  // smallest scale that there is, 2^-126.
  x[40] = 0x1p-113F;
  const auto sections = quantizeToSections(x, x.size());
  ASSERT_EQ(sections.size(), 1U);
  const ActivationSection &section = sections[0];
  EXPECT_EQ(section.scale[0], 1.0F);
  const auto &[high, low] = section.bytes[7];
  EXPECT_EQ(high[0], 127);
  EXPECT_EQ(high[1], -127);
  EXPECT_EQ(high[2], 1);
  EXPECT_EQ(low[2], -64);
  EXPECT_EQ(high[3], 0);
  EXPECT_EQ(low[3], -64);
  EXPECT_EQ(high[17], 8);
  EXPECT_EQ(low[17], -24);
  EXPECT_EQ(section.negatedSums[0][0], -1000);
  EXPECT_EQ(section.negatedSums[1][0], 0);
  EXPECT_EQ(section.negatedSums[2][0], -1000);
  // x[40] is 2^13 times its block's scale, and 2^13 is stored as 128 * 64 + 0.
  EXPECT_EQ(section.bytes[6].high[8], 64);
  const Doubles back = valuesOf(sections, 1, x.size());
  EXPECT_EQ(back[0], 16256.0);
  EXPECT_EQ(back[2], 64.0);
  EXPECT_EQ(back[17], 1000.0);
  EXPECT_EQ(back[40], 0x1p-113);
  EXPECT_EQ(section.scale[1], 0x1p-126F);
}

TEST(Reference, ActivationsAreOffByHalfAScale) {
  std::vector<float> x(kActivationColumns);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(std::sin(double(i * i)));
  }
  const auto sections = quantizeToSections(x, x.size());
  const Doubles back = valuesOf(sections, 1, x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(back[i], x[i], 0.5001 * sections[0].scale[0]);
  }
  EXPECT_LT(sections[0].scale[0], 1.0 / 16000);
  x[5] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(
      std::isnan(valuesOf(quantizeToSections(x, x.size()), 1, x.size())[6]));
}

TEST(Reference, AddIsASum) {
  EXPECT_THAT(add(Doubles{1, 2}, Doubles{10, 20}), ElementsAre(11, 22));
}

} // namespace
} // namespace air::codegen::reference
