//===- CpuTarget.h - a machine profile as LLVM sees it ----------*- C++ -*-===//
//
// Turns a MachineProfile into the target triple, the feature string and the few
// ISA traits that kernels branch on. The result depends on the profile alone,
// not on the machine that compiles.
//
// Thread-safety: plain values and pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_CPUTARGET_H
#define AIRPACK_CODEGEN_CPU_CPUTARGET_H

#include "formats/machine/MachineProfile.h"

#include <string>

namespace air::codegen {

enum class CpuArch : uint8_t { X86_64, Aarch64 };

/// How int8 dot products are computed (codegen/cpu/matmul/Int8Dot.h).
enum class ByteDot : uint8_t {
  None,
  Vnni512,   ///< vpdpbusd on 64 bytes: unsigned times signed
  Vnni256,   ///< vpdpbusd on 32 bytes, without AVX-512
  MulAdd512, ///< vpmaddubsw and vpmaddwd, through 16-bit pair sums
  MulAdd256,
  Sdot, ///< signed times signed, 16 bytes
};

/// The ISA traits that kernels branch on. A kernel must never emit an intrinsic
/// that its trait does not allow: LLVM would end the process ("Cannot select").
struct IsaTraits {
  CpuArch arch = CpuArch::X86_64;
  unsigned vectorBytes = 32;     ///< 64 AVX-512, 32 AVX2, 16 NEON
  unsigned vectorRegisters = 16; ///< 32 with AVX-512 and NEON
  bool hasAvx2 = false;          ///< true on every x86_64 target
  bool hasAvx512 = false;        ///< F, BW, CD, DQ and VL, all of them
  bool hasVbmi = false; ///< in addition to hasAvx512: byte permutations
  bool hasNeon = false; ///< true on every aarch64 target
  ByteDot byteDot = ByteDot::None;
  bool hasI8mm = false; ///< in addition to Sdot: smmla, two rows by two tokens
  bool hasBf16Dot = false; ///< vdpbf16ps of 64 bytes
  // AMX tile registers, in addition to hasBf16Dot and Vnni512.
  bool hasAmxBf16 = false; ///< tdpbf16ps
  bool hasAmxInt8 = false; ///< tdpbsud
  uint32_t cores = 1;      ///< cores that share a kernel's tiles

  bool hasByteDot() const { return byteDot != ByteDot::None; }
};

struct CpuTarget {
  std::string triple;   ///< "x86_64-unknown-linux-gnu"
  std::string cpu;      ///< base model for LLVM: "x86-64", "generic"
  std::string features; ///< "+avx2,+f16c,...", sorted
  IsaTraits isa;
};

/// An Unsupported error names the architecture or the missing feature: x86_64
/// needs avx2, f16c and fma; aarch64 needs neon. Features that no kernel uses
/// are dropped, so that plans for a newer machine do not change.
Result<CpuTarget> makeCpuTarget(const MachineProfile &profile);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CPUTARGET_H
