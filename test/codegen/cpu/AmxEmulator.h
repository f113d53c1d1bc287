//===- AmxEmulator.h - emulates AMX tile instructions -----------*- C++ -*-===//
//
// Runs the machine code of kernels for tile registers, unchanged, on x86-64
// machines where tile registers are not enabled. A tile instruction raises
// SIGILL there, and the handler does what the instruction would do, with
// emulated tiles and the memory of the process. Source: Intel SDM vol. 2,
// "LDTILECFG", "TILELOADD", "TILESTORED", "TILEZERO", "TILERELEASE",
// "TDPBF16PS" and "TDPBSSD/TDPBSUD/TDPBUSD/TDPBUUD"; vol. 1 ch. 18.
//
// Anything that real hardware refuses, such as mismatched shapes or
// unconfigured tiles, ends the process with SIGILL.
//
// Thread-safety: only one emulator may exist at a time, and only one thread may
// run kernels.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CPU_AMXEMULATOR_H
#define AIRPACK_TEST_CODEGEN_CPU_AMXEMULATOR_H

#include <cstdint>

namespace air::codegen::test {

struct AmxCounts {
  uint64_t configurations = 0;
  uint64_t releases = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t bf16Products = 0;
  uint64_t byteProducts = 0;
};

/// Whether the emulator works on this machine. It does so only on x86-64 Linux,
/// and only if the operating system has not enabled tile registers. If it has,
/// the CPU itself executes LDTILECFG and TILERELEASE, even in a process that
/// may not use tiles, so the emulator would not see them.
bool canEmulateAmx();

/// Emulates tile instructions for as long as the object exists, with a handler
/// for SIGILL.
class AmxEmulator {
public:
  AmxEmulator();
  ~AmxEmulator();
  AmxEmulator(const AmxEmulator &) = delete;
  AmxEmulator &operator=(const AmxEmulator &) = delete;

  static const AmxCounts &counts();
  /// Whether tiles are configured. When a kernel returns, they must not be.
  static bool isConfigured();
};

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_AMXEMULATOR_H
