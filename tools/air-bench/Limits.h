//===- Limits.h - the machine's peak rates ----------------------*- C++ -*-===//
//
// The limits that kernels are compared with: the bandwidth of reading memory,
// and the peak rate of arithmetic in registers. The arithmetic loops are
// written with KernelBuilder, and compiled and loaded like kernels.
//
// Thread-safety: one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_LIMITS_H
#define AIRPACK_TOOLS_AIR_BENCH_LIMITS_H

#include "formats/machine/MachineProfile.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/ReadBandwidth.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>

namespace air::bench {

/// A share above this means that the limit or the rate was measured wrongly.
inline constexpr double kMostShare = 1.05;

/// Measures the read bandwidth of `threads` threads on `bytes` of memory.
class MemoryLimit {
public:
  static Result<std::unique_ptr<MemoryLimit>> create(uint32_t threads,
                                                     uint64_t bytes);
  /// Bytes per second of one sample.
  double sample();

private:
  std::unique_ptr<rt::CpuDevice> device;
  std::optional<rt::ReadBandwidth> probe;
};

enum class Arithmetic : uint8_t {
  FmaF32,  ///< two operations per lane
  ByteDot, ///< eight operations per 32-bit lane, by the target's instructions
           ///< for dot products of bytes
  Bf16Dot, ///< four operations per 32-bit lane
};
inline constexpr std::array kArithmetics = {
    Arithmetic::FmaF32, Arithmetic::ByteDot, Arithmetic::Bf16Dot};

/// "fma_f32", "byte_dot", "bf16_dot".
const char *nameOf(Arithmetic kind);

/// Operations per second of each kind, 0 if not measured.
struct ArithmeticRates {
  double fma = 0;
  double byteDots = 0;
  double bf16Dots = 0;

  double of(Arithmetic kind) const {
    return kind == Arithmetic::FmaF32    ? fma
           : kind == Arithmetic::ByteDot ? byteDots
                                         : bf16Dots;
  }
  /// Keeps the higher of the known rate and `rate`.
  void raise(Arithmetic kind, double rate) {
    double &known = kind == Arithmetic::FmaF32    ? fma
                    : kind == Arithmetic::ByteDot ? byteDots
                                                  : bf16Dots;
    known = std::max(known, rate);
  }
};

bool hasArithmetic(Arithmetic kind, const MachineProfile &host);

class ArithmeticLimit {
public:
  static Result<std::unique_ptr<ArithmeticLimit>>
  create(Arithmetic kind, const MachineProfile &host, uint32_t threads);
  /// Operations per second of one sample.
  Result<double> sample();

private:
  std::unique_ptr<rt::CpuDevice> device;
  uint32_t program = 0;
  double operations = 0; ///< of one run on all threads
};

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_LIMITS_H
