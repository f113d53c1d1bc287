//===- CpuTarget.h - a machine profile as LLVM sees it ----------*- C++ -*-===//
//
// Turns a MachineProfile into the triple, the feature string and the few vector
// facts that kernels choose by. The result depends on the profile alone: the
// machine that compiles plays no part.
//
// Thread-safety: values; the functions are pure.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_CPUTARGET_H
#define AIRPACK_CODEGEN_CPU_CPUTARGET_H

#include "formats/machine/MachineProfile.h"

#include <string>

namespace air::codegen {

enum class CpuArch : uint8_t { X86_64, Aarch64 };

/// How bytes are multiplied (codegen/cpu/matmul/Int8Dot.h).
enum class ByteDot : uint8_t {
  None,
  Vnni512,   ///< vpdpbusd: unsigned by signed, 64 bytes
  Vnni256,   ///< the same of 32 bytes, where there is no AVX-512
  MulAdd512, ///< vpmaddubsw, vpmaddwd: by way of sums of two in 16 bits
  MulAdd256,
  Sdot, ///< signed by signed, 16 bytes
};

/// What a kernel may ask of the target. A kernel never emits an intrinsic that
/// its trait here does not allow: LLVM would end the process ("Cannot select").
struct IsaTraits {
  CpuArch arch = CpuArch::X86_64;
  unsigned vectorBytes = 32;     ///< 64 AVX-512, 32 AVX2, 16 NEON
  unsigned vectorRegisters = 16; ///< 32 with AVX-512 and NEON
  bool hasAvx2 = false;          ///< true on every x86_64 target
  bool hasAvx512 = false;        ///< F, BW, CD, DQ and VL, all of them
  bool hasVbmi = false; ///< beside all of hasAvx512: permutations of bytes
  bool hasNeon = false; ///< true on every aarch64 target
  ByteDot byteDot = ByteDot::None;
  bool hasI8mm = false;    ///< beside Sdot: products of two rows, two tokens
  bool hasBf16Dot = false; ///< vdpbf16ps of 64 bytes
  // Tile registers, beside hasBf16Dot and Vnni512.
  bool hasAmxBf16 = false; ///< tdpbf16ps
  bool hasAmxInt8 = false; ///< tdpbsud
  uint32_t cores = 1;      ///< that share a kernel's tiles

  bool hasByteDot() const { return byteDot != ByteDot::None; }
};

struct CpuTarget {
  std::string triple;   ///< "x86_64-unknown-linux-gnu"
  std::string cpu;      ///< base model for LLVM: "x86-64", "generic"
  std::string features; ///< "+avx2,+f16c,...", sorted
  IsaTraits isa;
};

/// Unsupported names the architecture, or the feature that is missing: x86_64
/// needs avx2, f16c and fma; aarch64 needs neon. Features that no kernel uses
/// are left out, so that a newer machine's plan stays the same.
Result<CpuTarget> makeCpuTarget(const MachineProfile &profile);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CPUTARGET_H
