//===- Limits.h - the machine's peak rates ----------------------*- C++ -*-===//
//
// The limits that kernels are compared with: the bandwidth of reading memory,
// and the peak rate of arithmetic in registers. The arithmetic loops are
// written with KernelBuilder, and compiled and loaded like kernels.
//
// Thread-safety: an object may be used by one thread at a time.
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

/// The largest plausible ratio of a measured rate to its limit. A larger one
/// means that the rate or the limit was measured wrongly.
inline constexpr double kMostShare = 1.05;

/// Measures the read bandwidth of `threads` threads on `bytes` bytes of memory.
class MemoryLimit {
public:
  static Result<std::unique_ptr<MemoryLimit>> create(uint32_t threads,
                                                     uint64_t bytes);
  /// Takes one sample and returns its rate in bytes per second.
  double sample();
  /// See rt::ReadBandwidth.
  void compareAgain() { probe->compareAgain(); }

private:
  std::unique_ptr<rt::CpuDevice> device;
  std::optional<rt::ReadBandwidth> probe;
};

enum class Arithmetic : uint8_t {
  /// Fused multiply-add of float32: two operations per lane.
  FmaF32,
  /// Dot products of bytes, computed by the target's own instructions: eight
  /// operations per 32-bit lane.
  ByteDot,
  /// Dot products of bfloat16 pairs: four operations per 32-bit lane.
  Bf16Dot,
};
inline constexpr std::array kArithmetics = {
    Arithmetic::FmaF32, Arithmetic::ByteDot, Arithmetic::Bf16Dot};

/// The name of `kind` in reports: "fma_f32", "byte_dot" or "bf16_dot".
const char *nameOf(Arithmetic kind);

/// The highest measured rate of each kind of arithmetic, in operations per
/// second; 0 if a kind was not measured.
struct ArithmeticRates {
  double fma = 0;
  double byteDots = 0;
  double bf16Dots = 0;

  double of(Arithmetic kind) const {
    return kind == Arithmetic::FmaF32    ? fma
           : kind == Arithmetic::ByteDot ? byteDots
                                         : bf16Dots;
  }
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
  /// Takes one sample and returns its rate in operations per second.
  Result<double> sample();

private:
  std::unique_ptr<rt::CpuDevice> device;
  uint32_t program = 0;
  double operations = 0; ///< in one run, summed over all threads
};

/// The clock rate of the core on which this thread runs, in cycles per second.
/// It is measured as the rate of dependent additions, because an addition takes
/// one cycle on every core that kernels support. The result is the best of a
/// few samples of about a tenth of a millisecond each.
double clockRate();

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_LIMITS_H
