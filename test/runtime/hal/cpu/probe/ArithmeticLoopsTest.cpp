//===- ArithmeticLoopsTest.cpp - loops that count what they do ------------===//
#include "runtime/hal/cpu/probe/ArithmeticLoops.h"

#include "formats/machine/MachineProfile.h"
#include "formats/machine/TileRegisters.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

namespace {

bool runsHere(const std::vector<std::string> &features) {
  const MachineProfile host = hostProfile();
  MachineProfile wanted = host;
  wanted.features = features;
  return prepareToRun(wanted, host).isOk();
}

/// Checks that each iteration of the arithmetic loop for `kind` and `features`
/// adds `products` products. If this machine lacks the features, only checks
/// that there is such a loop.
void checkProducts(Arithmetic kind, const std::vector<std::string> &features,
                   uint64_t products) {
  const ArithmeticLoop loop = arithmeticLoop(kind, features);
  ASSERT_NE(loop, nullptr);
  if (!runsHere(features)) {
    return;
  }
  EXPECT_EQ(loop(0), 0u);
  EXPECT_EQ(loop(1), products);
  EXPECT_EQ(loop(1000), 1000 * products);
  EXPECT_EQ(loop(kMostTurns), kMostTurns * products);
}

} // namespace

// The number of products in an iteration is the number of factors in a vector
// times the number of multiply instructions.

#if defined(__x86_64__)

TEST(ArithmeticLoops, CountTheirProducts) {
  const std::vector<std::string> avx2 = {"avx2", "fma"};
  const std::vector<std::string> avxvnni = {"avx2", "avxvnni", "fma"};
  const std::vector<std::string> avx512 = {"avx2", "avx512bw", "avx512f",
                                           "fma"};
  const std::vector<std::string> vnni = {"avx2",    "avx512bf16", "avx512bw",
                                         "avx512f", "avx512vnni", "fma"};
  checkProducts(Arithmetic::FmaF32, avx2, 12 * 256 / 32);
  checkProducts(Arithmetic::FmaF32, avx512, 16 * 512 / 32);
  checkProducts(Arithmetic::ByteDot, avx2, 8 * 8 * 256 / 8);
  checkProducts(Arithmetic::ByteDot, avxvnni, 12 * 256 / 8);
  checkProducts(Arithmetic::ByteDot, avx512, 8 * 8 * 512 / 8);
  checkProducts(Arithmetic::ByteDot, vnni, 16 * 512 / 8);
  checkProducts(Arithmetic::ByteDotMixed, avx2, 8 * 8 * 256 / 8);
  checkProducts(Arithmetic::ByteDotMixed, avxvnni, 10 * 256 / 8);
  checkProducts(Arithmetic::ByteDotMixed, avx512, 8 * 8 * 512 / 8);
  checkProducts(Arithmetic::ByteDotMixed, vnni, 16 * 512 / 8);
  checkProducts(Arithmetic::Bf16Dot, vnni, 16 * 512 / 16);
  // An iteration multiplies four pairs of tiles. Each of the 16 x 16 sums of a
  // pair has 32 products of bfloat16 or 64 products of bytes.
  const std::vector<std::string> tiles = {"amx-bf16", "amx-int8", "amx-tile"};
  checkProducts(Arithmetic::Bf16Tile, tiles, 4 * 16 * 16 * 32);
  checkProducts(Arithmetic::ByteTile, tiles, 4 * 16 * 16 * 64);
}

TEST(ArithmeticLoops, NeedTheirInstructions) {
  const std::vector<std::string> none;
  for (Arithmetic kind : kArithmetics) {
    EXPECT_EQ(arithmeticLoop(kind, none), nullptr);
  }
  const std::vector<std::string> avx2 = {"avx2", "fma"};
  EXPECT_EQ(arithmeticLoop(Arithmetic::Bf16Dot, avx2), nullptr);
  // A CPU may have tiles of bytes alone, or of bfloat16 alone.
  const std::vector<std::string> bytes = {"amx-int8", "amx-tile"};
  EXPECT_EQ(arithmeticLoop(Arithmetic::Bf16Tile, bytes), nullptr);
  const std::vector<std::string> pairs = {"amx-bf16", "amx-tile"};
  EXPECT_EQ(arithmeticLoop(Arithmetic::ByteTile, pairs), nullptr);
}

#elif defined(__aarch64__)

TEST(ArithmeticLoops, CountTheirProducts) {
  const std::vector<std::string> features = {"bf16", "dotprod", "neon"};
  checkProducts(Arithmetic::FmaF32, features, 16 * 128 / 32);
  checkProducts(Arithmetic::ByteDot, features, 16 * 128 / 8);
  checkProducts(Arithmetic::ByteDotMixed, features, 16 * 128 / 8);
  checkProducts(Arithmetic::Bf16Dot, features, 16 * 128 / 16);
}

TEST(ArithmeticLoops, NeedTheirInstructions) {
  const std::vector<std::string> neon = {"neon"};
  EXPECT_EQ(arithmeticLoop(Arithmetic::ByteDot, neon), nullptr);
  EXPECT_EQ(arithmeticLoop(Arithmetic::Bf16Dot, neon), nullptr);
  EXPECT_EQ(arithmeticLoop(Arithmetic::Bf16Tile, neon), nullptr);
  EXPECT_EQ(arithmeticLoop(Arithmetic::ByteTile, neon), nullptr);
}

#endif
