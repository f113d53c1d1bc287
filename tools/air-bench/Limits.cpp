//===- Limits.cpp - loops that do one thing as fast as it goes ------------===//
#include "tools/air-bench/Limits.h"

#include "codegen/cpu/CompileModule.h"

#include <algorithm>
#include <ctime>

namespace air::bench {
namespace {

using codegen::CpuTarget;
using codegen::KernelBuilder;
using Value = KernelBuilder::Value;
using Values = KernelBuilder::Values;

constexpr const char *kLoopName = "arithmetic_limit";
constexpr int64_t kTurns = 1 << 15;
// Short, so that some sample is undisturbed by what else the machine does.
constexpr uint32_t kSampleMilliseconds = 2;
constexpr std::string_view kVnni = "avx512vnni";

// Independent chains: enough to cover latency times ports of any core (4 to 5
// cycles, 2 to 4 ports), with registers left for the two factors.
int64_t chains(const CpuTarget &target) {
  return target.isa.vectorRegisters == 32 ? 24 : 12;
}

uint64_t operandBytes(const CpuTarget &target) {
  return static_cast<uint64_t>(chains(target) + 2) * target.isa.vectorBytes;
}

// Binding 0: the chains' first values and two factors, all different, so that
// nothing can be computed once for two chains. Binding 1: a vector for each
// tile, so that nothing is found useless.
void writeLoop(KernelBuilder &b, Arithmetic kind, const CpuTarget &target) {
  const auto bytes = static_cast<int64_t>(target.isa.vectorBytes);
  const bool isFma = kind == Arithmetic::FmaF32;
  const KernelBuilder::Type type =
      isFma ? b.vec(b.f32(), bytes / 4) : b.vec(b.i32(), bytes / 4);
  const KernelBuilder::Type factorType = isFma ? type : b.vec(b.i8(), bytes);
  const int64_t count = chains(target);
  b.tileLoop([&](Value tile) {
    Values sums;
    for (int64_t i = 0; i < count; ++i) {
      sums.push_back(b.load(type, b.offset(b.binding(0), i * bytes), 16));
    }
    const Value left =
        b.load(factorType, b.offset(b.binding(0), count * bytes), 16);
    const Value right =
        b.load(factorType, b.offset(b.binding(0), (count + 1) * bytes), 16);
    sums =
        b.loop(b.i64(0), b.i64(kTurns), b.i64(1), sums,
               [&](Value, mlir::ValueRange carried) {
                 Values after;
                 for (Value sum : carried) {
                   after.push_back(
                       isFma ? b.fma(left, right, sum)
                             : b.intrinsic(type, "llvm.x86.avx512.vpdpbusd.512",
                                           {sum, left, right}));
                 }
                 return after;
               });
    Value total = sums[0];
    for (int64_t i = 1; i < count; ++i) {
      total = b.add(total, sums[static_cast<size_t>(i)]);
    }
    b.store(total, b.element(b.binding(1), tile, bytes), 16);
  });
}

} // namespace

double nowSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

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

bool hasArithmetic(Arithmetic kind, const MachineProfile &host) {
  if (kind == Arithmetic::FmaF32) {
    return true;
  }
  auto has = [&](std::string_view feature) {
    return std::ranges::count(host.features, feature) != 0;
  };
  return has(kVnni) && has("avx512f") && has("avx512bw") && has("avx512vl");
}

Result<std::unique_ptr<ArithmeticLimit>>
ArithmeticLimit::create(Arithmetic kind, const MachineProfile &host,
                        uint32_t threads) {
  AIR_ASSIGN_OR_RETURN(CpuTarget target, codegen::makeCpuTarget(host));
  if (kind == Arithmetic::Vpdpbusd) {
    target.features += ",+" + std::string(kVnni);
  }
  AIR_ASSIGN_OR_RETURN(
      std::string bitcode,
      codegen::compileToBitcode(kLoopName, target, [&](KernelBuilder &b) {
        writeLoop(b, kind, target);
        return Status::ok();
      }));
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> object,
                       codegen::emitObject({&bitcode, 1}, target));

  std::unique_ptr<ArithmeticLimit> made(new ArithmeticLimit);
  AIR_ASSIGN_OR_RETURN(made->device, rt::CpuDevice::create(threads));
  const uint64_t operands = operandBytes(target);
  AIR_ASSIGN_OR_RETURN(rt::DeviceAddress in,
                       made->device->allocate(operands, "operands"));
  AIR_ASSIGN_OR_RETURN(
      rt::DeviceAddress out,
      made->device->allocate(uint64_t{threads} * target.isa.vectorBytes,
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
  const double perLane = kind == Arithmetic::FmaF32 ? 2 : 8;
  made->operations = perLane * target.isa.vectorBytes / 4 *
                     static_cast<double>(chains(target)) *
                     static_cast<double>(kTurns) * threads;
  return made;
}

Result<double> ArithmeticLimit::sample() {
  AirBatch batch = {};
  batch.tokens = 1;
  double best = 0;
  const double begin = nowSeconds();
  for (double start = begin; start - begin < kSampleMilliseconds * 1e-3;) {
    AIR_RETURN_IF_ERROR(device->run(program, 0, 1, batch));
    const double end = nowSeconds();
    best = std::max(best, operations / (end - start));
    start = end;
  }
  return best;
}

} // namespace air::bench
