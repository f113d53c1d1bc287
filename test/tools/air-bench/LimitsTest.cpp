//===- LimitsTest.cpp - the loops do the work that they count -------------===//
#include "tools/air-bench/Limits.h"

#include "test/codegen/cpu/AmxEmulator.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::bench;
using codegen::test::AmxCounts;
using codegen::test::AmxEmulator;

namespace {

TEST(Limits, HaveNamesAndWhatTheTargetHas) {
  const MachineProfile tiles = *resolveProfile("x86-64-v4-amx");
  const MachineProfile plain = *resolveProfile("aarch64-neon");
  for (Arithmetic kind : kArithmetics) {
    EXPECT_STRNE(nameOf(kind), "");
    EXPECT_TRUE(hasArithmetic(kind, tiles));
    EXPECT_EQ(hasArithmetic(kind, plain), kind == Arithmetic::FmaF32);
  }
}

TEST(Limits, RatesOnlyRise) {
  ArithmeticRates rates;
  for (Arithmetic kind : kArithmetics) {
    rates.raise(kind, 3);
    rates.raise(kind, 2);
    EXPECT_EQ(rates.of(kind), 3);
  }
}

// The tiles are emulated, so the rate means nothing, but the loop is the same
// as with real tiles.
TEST(Limits, OfTilesMultipliesThem) {
  MachineProfile target = *resolveProfile("x86-64-v4-amx");
  MachineProfile vectors = *resolveProfile("x86-64-v4-bf16");
  if (!codegen::test::canEmulateAmx() || hostProfile().arch != target.arch ||
      !checkRunsOn(vectors, hostProfile()).isOk() ||
      checkRunsOn(target, hostProfile()).isOk()) {
    GTEST_SKIP() << "needs a CPU that lacks tiles alone";
  }
  for (Arithmetic kind : {Arithmetic::Bf16Dot, Arithmetic::ByteDot}) {
    AmxEmulator tiles;
    Result<std::unique_ptr<ArithmeticLimit>> limit =
        ArithmeticLimit::create(kind, target, 1);
    ASSERT_TRUE(limit.isOk()) << limit.status().message();
    Result<double> rate = (*limit)->sample();
    ASSERT_TRUE(rate.isOk()) << rate.status().message();
    EXPECT_GT(*rate, 0);
    const AmxCounts &counts = AmxEmulator::counts();
    // Each run in a sample has 2048 iterations, and each iteration adds a
    // product to each of six accumulators.
    const uint64_t products =
        kind == Arithmetic::Bf16Dot ? counts.bf16Products : counts.byteProducts;
    EXPECT_EQ(products, counts.releases * 6 * 2048);
    EXPECT_EQ(counts.bf16Products + counts.byteProducts, products);
    EXPECT_FALSE(AmxEmulator::isConfigured());
  }
}

} // namespace
