//===- ElfRelocation.h - applies one relocation -----------------*- C++ -*-===//
//
// Applies the relocations that LLVM emits for freestanding position-independent
// code. Sources: System V ABI, AMD64 Architecture Processor Supplement, table
// 4.9; ELF for the Arm 64-bit Architecture (AAELF64), section 5.7.
//
// As in these documents, S is the address of the symbol, A is the addend, and P
// is the address of the bytes that are relocated.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_ELFRELOCATION_H
#define AIRPACK_RUNTIME_HAL_ELFRELOCATION_H

#include "formats/support/Status.h"

#include <cstdint>

namespace air::rt {

enum class ElfMachine : uint16_t { X86_64 = 62, Aarch64 = 183 };

/// Returns the number of bytes that a relocation of this type changes. Errors:
/// Unsupported if the loader does not support the type, which the message
/// names. Types that need a GOT or TLS are not supported.
Result<uint64_t> relocationWidth(ElfMachine machine, uint32_t type);

/// Writes the relocated value to `place`, which has relocationWidth() bytes and
/// will be at address `P` when the code runs. `S` is the address of the symbol,
/// and `A` the addend. relocationWidth() must support `type`. Errors: Corrupt
/// if the value does not fit into its field or is not as aligned as the field
/// requires; the message states the value.
Status applyRelocation(ElfMachine machine, uint32_t type, uint8_t *place,
                       uint64_t P, uint64_t S, int64_t A);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_ELFRELOCATION_H
