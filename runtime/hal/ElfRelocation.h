//===- ElfRelocation.h - one relocation, applied to bytes -------*- C++ -*-===//
//
// The relocations that LLVM emits for freestanding position-independent code.
// Sources: System V ABI, AMD64 Architecture Processor Supplement, table 4.9;
// ELF for the Arm 64-bit Architecture (AAELF64), section 5.7.
//
// Names below: S the symbol's address, A the addend, P the address of the bytes
// that change.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_ELFRELOCATION_H
#define AIRPACK_RUNTIME_HAL_ELFRELOCATION_H

#include "formats/support/Status.h"

#include <cstdint>

namespace air::rt {

enum class ElfMachine : uint16_t { X86_64 = 62, Aarch64 = 183 };

/// Bytes that a relocation of this type changes; Unsupported names a type that
/// the loader does not know (those that need a GOT or TLS are among them).
Result<uint64_t> relocationWidth(ElfMachine machine, uint32_t type);

/// Writes the relocated value to `place`, which holds relocationWidth bytes and
/// runs at address `P`. Corrupt when the value does not fit the field, with the
/// value and the field's width.
Status applyRelocation(ElfMachine machine, uint32_t type, uint8_t *place,
                       uint64_t P, uint64_t S, int64_t A);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_ELFRELOCATION_H
