//===- MatMulTilingTest.cpp ----------------------------------------------===//
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <gtest/gtest.h>

#include <set>

namespace air::codegen {
namespace {

KernelSpec matMul(MClass mClass, Precision precision) {
  KernelSpec spec;
  spec.dtype = DType::Q4_K;
  spec.mClass = mClass;
  spec.activation = activationFor(precision, mClass, spec.dtype);
  spec.n = spec.yStride = 4096;
  spec.k = 2048;
  return spec;
}

MachineProfile machine(uint32_t cores) {
  MachineProfile profile = *resolveProfile("x86-64-v4-vnni");
  profile.cores = cores;
  return profile;
}

uint64_t tilesOn(uint32_t cores, const KernelSpec &spec) {
  Result<KernelEntry> entry = describeKernel(spec, machine(cores));
  EXPECT_TRUE(entry.isOk()) << entry.status().message();
  return entry ? entry->baseTiles : 0;
}

TEST(CostModel, MoreCoresGetSmallerTiles) {
  const KernelSpec spec = matMul(MClass::One, Precision::Int15);
  EXPECT_LT(tilesOn(2, spec), tilesOn(16, spec));
  EXPECT_EQ(tilesOn(192, spec), 4096U / 16);
}

TEST(CostModel, ManyTokensShareTheirTripFromMemory) {
  EXPECT_LT(tilesOn(2, matMul(MClass::Large, Precision::Int8)),
            tilesOn(2, matMul(MClass::One, Precision::Int15)));
}

// On an EPYC of family 25, model 17, a matmul of 16 tokens takes 17 to 34 %
// less time with the GEMV code than with the GEMM code. On a Xeon of family 6,
// model 207, where all vector instructions compete for the same execution
// units, it takes at least 17 % more. For dtypes with codebooks, the GEMV code
// is slower on the EPYC, too.
TEST(CostModel, FewTokensTakeTheGemvCodeWhereUnitsAreSpare) {
  const auto rows = [](DType dtype, const char *profile) {
    KernelSpec spec = matMul(MClass::Large, Precision::Int8);
    spec.dtype = dtype;
    spec.activation = activationFor(Precision::Int8, MClass::Large, dtype);
    return gemvRows(spec, makeCpuTarget(*resolveProfile(profile))->isa);
  };
  EXPECT_EQ(rows(DType::Q8_0, "zen4"), 32U);
  EXPECT_EQ(rows(DType::Q4_K, "zen4"), 32U);
  EXPECT_EQ(rows(DType::Q6_K, "zen4"), 16U);
  EXPECT_EQ(rows(DType::IQ2_S, "zen4"), 0U);
  EXPECT_EQ(rows(DType::Q8_0, "sapphire-rapids"), 0U);
  EXPECT_EQ(rows(DType::Q8_0, "x86-64-v4-vnni"), 0U);
}

// By default, a tile has 256 tokens if this leaves at least eight tiles per
// core. A tile has at least three row blocks of 16 rows, so 4096 rows and the
// 512 tokens that the cost model assumes make at most 86 * 2 = 172 tiles. These
// are enough for 2 cores, but not for 64.
TEST(CostModel, ManyTokensPerTileLeaveATileForEveryCore) {
  const KernelSpec spec = matMul(MClass::Large, Precision::Int8);
  EXPECT_EQ(describeKernel(spec, machine(2))->tokensPerTile, 256U);
  EXPECT_EQ(describeKernel(spec, machine(64))->tokensPerTile, 128U);
}

// On tile registers, a tile has many row blocks, since its activations are read
// from memory, but not so many that cores would wait for others. If each of 56
// cores gets four tiles for 512 tokens, there are at least 224 of them.
TEST(CostModel, LargeTilesOnTileRegistersLeaveSomeForEveryCore) {
  KernelSpec spec = matMul(MClass::Large, Precision::Bf16);
  const auto tiles = [&](uint32_t cores) {
    MachineProfile profile = *resolveProfile("sapphire-rapids");
    profile.cores = cores;
    const Result<KernelEntry> entry = describeKernel(spec, profile);
    EXPECT_TRUE(entry.isOk()) << entry.status().message();
    const uint64_t tokenTiles = 512 / entry->tokensPerTile;
    return entry->baseTiles * tokenTiles;
  };
  EXPECT_GE(tiles(2), 8U);
  EXPECT_LE(tiles(2), 32U);
  EXPECT_GE(tiles(56), 224U);
  spec.n = spec.yStride = 14336;
  EXPECT_GE(tiles(56), 224U);
}

// If starting a tile takes long, the cost model prefers large tiles. Even then,
// the sums of a tile must not exceed kMostSumBytes. The matrices are the gate
// and up matrices of a model with 70 billion parameters.
TEST(CostModel, LargeTilesKeepTheLimitOfTheirSums) {
  MachineProfile one = *resolveProfile("zen4");
  one.cores = 1;
  one.cpu.tileNs = 5000;
  KernelSpec spec = matMul(MClass::Large, Precision::Int8);
  spec.op = KernelOp::GluMatMul;
  spec.n = spec.yStride = 28672;
  spec.k = 8192;
  const Result<KernelEntry> entry = describeKernel(spec, one);
  EXPECT_TRUE(entry.isOk()) << entry.status().message();
}

TEST(Tiles, AreTheSpecsWhereItSaysThem) {
  KernelSpec spec = matMul(MClass::Large, Precision::Int8);
  spec.tiles = {.rowBlocks = 6, .tokens = 64, .panelColumns = 512};
  Result<KernelEntry> entry = describeKernel(spec, machine(2));
  ASSERT_TRUE(entry.isOk()) << entry.status().message();
  EXPECT_EQ(entry->baseTiles, (256U + 5) / 6);
  EXPECT_EQ(entry->tokensPerTile, 64U);
  EXPECT_EQ(entry->rowsPerTile, 6U * 16);
  EXPECT_TRUE(entry->name.ends_with("_tg6_tt64_pc512")) << entry->name;
}

// The GEMV code takes all rows of x up to a limit, whatever the tiles are.
TEST(Tiles, HaveAllRowsThatTakeTheGemvCode) {
  const MachineProfile target = *resolveProfile("zen4");
  KernelSpec spec = matMul(MClass::Large, Precision::Int8);
  spec.tiles.tokens = 32;
  EXPECT_TRUE(describeKernel(spec, target).isOk());
  spec.tiles.tokens = 16;
  const Status status = describeKernel(spec, target).status();
  EXPECT_EQ(status.code(), ErrorCode::Internal);
  EXPECT_NE(status.message().find("tiles.tokens is 16; it must be at least 32"),
            std::string::npos)
      << status.message();
  EXPECT_TRUE(describeKernel(spec, machine(2)).isOk());
  spec.tiles.tokens = 32;
  for (const auto &variants :
       matMulTileVariants(spec, makeCpuTarget(target)->isa)) {
    for (const MatMulTiles &tiles : variants) {
      EXPECT_GE(tiles.tokens, 32U);
    }
  }
  // If the rows are outputs, only 16 of them take this code.
  spec.rowsFrom = RowsFrom::Outputs;
  spec.tiles.tokens = 16;
  EXPECT_TRUE(describeKernel(spec, target).isOk());
}

// Each list of variants changes one of the tile sizes and holds only values
// that a kernel supports.
TEST(TileVariants, ChangeOneSizeAtATime) {
  for (const auto &[mClass, precision, knobs] :
       {std::tuple(MClass::One, Precision::Int15, 3),
        std::tuple(MClass::Small, Precision::Int8, 3),
        std::tuple(MClass::Large, Precision::Int15, 4),
        std::tuple(MClass::Large, Precision::Int8, 4),
        std::tuple(MClass::Large, Precision::Float, 3)}) {
    KernelSpec spec = matMul(mClass, precision);
    const auto variants = tileVariants(spec, machine(2));
    EXPECT_EQ(variants.size(), static_cast<size_t>(knobs));
    for (const auto &list : variants) {
      EXPECT_FALSE(list.empty());
      for (const MatMulTiles &tiles : list) {
        EXPECT_EQ((tiles.rowBlocks != 0) + (tiles.tokens != 0) +
                      (tiles.panelColumns != 0) +
                      tiles.prefetchHint.has_value(),
                  1);
        spec.tiles = tiles;
        EXPECT_TRUE(describeKernel(spec, machine(2)).isOk());
      }
    }
  }
}

// StreamHint::None is a variant like every other hint. If the spec chooses it,
// there are no prefetches, so the list of prefetch distances is empty.
TEST(TileVariants, PrefetchesCanBeLeftOut) {
  KernelSpec spec = matMul(MClass::One, Precision::Int15);
  std::set<StreamHint> hints = {*usedTiles(spec, machine(2)).prefetchHint};
  const auto variants = tileVariants(spec, machine(2));
  for (const MatMulTiles &tiles : variants[1]) {
    hints.insert(*tiles.prefetchHint);
    EXPECT_EQ(tiles.prefetchBytes != 0, tiles.prefetchHint != StreamHint::None);
  }
  EXPECT_EQ(hints,
            (std::set{StreamHint::None, StreamHint::Nta, StreamHint::T0,
                      StreamHint::T1, StreamHint::T2, StreamHint::T1T0}));
  spec.tiles.prefetchHint = StreamHint::None;
  const auto without = tileVariants(spec, machine(2));
  ASSERT_EQ(without.size(), variants.size());
  EXPECT_EQ(without[1].size(), 5U);
  EXPECT_TRUE(without[2].empty());
  // Kernels for Layout::Rows have no prefetches.
  spec = matMul(MClass::One, Precision::Float);
  spec.layout = Layout::Rows;
  EXPECT_EQ(tileVariants(spec, machine(2)).size(), 1U);
  EXPECT_FALSE(usedTiles(spec, machine(2)).prefetchHint.has_value());
}

TEST(TileVariants, AreForProductsOnly) {
  KernelSpec spec;
  spec.op = KernelOp::Add;
  spec.k = 64;
  EXPECT_TRUE(tileVariants(spec, machine(2)).empty());
}

} // namespace
} // namespace air::codegen
