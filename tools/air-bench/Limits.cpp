//===- Limits.cpp - loops that run at the peak rate -----------------------===//
#include "tools/air-bench/Limits.h"

#include "codegen/cpu/CompileModule.h"
#include "codegen/cpu/matmul/AmxTiles.h"
#include "codegen/cpu/matmul/Bf16Dot.h"
#include "codegen/cpu/matmul/Int8Dot.h"
#include "formats/support/MonotonicClock.h"

#include <algorithm>

namespace air::bench {
namespace {

using codegen::CpuTarget;
using codegen::KernelBuilder;
using Value = KernelBuilder::Value;
using Values = KernelBuilder::Values;

constexpr const char *kLoopName = "arithmetic_limit";
constexpr int64_t kTurns = 1 << 15;
// The least duration of a sample. A sample is short, so that other processes do
// not disturb every one of them.
constexpr uint32_t kSampleMilliseconds = 2;

/// The kind and the sizes of a loop with several independent dependency chains,
/// each of which updates an accumulator of its own.
struct Loop {
  Arithmetic kind;
  bool isOfTiles; ///< whether accumulators are AMX tile registers
  int64_t bytes;  ///< size of an accumulator
  /// The number of chains. It is large enough to cover the latency of the
  /// operations (4 to 5 cycles) on all execution ports of any core (2 to 4),
  /// and small enough that no registers are spilled.
  int64_t chains;
  int64_t factors; ///< number of factors that an iteration multiplies

  Loop(Arithmetic measured, const CpuTarget &target)
      : kind(measured),
        isOfTiles(kind == Arithmetic::Bf16Dot   ? target.isa.hasAmxBf16
                  : kind == Arithmetic::ByteDot ? target.isa.hasAmxInt8
                                                : false),
        bytes(isOfTiles                    ? 1024
              : kind == Arithmetic::FmaF32 ? int64_t{target.isa.vectorBytes}
                                           : 64),
        chains(isOfTiles ? 6
                         : (target.isa.vectorRegisters == 32 ? 24 : 12) *
                               target.isa.vectorBytes / bytes),
        factors(isOfTiles || isOfFloats() ? 2
                : addsIn16Bits(target)    ? 8
                                          : 1) {}

  /// Whether the target adds products of bytes in 16 bits. If so, an iteration
  /// adds the products of eight factors before it widens the sum to 32 bits, so
  /// that widening takes only a small part of the time.
  static bool addsIn16Bits(const CpuTarget &target) {
    return target.isa.byteDot == codegen::ByteDot::MulAdd256 ||
           target.isa.byteDot == codegen::ByteDot::MulAdd512;
  }
  uint64_t operandBytes() const {
    return static_cast<uint64_t>((chains + factors) * bytes);
  }
  /// Whether the accumulators hold float32 sums, not int32 sums.
  bool isOfFloats() const { return kind != Arithmetic::ByteDot; }
  /// The number of iterations. Tile loops have fewer, because a tile
  /// multiplication takes about as long as 16 vector multiplications.
  int64_t turns() const { return isOfTiles ? kTurns / 16 : kTurns; }
  double operations() const {
    if (isOfTiles) {
      const double columns = kind == Arithmetic::Bf16Dot ? 32 : 64;
      return 2 * 16 * 16 * columns * static_cast<double>(chains * turns());
    }
    const int64_t ofLane = kind == Arithmetic::FmaF32    ? 2
                           : kind == Arithmetic::Bf16Dot ? 4
                                                         : 8 * factors;
    return static_cast<double>(ofLane * bytes / 4 * chains * turns());
  }
};

/// Multiplies each factor by the accumulator and adds the products to the
/// accumulator. If two factors were multiplied by each other instead, the
/// product would be the same in all dependency chains, so the compiler would
/// compute it only once.
Value addBytes(KernelBuilder &b, Value sum, const Values &factors) {
  codegen::Int8Accumulator bytes(sum);
  for (Value factor : factors) {
    bytes.add(b, b.recast(factor, b.i8()), b.recast(sum, b.i8()), /*bits=*/1);
  }
  return bytes.total(b);
}

Value addProduct(KernelBuilder &b, Arithmetic kind, Value sum,
                 const Values &factors) {
  switch (kind) {
  case Arithmetic::FmaF32:
    return b.fma(factors[0], factors[1], sum);
  case Arithmetic::ByteDot:
    return addBytes(b, sum, factors);
  case Arithmetic::Bf16Dot:
    return codegen::dotBf16(b, sum, b.recast(factors[0], b.bf16()),
                            b.recast(factors[1], b.bf16()));
  }
  return sum;
}

// Binding 0 holds the initial accumulators and the factors. Each of them has an
// address of its own, so that the compiler must assume different values and
// cannot share a computation between two chains. Binding 1 receives one result
// per tile, so that no computation is dead code.
void writeLoop(KernelBuilder &b, const Loop &loop) {
  const KernelBuilder::Type type =
      b.vec(loop.isOfFloats() ? b.f32() : b.i32(), loop.bytes / 4);
  b.tileLoop([&](Value tile) {
    auto operand = [&](int64_t i) {
      return b.load(type, b.offset(b.binding(0), i * loop.bytes), 16);
    };
    Values sums;
    for (int64_t i = 0; i < loop.chains; ++i) {
      sums.push_back(operand(i));
    }
    Values factors;
    for (int64_t i = 0; i < loop.factors; ++i) {
      factors.push_back(operand(loop.chains + i));
    }
    sums = b.loop(b.i64(0), b.i64(loop.turns()), b.i64(1), sums,
                  [&](Value, mlir::ValueRange carried) {
                    Values after;
                    for (Value sum : carried) {
                      after.push_back(addProduct(b, loop.kind, sum, factors));
                    }
                    return after;
                  });
    Value total = sums[0];
    for (size_t i = 1; i < sums.size(); ++i) {
      total = b.add(total, sums[i]);
    }
    b.store(total, b.element(b.binding(1), tile, loop.bytes), 16);
  });
}

// Does the same as writeLoop() for AMX. Of the eight tile registers, six hold
// accumulators and two hold factors.
void writeTileLoop(KernelBuilder &b, const Loop &loop) {
  codegen::AmxTiles tiles(b);
  constexpr auto kShape = codegen::AmxTiles::kSums;
  b.tileLoop([&](Value tile) {
    auto operand = [&](int64_t i) {
      return tiles.load(kShape, b.offset(b.binding(0), i * loop.bytes),
                        kShape.bytes);
    };
    Values sums;
    for (int64_t i = 0; i < loop.chains; ++i) {
      sums.push_back(operand(i));
    }
    Value x = operand(loop.chains);
    Value w = operand(loop.chains + 1);
    sums = b.loop(b.i64(0), b.i64(loop.turns()), b.i64(1), sums,
                  [&](Value, mlir::ValueRange carried) {
                    Values after;
                    for (Value sum : carried) {
                      after.push_back(
                          loop.kind == Arithmetic::Bf16Dot
                              ? tiles.dotPairs(sum, x, w, kShape.bytes)
                              : tiles.dotBytes(sum, x, w, kShape.bytes));
                    }
                    return after;
                  });
    // Storing each sum keeps its chain from being dead code. The compiler does
    // not remove tile stores, so all sums may be stored at the same address.
    for (Value sum : sums) {
      tiles.store(sum, kShape, b.element(b.binding(1), tile, loop.bytes),
                  kShape.bytes);
    }
  });
}

} // namespace

Result<std::unique_ptr<MemoryLimit>> MemoryLimit::create(uint32_t threads,
                                                         uint64_t bytes) {
  std::unique_ptr<MemoryLimit> made(new MemoryLimit);
  AIR_ASSIGN_OR_RETURN(made->device, rt::CpuDevice::create(threads));
  AIR_ASSIGN_OR_RETURN(made->probe,
                       rt::ReadBandwidth::create(
                           *made->device, made->device->threadPool(), bytes));
  return made;
}

double MemoryLimit::sample() { return probe->measure(1, kSampleMilliseconds); }

const char *nameOf(Arithmetic kind) {
  switch (kind) {
  case Arithmetic::FmaF32:
    return "fma_f32";
  case Arithmetic::ByteDot:
    return "byte_dot";
  case Arithmetic::Bf16Dot:
    return "bf16_dot";
  }
  return "";
}

bool hasArithmetic(Arithmetic kind, const MachineProfile &host) {
  const Result<CpuTarget> target = codegen::makeCpuTarget(host);
  return kind == Arithmetic::FmaF32 ||
         (target && (kind == Arithmetic::ByteDot ? target->isa.hasByteDot()
                                                 : target->isa.hasBf16Dot));
}

Result<std::unique_ptr<ArithmeticLimit>>
ArithmeticLimit::create(Arithmetic kind, const MachineProfile &host,
                        uint32_t threads) {
  AIR_ASSIGN_OR_RETURN(CpuTarget target, codegen::makeCpuTarget(host));
  const Loop loop(kind, target);
  AIR_ASSIGN_OR_RETURN(
      std::string bitcode,
      codegen::compileToBitcode(kLoopName, target, [&](KernelBuilder &b) {
        loop.isOfTiles ? writeTileLoop(b, loop) : writeLoop(b, loop);
      }));
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> object,
                       codegen::emitObject({&bitcode, 1}, target));

  std::unique_ptr<ArithmeticLimit> made(new ArithmeticLimit);
  AIR_ASSIGN_OR_RETURN(made->device, rt::CpuDevice::create(threads));
  const uint64_t operands = loop.operandBytes();
  AIR_ASSIGN_OR_RETURN(rt::DeviceAddress in,
                       made->device->allocate(operands, "operands"));
  AIR_ASSIGN_OR_RETURN(
      rt::DeviceAddress out,
      made->device->allocate(threads * static_cast<uint64_t>(loop.bytes),
                             "results"));
  auto *words = reinterpret_cast<float *>(static_cast<uintptr_t>(in));
  for (uint64_t i = 0; i < operands / 4; ++i) {
    words[i] = 1.0F + static_cast<float>(i) / 1024;
  }
  const std::string_view name = kLoopName;
  rt::DispatchDesc dispatch;
  AIR_ASSIGN_OR_RETURN(dispatch.executable,
                       made->device->loadExecutable(object, {&name, 1}));
  dispatch.grid = {threads, 0, rt::GridRows::Tokens};
  const rt::DeviceAddress bindings[] = {in, out};
  dispatch.bindings = bindings;
  AIR_ASSIGN_OR_RETURN(made->program, made->device->addProgram({&dispatch, 1}));
  made->operations = loop.operations() * threads;
  return made;
}

double clockRate() {
  constexpr int kTries = 5;
  constexpr int kChains = 20'000;
  constexpr int kUnroll = 16;
  double best = 0;
  uint64_t sum = 0;
  // Some cores add a constant operand without any latency, so the number that
  // is added is in a register. The compiler does not know its value.
  uint64_t step = 1;
  for (int i = 0; i < kTries; ++i) {
    const double start = monotonicSeconds();
    for (int turn = 0; turn < kChains; ++turn) {
#pragma GCC unroll 16
      for (int j = 0; j < kUnroll; ++j) {
        sum += step;
        asm volatile("" : "+r"(sum), "+r"(step));
      }
    }
    best = std::max(best, kChains * kUnroll / (monotonicSeconds() - start));
  }
  return best;
}

Result<double> ArithmeticLimit::sample() {
  AirBatch batch = {};
  batch.tokens = 1;
  double best = 0;
  const double begin = monotonicSeconds();
  for (double start = begin; start - begin < kSampleMilliseconds * 1e-3;) {
    AIR_RETURN_IF_ERROR(device->run(program, 0, 1, batch));
    const double end = monotonicSeconds();
    best = std::max(best, operations / (end - start));
    start = end;
  }
  return best;
}

} // namespace air::bench
