//===- MatMulCostTest.cpp - choices from measured rates -------------------===//
#include "codegen/cpu/matmul/MatMulCost.h"

#include "codegen/cpu/CompileModule.h"
#include "codegen/cpu/KernelRegistry.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace air::codegen {
namespace {

constexpr uint64_t kGiga = 1'000'000'000;

StreamRate stream(StreamLoads loads, StreamHint hint, uint32_t distance,
                  double gigabytes) {
  return {loads, hint, distance, static_cast<uint64_t>(gigabytes * 1e9)};
}

/// Two cores of an EPYC of family 25, model 17 (Zen 4), with measured rates. At
/// 3.69 GHz, a core executes 3.7e9 512-bit byte dot products per second, one
/// per cycle. In a loop with one AND per dot product, a dot product takes 1.2
/// cycles; with one AND and one shift, it takes 1.5. The loop behind
/// byteDotMixed has one AND per dot product and one shift per two of them, so a
/// dot product should take about 1.35 cycles. One core reads 29 GB/s from
/// memory, and two together read 57 GB/s. A thread loses 0.7 to 0.9 us when it
/// starts to read a new tile.
MachineProfile zen4() {
  MachineProfile profile = *resolveProfile("x86-64-v4-bf16");
  profile.cores = 2;
  profile.memoryBandwidth = 57 * kGiga;
  profile.cpu.byteDot = 3'700 * 128 * 1'000'000ULL;
  profile.cpu.byteDotMixed = profile.cpu.byteDot * 100 / 135;
  profile.cpu.readBandwidth = 29 * kGiga;
  profile.cpu.tileNs = 800;
  profile.cpu.streams = {
      stream(StreamLoads::Single, StreamHint::None, 0, 24.1),
      stream(StreamLoads::Single, StreamHint::Nta, 9216, 23.8),
      stream(StreamLoads::Burst, StreamHint::None, 0, 27.3),
      stream(StreamLoads::Burst, StreamHint::Nta, 9216, 14),
      stream(StreamLoads::Burst, StreamHint::T1, 9216, 23),
      stream(StreamLoads::TwoStreams, StreamHint::None, 0, 11.5),
      stream(StreamLoads::TwoStreams, StreamHint::Nta, 9216, 23)};
  return profile;
}

/// Two cores of an EPYC of family 26 (Zen 5) at 3.94 GHz. Per cycle, a core
/// executes four vector instructions, two of which may be 512-bit byte dot
/// products. The streams were measured with a Q4_0 matmul on one core: 41.3
/// GB/s without prefetches, and 42.7 GB/s with a prefetch 4.6 KB ahead.
MachineProfile zen5() {
  MachineProfile profile = *resolveProfile("x86-64-v4-bf16");
  profile.cores = 2;
  profile.memoryBandwidth = 80 * kGiga;
  profile.cpu.byteDot = 1'004 * kGiga;
  profile.cpu.byteDotMixed = profile.cpu.byteDot * 4 / 5;
  profile.cpu.readBandwidth = 45 * kGiga;
  profile.cpu.streams = {
      stream(StreamLoads::Burst, StreamHint::None, 0, 41.3),
      stream(StreamLoads::Burst, StreamHint::T0, 4608, 42.7)};
  return profile;
}

KernelSpec matMul(DType dtype, MClass mClass = MClass::One) {
  KernelSpec spec;
  spec.dtype = dtype;
  spec.mClass = mClass;
  spec.activation =
      activationFor(mClass == MClass::One ? Precision::Int15 : Precision::Int8,
                    mClass, dtype);
  spec.n = spec.yStride = 8192;
  spec.k = 2048;
  return spec;
}

Activation best(DType dtype, const MachineProfile &target) {
  return bestActivation(matMul(dtype), target, Precision::Int8);
}

std::string prefetchOf(const KernelSpec &spec, const MachineProfile &target) {
  const MatMulTiles tiles = usedTiles(spec, target);
  EXPECT_TRUE(describeKernel(spec, target).isOk());
  return tiles.prefetchHint ? std::string(streamHintName(*tiles.prefetchHint)) +
                                  " " + std::to_string(tiles.prefetchBytes)
                            : "";
}

// On Zen 4, leaving out the prefetches raised the bandwidth for Q4_K from 37.2
// to 53.1 GB/s, for Q8_0 from 50.1 to 55.2, and for Q4_0 from 52.6 to 55.3.
TEST(CostModel, BurstsOnZen4AreNotPrefetched) {
  for (DType dtype : {DType::Q4_0, DType::Q4_K, DType::Q8_0}) {
    EXPECT_EQ(prefetchOf(matMul(dtype), zen4()), "none 0") << info(dtype).name;
  }
  // Q6_K, whose units are loaded in ascending order, reached 57.7 GB/s without
  // prefetches.
  EXPECT_EQ(prefetchOf(matMul(DType::Q6_K), zen4()), "none 0");
  // With several tokens, there is arithmetic between the loads, so prefetches
  // stay.
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K, MClass::Small), zen4()), "t1 9216");
}

// On Zen 4, tiles of 2, 8, 16 and 32 row blocks reached 33.5, 41.9, 45.8 and
// 46.7 GB/s.
TEST(CostModel, TilesOnZen4AreLarge) {
  const uint64_t rowBlocks = usedTiles(matMul(DType::Q4_K), zen4()).rowBlocks;
  EXPECT_GE(rowBlocks, 16U);
  EXPECT_LE(rowBlocks, 48U);
}

// A multiplication and an addition count as two operations. Without tile
// registers, a core of an Intel Xeon of family 6, model 207, does 217e9
// operations per second with float32 FMAs, but only 109e9 with bfloat16 dot
// products. A core of an EPYC of family 26 does 252e9 operations per second
// with float32 FMAs, and 504e9 with bfloat16 dot products.
TEST(CostModel, Bfloat16IsForCpusWhereItIsFaster) {
  const auto best = [](const MachineProfile &profile) {
    return bestActivation(matMul(DType::BF16, MClass::Large), profile,
                          Precision::Int8);
  };
  MachineProfile slow = *resolveProfile("x86-64-v4-bf16");
  slow.cpu.byteDot = 888 * kGiga;
  slow.cpu.byteDotMixed = slow.cpu.byteDot * 2 / 5;
  slow.cpu.fmaF32 = 217 * kGiga;
  slow.cpu.bf16Dot = 109 * kGiga;
  EXPECT_EQ(best(slow), Activation::F32x16);
  MachineProfile fast = zen5();
  fast.cpu.fmaF32 = 252 * kGiga;
  fast.cpu.bf16Dot = 504 * kGiga;
  EXPECT_EQ(best(fast), Activation::BF16x32);
  // Tile registers multiply faster than any vector instruction.
  MachineProfile tiled = *resolveProfile("sapphire-rapids");
  EXPECT_EQ(best(tiled), Activation::BF16x32);
  // If the rate of float32 or of bfloat16 is unknown, the two cannot be
  // compared, and bfloat16 is chosen.
  slow.cpu.fmaF32 = 0;
  EXPECT_EQ(best(slow), Activation::BF16x32);
}

// The times were computed by hand. A block has 256 columns of 16 rows, and a
// multiplication of tiles covers 32 columns of 16 rows and 16 tokens, which is
// 16384 operations.
TEST(CostModel, TilesOfBfloat16TakeTheirOwnTime) {
  KernelSpec spec = matMul(DType::BF16, MClass::Large);
  spec.activation = Activation::BF16x32;
  const auto time = [&](const MachineProfile &profile, uint64_t tokens) {
    return predictBlock(spec, makeCpuTarget(profile)->isa, tokens).arithmetic;
  };
  MachineProfile tiled = *resolveProfile("x86-64-v4-amx");
  tiled.cpu.bf16Tile = 4096 * kGiga; // 4 ns per multiplication
  EXPECT_DOUBLE_EQ(time(tiled, 16), 8 * 4);
  EXPECT_DOUBLE_EQ(time(tiled, 128), 8 * 8 * 4);
  // Nine tokens take as long as 16, and 17 as long as 32.
  EXPECT_DOUBLE_EQ(time(tiled, 9), 8 * 4);
  EXPECT_DOUBLE_EQ(time(tiled, 17), 2 * 8 * 4);
  // The rate of vectors does not matter where there are tiles. If the profile
  // does not state the rate of tiles, they take 16 cycles at 3 GHz.
  tiled.cpu.bf16Tile = 0;
  tiled.cpu.bf16Dot = 109 * kGiga;
  EXPECT_DOUBLE_EQ(time(tiled, 16), 8 * 16 / 3.0);
  EXPECT_DOUBLE_EQ(time(*resolveProfile("sapphire-rapids"), 16), 8 * 16 / 3.0);
  // The rate of tiles does not matter where there are none. 16 tokens take
  // 16 * 16 * 256 * 2 operations, here at 128 operations per ns.
  MachineProfile vectors = *resolveProfile("x86-64-v4-bf16");
  vectors.cpu.bf16Tile = 4096 * kGiga;
  vectors.cpu.bf16Dot = 128 * kGiga;
  EXPECT_DOUBLE_EQ(time(vectors, 16), 1024);
}

// Quantised weights are decoded and rounded once, however many tokens they are
// multiplied by. An operation takes 1/6 ns if its rate is unknown. Q4_0 takes
// 529 operations, 256 to scale its columns, and 3 for each of 128 pairs.
TEST(CostModel, TilesNeedDecodedWeights) {
  KernelSpec spec = matMul(DType::Q4_0, MClass::Large);
  spec.activation = Activation::BF16x32;
  MachineProfile tiled = *resolveProfile("x86-64-v4-amx");
  tiled.cpu.bf16Tile = 4096 * kGiga;
  const IsaTraits isa = makeCpuTarget(tiled)->isa;
  const double decoding = (529 + 256 + 4 * 128) / 6.0;
  EXPECT_DOUBLE_EQ(predictBlock(spec, isa, 16).arithmetic, 8 * 4 + decoding);
  EXPECT_DOUBLE_EQ(predictBlock(spec, isa, 128).arithmetic,
                   8 * 8 * 4 + decoding);
}

// Bytes take the place of bfloat16 if the profile says that they are faster.
TEST(CostModel, SlowTilesAreNotUsed) {
  const KernelSpec spec = matMul(DType::Q4_0, MClass::Large);
  MachineProfile tiled = *resolveProfile("sapphire-rapids");
  EXPECT_EQ(bestActivation(spec, tiled, Precision::Int8), Activation::BF16x32);
  tiled.cpu.bf16Tile = 100 * kGiga;
  EXPECT_EQ(bestActivation(spec, tiled, Precision::Int8), Activation::I8);
}

// On Zen 4 and Zen 5, reading weights from memory takes longer than multiplying
// them, even with 15-bit activations. On Zen 4, the arithmetic for a block of
// 16 rows and 256 columns takes 163 to 275 cycles, depending on the dtype.
// Reading the block takes 300 to 560 cycles if both cores of zen4() read at the
// same time.
TEST(CostModel, FifteenBitsAreFreeOnZen4AndZen5) {
  for (DType dtype : {DType::Q4_0, DType::Q4_K, DType::Q6_K, DType::Q8_0}) {
    EXPECT_EQ(best(dtype, zen4()), Activation::I8x2) << info(dtype).name;
    EXPECT_EQ(best(dtype, zen5()), Activation::I8x2) << info(dtype).name;
  }
}

// The expected cycles were measured for a block with weights in L2, at 3.69
// GHz.
TEST(CostModel, PredictsTheArithmeticOfZen4) {
  struct Case {
    DType dtype;
    Activation activation;
    double cycles;
  };
  const Result<CpuTarget> cpu = makeCpuTarget(zen4());
  ASSERT_TRUE(cpu.isOk());
  for (const Case &test : {Case{DType::Q4_0, Activation::I8x2, 163},
                           Case{DType::Q4_0, Activation::I8, 122},
                           Case{DType::Q4_K, Activation::I8x2, 195},
                           Case{DType::Q4_K, Activation::I8Grid, 141},
                           Case{DType::Q8_0, Activation::I8x2, 164}}) {
    KernelSpec spec = matMul(test.dtype);
    spec.activation = test.activation;
    const double cycles = predictBlock(spec, cpu->isa, 1).arithmetic * 3.69;
    EXPECT_NEAR(cycles, test.cycles, test.cycles / 4)
        << info(test.dtype).name << " " << activationName(test.activation);
    // A plan states arithmetic as the number of bytes of vector operands.
    // operandRate() is the number of these bytes that all cores together
    // process per second, so one core takes `cores` times as long.
    const uint64_t blockBytes = uint64_t{256} * 16 *
                                info(test.dtype).blockBytes /
                                info(test.dtype).blockElements;
    const double seconds = operandBytes(spec, cpu->isa, blockBytes, 1) *
                           cpu->isa.cores /
                           static_cast<double>(operandRate(cpu->isa));
    EXPECT_NEAR(seconds * 3.69e9, test.cycles, test.cycles / 4)
        << info(test.dtype).name << " " << activationName(test.activation);
  }
}

// A block of Q8_0 has 64 dot products for each token, and 96 other operations
// for one token. Each further token adds 5 operations for each of the 8 groups
// of columns that have a scale. byte_dot is 1.35 times byte_dot_mixed, so a dot
// product takes at least as long as 2.5 / 1.35 operations. From four tokens on,
// this is the longer time.
TEST(CostModel, EachTokenAddsArithmetic) {
  const Result<CpuTarget> cpu = makeCpuTarget(zen4());
  ASSERT_TRUE(cpu.isOk());
  KernelSpec spec = matMul(DType::Q8_0, MClass::Small);
  spec.activation = Activation::I8;
  const uint64_t blockBytes = uint64_t{256 / 32} * 16 * 34;
  constexpr std::pair<uint64_t, double> kCases[] = {{1, 64 + 96},
                                                    {2, 128 + 96 + 40},
                                                    {4, 256 * 2.5 / 1.35},
                                                    {8, 512 * 2.5 / 1.35}};
  for (const auto &[tokens, operations] : kCases) {
    EXPECT_NEAR(operandBytes(spec, cpu->isa, blockBytes, tokens),
                64 * operations, 1e-3 * operations)
        << tokens;
  }
}

TEST(CostModel, TheArithmeticOfAnUnknownCpuIsNotCounted) {
  MachineProfile machine = *resolveProfile("x86-64-v3");
  machine.cpu = {};
  EXPECT_EQ(operandRate(makeCpuTarget(machine)->isa), 0U);
}

TEST(CostModel, PrefetchesThatHelpStay) {
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_0), zen5()), "t0 4608");
}

// Xeons with tile registers read bursts faster if every line is prefetched
// twice. Kernels for several tokens, which gain nothing from this, are
// prefetched once.
TEST(CostModel, BurstsOnSapphireRapidsArePrefetchedTwice) {
  const MachineProfile target = *resolveProfile("sapphire-rapids");
  for (DType dtype : {DType::Q4_K, DType::Q6_K, DType::Q8_0}) {
    EXPECT_EQ(prefetchOf(matMul(dtype), target), "t1t0 4096");
  }
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K, MClass::Small), target), "t1 9216");
  for (const char *other : {"zen4", "zen5", "icelake", "x86-64-v4-vnni"}) {
    const MachineProfile profile = *resolveProfile(other);
    EXPECT_FALSE(prefetchOf(matMul(DType::Q4_K), profile).starts_with("t1t0"))
        << other;
  }
}

// Prefetches are chosen only if reading without them is more than 2 % slower.
// The chosen distance is rounded up to a multiple of a cache line.
TEST(CostModel, TheFastestStreamWins) {
  MachineProfile target = zen4();
  target.cpu.streams = {stream(StreamLoads::Burst, StreamHint::None, 0, 50),
                        stream(StreamLoads::Burst, StreamHint::T0, 1000, 50.9),
                        stream(StreamLoads::Burst, StreamHint::T1, 1000, 50.5)};
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K), target), "none 0");
  target.cpu.streams[1].bandwidth = 52 * kGiga;
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K), target), "t0 1024");
  // A matmul of one token loads weights in bursts, so the rates of streams of
  // single loads do not matter for it.
  target.cpu.streams[1].loads = StreamLoads::Single;
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K), target), "none 0");
  // A matmul of several tokens may read weights more than once, so it must not
  // use `nta`, which bypasses the caches. It always prefetches at least 4 KiB
  // ahead, even if the rates, which are measured without arithmetic, are higher
  // without prefetches or with a shorter distance.
  target.cpu.streams = {stream(StreamLoads::Single, StreamHint::None, 0, 50),
                        stream(StreamLoads::Single, StreamHint::Nta, 4096, 60),
                        stream(StreamLoads::Single, StreamHint::T1, 1024, 49),
                        stream(StreamLoads::Single, StreamHint::T1, 9216, 30),
                        stream(StreamLoads::Single, StreamHint::T1, 4096, 31)};
  const KernelSpec few = matMul(DType::Q4_K, MClass::Small);
  EXPECT_EQ(prefetchOf(few, target), "t1 4096");
  // With several tokens, the hint is always t1, even if memory is read faster
  // with another hint.
  target.cpu.streams.push_back(
      stream(StreamLoads::Single, StreamHint::T0, 4096, 40));
  EXPECT_EQ(prefetchOf(few, target), "t1 4096");
  // The rate at a prefetch distance is the lower of the rates of single loads
  // and of bursts: 30 GB/s at 4096 bytes, and 31 GB/s at 9216.
  target.cpu.streams = {stream(StreamLoads::Single, StreamHint::None, 0, 30),
                        stream(StreamLoads::Single, StreamHint::T1, 4096, 60),
                        stream(StreamLoads::Single, StreamHint::T1, 9216, 31),
                        stream(StreamLoads::Burst, StreamHint::None, 0, 30),
                        stream(StreamLoads::Burst, StreamHint::T1, 4096, 30),
                        stream(StreamLoads::Burst, StreamHint::T1, 9216, 35)};
  EXPECT_EQ(prefetchOf(few, target), "t1 9216");
}

// A core that can read 100 GB/s takes longer to multiply Q4_0 and Q8_0 than to
// read them, so 8-bit activations save time.
TEST(CostModel, BytesArePreferredWhereArithmeticIsTheLimit) {
  MachineProfile target = zen4();
  target.cpu.readBandwidth = 100 * kGiga;
  target.memoryBandwidth = 200 * kGiga;
  EXPECT_EQ(best(DType::Q4_0, target), Activation::I8);
  EXPECT_EQ(best(DType::Q8_0, target), Activation::I8);
  // With 15-bit activations (I8x2), each weight takes part in two dot products
  // instead of one. Decoding IQ2_S takes so long that this hardly adds to the
  // time.
  EXPECT_EQ(best(DType::IQ2_S, target), Activation::I8x2);
  EXPECT_EQ(bestActivation(matMul(DType::Q4_0), target, Precision::Int15),
            Activation::I8x2);
}

TEST(CostModel, UnknownRatesAreNominal) {
  MachineProfile target = *resolveProfile("x86-64-v4-bf16");
  target.cpu = CpuRates();
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K), target), "t1 9216");
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K, MClass::Small), target), "t1 9216");
  EXPECT_EQ(prefetchOf(matMul(DType::Q4_K, MClass::Large), target), "t1 0");
  EXPECT_EQ(best(DType::Q4_0, target), Activation::I8x2);
  EXPECT_LE(usedTiles(matMul(DType::Q4_K), target).rowBlocks, 16U);
}

// ---- instructions -----------------------------------------------------------

/// The number of vector operations that the cost model counts for an
/// instruction. Dot products, loads and all instructions that are not vector
/// instructions count as none. A gather counts as one operation per lane.
int operationsIn(const std::string &name, const std::string &operands) {
  if (name[0] != 'v' || name.starts_with("vpdpbusd") || name == "vzeroupper") {
    return 0;
  }
  if (name.starts_with("vpgather") || name.starts_with("vgather")) {
    return 16;
  }
  const bool isMove = name.starts_with("vmovd") || name.starts_with("vmovu") ||
                      name.starts_with("vmova") || name.starts_with("vmovq") ||
                      name.starts_with("vmovs");
  if (isMove) {
    return name == "vmovd" || name == "vmovq" ? 1 : 0;
  }
  const bool isLoad = operands.find('(') != std::string::npos;
  if (name.starts_with("vbroadcast") || name.starts_with("vpbroadcast")) {
    return isLoad ? 0 : 1;
  }
  if (name.starts_with("vpxor") || name.starts_with("vxorps")) {
    // An XOR of a register with itself only sets the register to zero. CPUs
    // handle this idiom without an execution unit, so it does not count.
    std::istringstream words(operands);
    std::map<std::string, int> registers;
    for (std::string word; std::getline(words, word, ',');) {
      word.erase(0, word.find_first_not_of(' '));
      ++registers[word];
    }
    return registers.size() > 1 ? 1 : 0;
  }
  return 1;
}

/// The numbers of operations and dot products in the shortest of a kernel's
/// loops that contain dot products.
struct Counted {
  double operations = 0;
  double dots = 0;
};

Counted countIn(const std::string &assembly) {
  struct Line {
    std::string name;
    std::string operands;
  };
  std::vector<Line> lines;
  std::map<std::string, size_t> labels;
  std::istringstream text(assembly);
  Counted least;
  size_t leastLength = SIZE_MAX;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(".L")) {
      labels[line.substr(0, line.find(':'))] = lines.size();
      continue;
    }
    if (line.size() < 2 || line[0] != '\t' || line[1] == '.') {
      continue;
    }
    const size_t end = line.find('\t', 1);
    const std::string name = line.substr(1, end - 1);
    std::string operands = end == std::string::npos ? "" : line.substr(end + 1);
    operands = operands.substr(0, operands.find_first_of("#"));
    while (!operands.empty() && std::isspace(operands.back())) {
      operands.pop_back();
    }
    lines.push_back({name, operands});
    const auto target = labels.find(operands);
    if (name[0] != 'j' || target == labels.end()) {
      continue;
    }
    Counted body;
    for (size_t i = target->second; i < lines.size(); ++i) {
      body.dots += lines[i].name.starts_with("vpdpbusd") ? 1 : 0;
      body.operations += operationsIn(lines[i].name, lines[i].operands);
    }
    const size_t length = lines.size() - target->second;
    if (body.dots > 0 && length < leastLength) {
      least = body;
      leastLength = length;
    }
  }
  return least;
}

// Compares the numbers of operations that the cost model assumes with the
// numbers in the compiled kernels. The two may differ a little, so that small
// changes of a decoder do not break the test.
TEST(CostModel, OperationsAreThoseOfTheCode) {
  const MachineProfile profile = *resolveProfile("x86-64-v4-vnni");
  const CpuTarget cpu = *makeCpuTarget(profile);
  const double operationNs = coreRates(cpu.isa).operationNs;
  for (DType dtype : int8DTypes()) {
    for (Precision precision : {Precision::Int8, Precision::Int15}) {
      KernelSpec spec = matMul(dtype);
      spec.activation = activationFor(precision, MClass::One, dtype);
      spec.tiles.prefetchHint = StreamHint::None;
      const KernelRow &row = **findKernelRow(spec);
      const std::string bitcode = *compileToBitcode(
          "kernel", cpu, [&](KernelBuilder &b) { row.emit(b, spec); });
      const Counted counted = countIn(*emitAssembly({&bitcode, 1}, cpu));
      ASSERT_GT(counted.dots, 0) << info(dtype).name;
      const double dots = precision == Precision::Int15 ? 128 : 64;
      const double code = (counted.operations / counted.dots + 1) * dots;
      const double model =
          predictBlock(spec, cpu.isa, 1).arithmetic / operationNs;
      EXPECT_GT(model, 0.75 * code) << info(dtype).name;
      EXPECT_LT(model, 1.33 * code) << info(dtype).name;
    }
  }
}

} // namespace
} // namespace air::codegen
