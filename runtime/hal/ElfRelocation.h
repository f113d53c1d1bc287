//===- ElfRelocation.h - one relocation, applied to bytes -------*- C++ -*-===//
//
// The relocations that LLVM emits for freestanding position-independent code.
// Sources: System V ABI, AMD64 Architecture Processor Supplement, table 4.9;
// ELF for the Arm 64-bit Architecture (AAELF64), section 5.7.
//
// Below, S is the symbol's address, A the addend, and P the address of the
// bytes that are relocated.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_ELFRELOCATION_H
#define AIRPACK_RUNTIME_HAL_ELFRELOCATION_H

#include "formats/support/Status.h"

#include <cstdint>

namespace air::rt {

enum class ElfMachine : uint16_t { X86_64 = 62, Aarch64 = 183 };

/// The number of bytes that a relocation of this type changes. Unsupported,
/// with the type, if the loader does not support it; types that need a GOT or
/// TLS are among these.
Result<uint64_t> relocationWidth(ElfMachine machine, uint32_t type);

/// Writes the relocated value to `place`, which has relocationWidth bytes and
/// will be at address `P` when the code runs. Corrupt, with the value and the
/// width of the field, if the value does not fit.
Status applyRelocation(ElfMachine machine, uint32_t type, uint8_t *place,
                       uint64_t P, uint64_t S, int64_t A);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_ELFRELOCATION_H
