//===- ArithmeticLoops.h - loops at the peak rate of a core -----*- C++ -*-===//
//
// Loops that do nothing but arithmetic in registers, in enough independent
// chains to hide its latency (8 to 16 chains; the latency is 3 to 5 cycles, and
// at most 4 such instructions start per cycle). The instructions are the ones
// that kernels use: with VNNI, AVX-VNNI or Arm's dot product one instruction
// multiplies and adds bytes; without them bytes are multiplied in pairs and
// added in 16 bits, and every eighth addition widens to 32 bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICLOOPS_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICLOOPS_H

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace air::rt {

/// The rates of CpuRates.h.
enum class Arithmetic : uint8_t { FmaF32, ByteDot, ByteDotMixed, Bf16Dot };
inline constexpr std::array kArithmetics = {
    Arithmetic::FmaF32, Arithmetic::ByteDot, Arithmetic::ByteDotMixed,
    Arithmetic::Bf16Dot};

/// Runs `turns` turns, at most kMostTurns, and returns how many products it
/// added. All factors are 1, so the number is the sum that the loop computed,
/// not an assumption about it.
using ArithmeticLoop = uint64_t (*)(uint64_t turns);
/// A float32 counts exactly up to 2^24, and a lane adds at most two a turn.
inline constexpr uint64_t kMostTurns = uint64_t{1} << 22;

/// The fastest loop of a kind on a CPU that has `features`
/// (MachineProfile::features); nullptr if no instruction of the CPU does it.
ArithmeticLoop arithmeticLoop(Arithmetic kind,
                              std::span<const std::string> features);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICLOOPS_H
