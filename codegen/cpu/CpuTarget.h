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
  MulAdd512, ///< vpmaddubsw (sums two products in 16 bits), then vpmaddwd
  MulAdd256,
  Sdot, ///< sdot on 16 bytes: signed times signed
};

/// The ISA traits that kernels branch on. A kernel must never emit an intrinsic
/// that its trait does not allow: LLVM would end the process ("Cannot select").
struct IsaTraits {
  CpuArch arch = CpuArch::X86_64;
  unsigned vectorBytes = 32;     ///< 64 for AVX-512, 32 for AVX2, 16 for NEON
  unsigned vectorRegisters = 16; ///< 32 for AVX-512 and for NEON, 16 for AVX2
  bool hasAvx2 = false;          ///< true on every x86_64 target
  bool hasAvx512 = false; ///< the extensions F, BW, CD, DQ and VL of AVX-512
  bool hasVbmi = false;   ///< AVX512_VBMI byte permutations; implies hasAvx512
  bool hasNeon = false;   ///< true on every aarch64 target
  ByteDot byteDot = ByteDot::None;
  /// smmla, which multiplies two rows by two tokens. Implies ByteDot::Sdot.
  bool hasI8mm = false;
  bool hasBf16Dot = false; ///< vdpbf16ps on 64 bytes
  // AMX tile registers. hasAmxBf16 implies hasBf16Dot, and hasAmxInt8 implies
  // ByteDot::Vnni512.
  bool hasAmxBf16 = false; ///< for bfloat16: tdpbf16ps
  bool hasAmxInt8 = false; ///< for int8: tdpbsud
  // The three fields below come from the machine profile and are used by the
  // cost model of matmuls.
  uint32_t cores = 1; ///< cores among which a kernel's tiles are divided
  /// bytes/s that all cores together can read; 0 if unknown
  uint64_t memoryBandwidth = 0;
  CpuRates cpu;

  bool hasByteDot() const { return byteDot != ByteDot::None; }
};

struct CpuTarget {
  std::string triple;   ///< "x86_64-unknown-linux-gnu", for example
  std::string cpu;      ///< LLVM's name of the base CPU: "x86-64" or "generic"
  std::string features; ///< sorted: "+avx2,+f16c,...", for example
  IsaTraits isa;
};

/// Converts a machine profile. An Unsupported error names the unknown
/// architecture or the missing feature: x86_64 needs avx2, f16c and fma;
/// aarch64 needs neon. Features that no kernel uses are dropped, so they do not
/// change a plan.
Result<CpuTarget> makeCpuTarget(const MachineProfile &profile);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CPUTARGET_H
