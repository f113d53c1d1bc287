//===- MatMulCost.cpp - the cost model's times and prefetches -------------===//
#include "codegen/cpu/matmul/MatMulCost.h"

#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/decode/WeightReader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace air::codegen {
namespace {

// Nominal rates, for profiles that do not state the rates of their CPU.
constexpr double kCyclesPerNs = 3;
constexpr double kMemoryBytesPerNs =
    static_cast<double>(kNominalCoreBandwidth) / 1e9;

/// The bytes of a vector. In the cost model, every dot product and every other
/// operation works on one vector.
constexpr double kVectorBytes = 64;
/// The numbers of operations in a dot product of bytes, in a float32 FMA and in
/// a dot product of bfloat16, each on 64 bytes. A product and an addition count
/// as two operations.
constexpr double kDotOperations = 128;
constexpr double kFmaOperations = 32;
constexpr double kPairOperations = 64;
/// A multiplication of two full tiles of bfloat16: the number of columns that
/// it covers, its number of operations, and the nominal number of cycles that
/// it takes (Intel's optimization reference manual).
constexpr uint64_t kTileColumns = 32;
constexpr double kTileOperations =
    2.0 * kActivationTokens * kRowLanes * kTileColumns;
constexpr double kTileCycles = 16;
/// The number of instructions per dot product in the loop that measures the
/// rate byte_dot_mixed: the dot product itself and 1.5 others.
constexpr double kMixedInstructions = 2.5;

/// A CPU is assumed to have execution units besides those for dot products if
/// byte_dot_mixed is at least this fraction of byte_dot. On a CPU whose units
/// all execute dot products, the ratio is 1 / kMixedInstructions = 0.4.
constexpr double kLeastSpareShare = 0.6;

/// For one token, modelPrefetch() chooses no prefetches if reading without them
/// is at most this fraction slower than with the best prefetches.
constexpr double kNoPrefetchLoss = 0.02;
/// The shortest prefetch distance, in bytes, for several tokens. A shorter
/// distance may be the fastest for a loop that only reads, because out-of-order
/// execution keeps many of its loads in flight. The arithmetic of a kernel for
/// several tokens leaves fewer loads in flight, so its prefetches have to be
/// farther ahead.
constexpr uint32_t kLeastSeveralBytes = 4096;
/// Memory counts as the limit if arithmetic takes at most this fraction of the
/// time for reading. It is below 1 because the two overlap imperfectly.
constexpr double kHiddenShare = 0.7;
/// One byte per activation, with its larger error, is chosen over two bytes if
/// it saves more than this fraction of the time.
constexpr double kCoarseGain = 0.2;

/// The number of vector instructions on 64 bytes that a block takes in addition
/// to its dot products or FMAs, without loads. They were counted in the code
/// that LLVM generates for x86-64-v4-vnni and one token (MatMulCostTest counts
/// them in the int8 kernels). Other instruction sets are assumed to need the
/// same number of instructions for the same number of bytes.
struct Operations {
  DType dtype;
  uint16_t f32; ///< with float32 activations
  uint16_t i8;  ///< with I8 or I8Grid
  uint16_t i8x2;
};
constexpr Operations kOperations[] = {
    {DType::F32, 0, 0, 0},
    // For each 64 bytes of results, a conversion from float16 counts as two
    // instructions, because the CPU executes it in two steps.
    {DType::F16, 512, 0, 0},
    {DType::Q4_0, 529, 136, 168},
    {DType::Q4_1, 600, 136, 160},
    {DType::Q5_0, 1049, 392, 408},
    {DType::Q5_1, 976, 392, 400},
    {DType::Q8_0, 570, 96, 136},
    {DType::Q2_K, 835, 276, 292},
    {DType::Q3_K, 1034, 430, 462},
    {DType::Q4_K, 689, 175, 183},
    {DType::Q5_K, 979, 323, 331},
    {DType::Q6_K, 1188, 364, 396},
    {DType::IQ2_XXS, 1340, 664, 680},
    {DType::IQ2_XS, 1452, 808, 840},
    {DType::IQ3_XXS, 1491, 816, 832},
    {DType::IQ1_S, 1406, 964, 948},
    {DType::IQ4_NL, 529, 192, 232},
    {DType::IQ3_S, 1755, 1080, 1096},
    {DType::IQ2_S, 1620, 976, 1008},
    {DType::IQ4_XS, 605, 264, 304},
    {DType::F64, 768, 0, 0},
    {DType::IQ1_M, 1821, 1184, 1216},
    {DType::BF16, 512, 0, 0},
    {DType::TQ1_0, 991, 376, 368},
    {DType::TQ2_0, 563, 118, 128},
    {DType::MXFP4, 562, 248, 264},
    {DType::NVFP4, 708, 392, 424},
    {DType::Q1_0, 545, 144, 136},
    {DType::Q2_0, 537, 320, 312},
};

Operations operationsOf(DType dtype) {
  const auto *found = std::ranges::find(kOperations, dtype, &Operations::dtype);
  return found != std::end(kOperations) ? *found : Operations{dtype, 0, 0, 0};
}

/// The number of operations that round two columns to bfloat16 and join them:
/// two additions, a shift, and an instruction for both of AND and OR.
constexpr double kRoundOperations = 4;

/// The number of tokens for which affordsBf16() and prefersBf16() compare
/// formats.
constexpr uint64_t kManyTokens = 128;

/// The number of operations that scale a token's sums, for each scale of a
/// block. kOperations includes them for the first token only.
constexpr double kTokenOperations = 5;

/// The kinds of streams whose rates limit the rate at which a kernel reads
/// weights.
std::vector<StreamLoads> loadsOf(const KernelSpec &spec) {
  if (spec.mClass != MClass::One) {
    // With several tokens, the loads come in bursts, but the arithmetic between
    // them may make the kernel as slow as a stream of single loads.
    return {StreamLoads::Single, StreamLoads::Burst};
  }
  // Layout x16 stores the units of a block in the order in which they are read,
  // so the weights of every dtype are read as one stream.
  return {StreamLoads::Burst};
}

/// The rate at which streams are read with the given prefetches: the lowest of
/// the rates of the kinds of streams in `loads`. Hint None and distance 0 mean
/// no prefetches. Kinds whose rate without prefetches is unknown are ignored.
/// The result is 0 if all kinds are ignored, or if a kind that is not ignored
/// was not measured with these prefetches.
double rateOf(std::span<const StreamRate> streams,
              std::span<const StreamLoads> loads, StreamHint hint,
              uint32_t distance) {
  auto rate = [&](StreamLoads kind, StreamHint way, uint32_t ahead) {
    const auto found =
        std::ranges::find_if(streams, [&](const StreamRate &stream) {
          return stream.loads == kind && stream.hint == way &&
                 stream.distanceBytes == ahead;
        });
    return found != streams.end() ? static_cast<double>(found->bandwidth) : 0;
  };
  double least = std::numeric_limits<double>::infinity();
  for (StreamLoads kind : loads) {
    if (rate(kind, StreamHint::None, 0) > 0) {
      least = std::min(least, rate(kind, hint, distance));
    }
  }
  return std::isinf(least) ? 0 : least;
}

} // namespace

CoreRates coreRates(const IsaTraits &isa) {
  const CpuRates &cpu = isa.cpu;
  auto rate = [](uint64_t perSecond) {
    return static_cast<double>(perSecond) / 1e9;
  };
  CoreRates rates = {};
  rates.bytesPerNs =
      cpu.readBandwidth != 0 ? rate(cpu.readBandwidth) : kMemoryBytesPerNs;
  if (cpu.readBandwidth != 0 && isa.memoryBandwidth != 0) {
    rates.bytesPerNs = std::min(rates.bytesPerNs, rate(isa.memoryBandwidth) /
                                                      std::max(1U, isa.cores));
  }
  // For rates that the profile does not state, a core is assumed to issue, per
  // cycle, one dot product of bytes or two operations of any other kind, such
  // as FMAs or dot products of bfloat16. Multiplications of tiles are assumed
  // to take kTileCycles.
  const double cycles = kVectorBytes / isa.vectorBytes;
  rates.dotNs = cpu.byteDot != 0 ? kDotOperations / rate(cpu.byteDot)
                                 : cycles / kCyclesPerNs;
  rates.fmaNs = cpu.fmaF32 != 0 ? kFmaOperations / rate(cpu.fmaF32)
                                : cycles / 2 / kCyclesPerNs;
  rates.bf16Ns = cpu.bf16Dot != 0 ? kPairOperations / rate(cpu.bf16Dot)
                                  : cycles / 2 / kCyclesPerNs;
  rates.tileNs = cpu.bf16Tile != 0 ? kTileOperations / rate(cpu.bf16Tile)
                                   : kTileCycles / kCyclesPerNs;
  rates.operationNs =
      cpu.byteDotMixed != 0
          ? kDotOperations / rate(cpu.byteDotMixed) / kMixedInstructions
          : cycles / 2 / kCyclesPerNs;
  rates.isKnown =
      cpu.readBandwidth != 0 && cpu.byteDot != 0 && cpu.byteDotMixed != 0;
  return rates;
}

BlockTime predictBlock(const KernelSpec &spec, const IsaTraits &isa,
                       uint64_t tokens) {
  const CoreRates rates = coreRates(isa);
  const DTypeInfo &type = info(spec.dtype);
  const double bytes = kRowLanes * static_cast<double>(kCostColumns) *
                       static_cast<double>(type.blockBytes) /
                       static_cast<double>(type.blockElements);
  const auto count = static_cast<double>(tokens);
  BlockTime time = {bytes / rates.bytesPerNs, 0};
  if (isInt8(spec.activation)) {
    const bool isTwice = spec.activation == Activation::I8x2;
    const Operations operations = operationsOf(spec.dtype);
    const double dots = count * (isTwice ? 2 : 1) * kCostColumns / 4;
    const bool isPer16 =
        std::ranges::count(scalePer16DTypes(), spec.dtype) != 0;
    const double scales = isPer16 ? kCostColumns / 16 : kCostColumns / 32;
    const double others = (isTwice ? operations.i8x2 : operations.i8) +
                          (count - 1) * scales * kTokenOperations;
    time.arithmetic =
        std::max(dots * rates.dotNs, (dots + others) * rates.operationNs);
    return time;
  }
  const double products = count * kCostColumns;
  if (spec.activation == Activation::BF16x32) {
    // A tile has 16 tokens, and takes as long if some of them are padding.
    const auto tiles = static_cast<double>(ceilDiv(tokens, kActivationTokens) *
                                           (kCostColumns / kTileColumns));
    time.arithmetic =
        isa.hasAmxBf16 ? tiles * rates.tileNs : products / 2 * rates.bf16Ns;
    if (spec.dtype != DType::BF16) {
      // Each column is decoded and scaled, and each pair of columns rounded.
      const double decoding = operationsOf(spec.dtype).f32 + kCostColumns +
                              kCostColumns / 2.0 * kRoundOperations;
      time.arithmetic += decoding * rates.operationNs;
    }
    return time;
  }
  time.arithmetic =
      std::max(products * rates.fmaNs,
               (products + operationsOf(spec.dtype).f32) * rates.operationNs);
  return time;
}

double operandBytes(const KernelSpec &spec, const IsaTraits &isa,
                    uint64_t weightBytes, uint64_t tokens) {
  const DTypeInfo &type = info(spec.dtype);
  const double blockBytes = kRowLanes * static_cast<double>(kCostColumns) *
                            static_cast<double>(type.blockBytes) /
                            static_cast<double>(type.blockElements);
  return static_cast<double>(weightBytes) / blockBytes *
         predictBlock(spec, isa, tokens).arithmetic /
         coreRates(isa).operationNs * kVectorBytes;
}

uint64_t operandRate(const IsaTraits &isa) {
  return static_cast<uint64_t>(static_cast<double>(isa.cpu.byteDotMixed) *
                               kMixedOperandBytes) *
         isa.cores;
}

bool affordsI8x2(const KernelSpec &spec, const IsaTraits &isa) {
  if (!coreRates(isa).isKnown) {
    return true;
  }
  auto cost = [&](Precision precision) {
    KernelSpec product = spec;
    product.activation = activationFor(precision, MClass::One, spec.dtype);
    const BlockTime time = predictBlock(product, isa, 1);
    return std::max(time.memory, time.arithmetic / kHiddenShare);
  };
  return cost(Precision::Int15) * (1 - kCoarseGain) <= cost(Precision::Int8);
}

bool hasSpareUnits(const IsaTraits &isa) {
  const bool isOne =
      isa.byteDot == ByteDot::Vnni512 || isa.byteDot == ByteDot::Vnni256;
  return isOne && isa.cpu.byteDot != 0 &&
         static_cast<double>(isa.cpu.byteDotMixed) >=
             kLeastSpareShare * static_cast<double>(isa.cpu.byteDot);
}

namespace {

/// The predicted time of the arithmetic of a block with many tokens in the
/// format `activation`.
double manyTokensNs(const KernelSpec &spec, const IsaTraits &isa,
                    Activation activation) {
  KernelSpec product = spec;
  product.activation = activation;
  return predictBlock(product, isa, kManyTokens).arithmetic;
}

} // namespace

bool affordsBf16(const KernelSpec &spec, const IsaTraits &isa) {
  if (isa.cpu.fmaF32 == 0 ||
      (isa.hasAmxBf16 ? isa.cpu.bf16Tile : isa.cpu.bf16Dot) == 0) {
    return true;
  }
  return manyTokensNs(spec, isa, Activation::BF16x32) <=
         manyTokensNs(spec, isa, Activation::F32x16);
}

bool prefersBf16(const KernelSpec &spec, const IsaTraits &isa) {
  return isa.hasAmxBf16 && spec.mClass == MClass::Large &&
         spec.rowsFrom == RowsFrom::Tokens &&
         std::ranges::count(int8DTypes(), spec.dtype) != 0 &&
         manyTokensNs(spec, isa, Activation::BF16x32) <=
             manyTokensNs(
                 spec, isa,
                 activationFor(Precision::Int8, spec.mClass, spec.dtype));
}

Prefetch modelPrefetch(const KernelSpec &spec, const IsaTraits &isa) {
  if (spec.layout != Layout::X16) {
    return {};
  }
  const bool isOne = spec.mClass == MClass::One;
  const std::vector<StreamLoads> loads = loadsOf(spec);
  const std::vector<StreamRate> &streams = isa.cpu.streams;
  double best = 0;
  Prefetch fastest = {};
  for (const StreamRate &stream : streams) {
    const bool isOut = isOne ? stream.hint == StreamHint::None
                             : stream.hint != StreamHint::T1 ||
                                   stream.distanceBytes < kLeastSeveralBytes;
    const double rate =
        isOut ? 0 : rateOf(streams, loads, stream.hint, stream.distanceBytes);
    if (rate > best) {
      best = rate;
      fastest = {stream.hint,
                 std::clamp(alignUp(uint64_t{stream.distanceBytes}, kLineBytes),
                            kLineBytes, kMostPrefetchBytes)};
    }
  }
  const double plain = rateOf(streams, loads, StreamHint::None, 0);
  if (plain == 0 || best == 0) {
    return {StreamHint::T1, kPrefetchBytes};
  }
  return isOne && plain >= best * (1 - kNoPrefetchLoss) ? Prefetch() : fastest;
}

} // namespace air::codegen
