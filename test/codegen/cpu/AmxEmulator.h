//===- AmxEmulator.h - tile instructions where there are none ---*- C++ -*-===//
//
// Kernels for tile registers run here on any x86-64 machine, as the bytes that
// LLVM made of them: an instruction that the CPU does not know raises SIGILL,
// and the handler does what the instruction would have done to registers and
// memory of the interrupted thread. Source: Intel SDM vol. 2, "LDTILECFG",
// "TILELOADD", "TILESTORED", "TILEZERO", "TILERELEASE", "TDPBF16PS" and
// "TDPBSSD/TDPBSUD/TDPBUSD/TDPBUUD"; vol. 1 ch. 18.
//
// What real hardware refuses (shapes that do not match, tiles that are not
// configured) ends the process as SIGILL does.
//
// Thread-safety: one emulator at a time, one thread that runs kernels.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CPU_AMXEMULATOR_H
#define AIRPACK_TEST_CODEGEN_CPU_AMXEMULATOR_H

#include <cstdint>

namespace air::codegen::test {

/// What was executed.
struct AmxCounts {
  uint64_t configurations = 0;
  uint64_t releases = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t bf16Products = 0;
  uint64_t byteProducts = 0;
};

/// Whether this machine can emulate: x86-64 Linux.
bool canEmulateAmx();

/// Handles SIGILL while it lives.
class AmxEmulator {
public:
  AmxEmulator();
  ~AmxEmulator();
  AmxEmulator(const AmxEmulator &) = delete;
  AmxEmulator &operator=(const AmxEmulator &) = delete;

  static const AmxCounts &counts();
  /// Whether tiles are configured: after a kernel they are not.
  static bool isConfigured();
};

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_AMXEMULATOR_H
