//===- ArithmeticLoops.h - loops at the peak rate of a core -----*- C++ -*-===//
//
// Loops that do nothing but arithmetic in registers, with the instructions that
// kernels use. An instruction takes about 4 cycles, and a core can start 2 to 4
// of them per cycle, so a core is fully used only if 8 to 16 of them are in
// flight. A loop therefore has 8 to 16 independent chains of instructions. With
// VNNI, AVX-VNNI or Arm's dot products, one instruction multiplies bytes and
// adds the products to 32-bit sums. Without them, one instruction multiplies
// bytes and adds every two adjacent products, which gives 16-bit sums. A loop
// adds the sums of eight such instructions in 16 bits, and widens the results
// to 32 bits.
//
// A multiplication in tile registers (AMX) takes 52 cycles, and a core can
// start one every 16 cycles, so a loop has four chains of them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICLOOPS_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICLOOPS_H

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace air::rt {

/// The kinds of arithmetic for which CpuRates.h has rates.
enum class Arithmetic : uint8_t {
  FmaF32,
  ByteDot,
  ByteDotMixed,
  Bf16Dot,
  Bf16Tile,
  ByteTile
};
inline constexpr std::array kArithmetics = {
    Arithmetic::FmaF32,  Arithmetic::ByteDot,  Arithmetic::ByteDotMixed,
    Arithmetic::Bf16Dot, Arithmetic::Bf16Tile, Arithmetic::ByteTile};

/// Whether loops of this kind use tile registers. The process needs the
/// permission to use them (formats/machine/TileRegisters.h); without it, such a
/// loop ends the process.
inline bool usesTileRegisters(Arithmetic kind) {
  return kind == Arithmetic::Bf16Tile || kind == Arithmetic::ByteTile;
}

/// Runs `turns` iterations, at most kMostTurns, and returns the number of
/// products that it added up. All products are equal, so this number follows
/// from the sum that the loop has computed.
using ArithmeticLoop = uint64_t (*)(uint64_t turns);
/// The largest number of iterations. In a loop with float32 sums, an iteration
/// adds at most 2 to a lane, so the sums stay below 2^24, up to which a float32
/// holds every integer exactly.
inline constexpr uint64_t kMostTurns = uint64_t{1} << 22;

/// The fastest loop of a kind on a CPU that has `features`
/// (MachineProfile::features); nullptr if the CPU has no instruction for it.
ArithmeticLoop arithmeticLoop(Arithmetic kind,
                              std::span<const std::string> features);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_ARITHMETICLOOPS_H
