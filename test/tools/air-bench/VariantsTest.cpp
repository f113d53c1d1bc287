//===- VariantsTest.cpp - which variants there are, and their report ------===//
#include "tools/air-bench/Variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

using namespace air;
using namespace air::bench;
using codegen::Activation;
using codegen::KernelSpec;
using codegen::MClass;
using ::testing::HasSubstr;

namespace {

KernelSpec matMul(MClass mClass) {
  KernelSpec spec;
  spec.dtype = DType::Q4_K; // 144 bytes for 256 columns
  spec.mClass = mClass;
  spec.activation =
      mClass == MClass::One ? Activation::I8x2 : Activation::I8Grid;
  spec.n = spec.yStride = 8192;
  spec.k = 2048;
  return spec;
}

MachineProfile target() { return *resolveProfile("x86-64-v4-vnni"); }

// The target supports every variant, no two variants are the same kernel, and
// there are variants of each kind, including one without prefetches.
TEST(Variants, AreDifferentKernels) {
  for (MClass mClass : {MClass::One, MClass::Small, MClass::Large}) {
    std::set<std::string> names;
    std::set<std::string> kernels;
    std::set<Activation> formats;
    std::set<uint64_t> tiles;
    std::set<std::optional<StreamHint>> hints;
    for (const Variant &variant : variantsOf(matMul(mClass), target())) {
      EXPECT_TRUE(codegen::describeKernel(variant.spec, target()).isOk());
      EXPECT_TRUE(names.insert(variant.name).second) << variant.name;
      EXPECT_TRUE(kernels.insert(codegen::kernelName(variant.spec)).second);
      const codegen::MatMulTiles used =
          codegen::usedTiles(variant.spec, target());
      formats.insert(variant.spec.activation);
      tiles.insert(used.rowBlocks);
      hints.insert(used.prefetchHint);
    }
    EXPECT_GE(formats.size(), 2U);
    EXPECT_GE(tiles.size(), 5U);
    // Kernels with panels have no prefetch distance, so no T1T0.
    EXPECT_EQ(hints.size(), mClass == MClass::Large ? 5U : 6U);
    EXPECT_EQ(hints.count(StreamHint::None), 1U);
    EXPECT_EQ(names.count("model"), 1U);
  }
}

// A row block of 2048 columns has 16 rows of 8 blocks of 144 bytes, which is
// 18,432 bytes. Half of 1 MiB holds 28 row blocks.
TEST(Variants, TheCachedMatrixFitsIntoHalfOfL2) {
  const KernelSpec one = cachedSpec(matMul(MClass::One), target(), 1, 1 << 20);
  EXPECT_EQ(one.n, 28U * 16);
  EXPECT_EQ(one.yStride, one.n);
  EXPECT_EQ(cachedSpec(matMul(MClass::One), target(), 2, 1 << 20).n,
            2U * 28 * 16);
  KernelSpec small = matMul(MClass::One);
  small.n = small.yStride = 32;
  EXPECT_EQ(cachedSpec(small, target(), 1, 1 << 20).n, 32U);
  EXPECT_DOUBLE_EQ(blocksOf(one), 28 * 8);
}

/// A table with one variant. A run with weights from memory reads 1000 bytes
/// and executes 8000 operations in 10 s. A run with weights from cache executes
/// 900 operations in 1 s.
VariantTable table() {
  VariantTable made;
  made.name = "matmul/q4_k";
  made.threads = 2;
  made.rounds = 7;
  made.clock = 300;
  made.readRate = 120;
  made.bestReadRate = 125;
  made.rates = {500, 2000};
  VariantRow row;
  row.variant = {"t1 4608", matMul(MClass::One)};
  row.tiles = {
      .rowBlocks = 4, .prefetchBytes = 4608, .prefetchHint = StreamHint::T1};
  row.blocks = 50;
  row.cachedBlocks = 10;
  row.memory = {10, 8, 1000, 8000, 0.8};
  row.cache = {1, 0.5, 200, 900, 0};
  made.rows = {row};
  return made;
}

TEST(Variants, CyclesAreThoseOfOneCore) {
  // A run of 10 s on two cores, at 300 cycles per second each, multiplies 50
  // blocks. That is 10 * 300 * 2 / 50 = 120 cycles per block.
  EXPECT_DOUBLE_EQ(cyclesPerBlock(table(), 10, 50), 120);
  const std::string text = variantText(table());
  EXPECT_THAT(text, HasSubstr("t1 4608"));
  EXPECT_THAT(text, HasSubstr("|      60      30 |     120      96"));
  const std::string json = variantJson({table()});
  EXPECT_THAT(json, HasSubstr("\"prefetch_hint\": \"t1\""));
  EXPECT_THAT(json, HasSubstr("\"cycles_per_block\": 60, "
                              "\"predicted_cycles\": 30"));
}

// In table(), plain reads reach at most 125 bytes per second, and byte products
// 2000 operations per second. 15-bit activations take two byte products each,
// which leaves 1000 operations per second.
TEST(Variants, RatesAboveTheirBoundsAreImpossible) {
  EXPECT_EQ(impossibleRate(table()), "");
  VariantTable fast = table();
  fast.rows[0].memory.seconds = 7.5; // 1000 / 7.5 = 133 bytes per second
  EXPECT_THAT(impossibleRate(fast), HasSubstr("t1 4608: it reads at"));
  fast = table();
  fast.rows[0].cache.seconds = 0.8; // 900 / 0.8 = 1125 operations per second
  EXPECT_THAT(impossibleRate(fast), HasSubstr("it computes at"));
  fast.rows[0].variant.spec.activation = Activation::I8Grid;
  EXPECT_EQ(impossibleRate(fast), "");
}

} // namespace
