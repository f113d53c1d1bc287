//===- ElfRelocation.cpp - applies one relocation -------------------------===//
#include "runtime/hal/ElfRelocation.h"
#include "formats/support/CountText.h"

#include <cstring>
#include <elf.h>

namespace air::rt {
namespace {

Status outOfRange(uint32_t type, int64_t value, unsigned bits) {
  return corruptError("relocation of type " + std::to_string(type) +
                      ": value " + std::to_string(value) + " does not fit in " +
                      countOf(bits, "bit"));
}

bool fitsSigned(int64_t value, unsigned bits) {
  const int64_t limit = int64_t(1) << (bits - 1);
  return value >= -limit && value < limit;
}

void put(uint8_t *place, uint64_t value, uint64_t bytes) {
  std::memcpy(place, &value, bytes);
}

// Replaces `bits` bits of the instruction at `place`, starting at bit `shift`,
// with the low bits of `value`.
void insert(uint8_t *place, uint64_t value, unsigned shift, unsigned bits) {
  uint32_t instruction = 0;
  std::memcpy(&instruction, place, 4);
  const uint32_t mask = ((uint32_t(1) << bits) - 1) << shift;
  instruction =
      (instruction & ~mask) | ((static_cast<uint32_t>(value) << shift) & mask);
  std::memcpy(place, &instruction, 4);
}

// Inserts the signed `distance`, given in bytes, into a field of `bits` bits,
// which holds the distance in units of four bytes.
Status insertBranch(uint32_t type, uint8_t *place, int64_t distance,
                    unsigned shift, unsigned bits) {
  if (distance % 4 != 0 || !fitsSigned(distance / 4, bits)) {
    return outOfRange(type, distance, bits + 2);
  }
  insert(place, static_cast<uint64_t>(distance / 4), shift, bits);
  return Status::ok();
}

// The 21-bit immediate of ADR and ADRP is split into immlo (bits 29 and 30) and
// immhi (bits 5 to 23).
Status insertAdr(uint32_t type, uint8_t *place, int64_t value) {
  if (!fitsSigned(value, 21)) {
    return outOfRange(type, value, 21);
  }
  insert(place, static_cast<uint64_t>(value) & 3, 29, 2);
  insert(place, static_cast<uint64_t>(value) >> 2, 5, 19);
  return Status::ok();
}

// Inserts the low 12 bits of `target` as the immediate of an ADD, a load or a
// store. The immediate counts units of 2^log2Size bytes, which is the size of
// the access; for an ADD, `log2Size` is 0.
Status insertLow12(uint32_t type, uint8_t *place, uint64_t target,
                   unsigned log2Size) {
  const uint64_t low = target & 0xfff;
  if ((low & ((uint64_t(1) << log2Size) - 1)) != 0) {
    return corruptError("relocation of type " + std::to_string(type) +
                        ": the target's offset " + std::to_string(low) +
                        " in its 4 KiB page is not a multiple of " +
                        std::to_string(1U << log2Size));
  }
  insert(place, low >> log2Size, 10, 12);
  return Status::ok();
}

Status applyX86(uint32_t type, uint8_t *place, uint64_t P, uint64_t S,
                int64_t A) {
  const uint64_t target = S + static_cast<uint64_t>(A);
  const auto distance = static_cast<int64_t>(target - P);
  const auto absolute = static_cast<int64_t>(target);
  switch (type) {
  case R_X86_64_NONE:
    return Status::ok();
  case R_X86_64_64:
    put(place, target, 8);
    return Status::ok();
  case R_X86_64_PC64:
    put(place, target - P, 8);
    return Status::ok();
  case R_X86_64_PC32:
  case R_X86_64_PLT32:
    if (!fitsSigned(distance, 32)) {
      return outOfRange(type, distance, 32);
    }
    put(place, target - P, 4);
    return Status::ok();
  case R_X86_64_32:
    if (target >> 32 != 0) {
      return outOfRange(type, absolute, 32);
    }
    put(place, target, 4);
    return Status::ok();
  default:
    // The type is R_X86_64_32S, because relocationWidth() has refused all types
    // that have no case here.
    if (!fitsSigned(absolute, 32)) {
      return outOfRange(type, absolute, 32);
    }
    put(place, target, 4);
    return Status::ok();
  }
}

Status applyAarch64(uint32_t type, uint8_t *place, uint64_t P, uint64_t S,
                    int64_t A) {
  const uint64_t target = S + static_cast<uint64_t>(A);
  const auto distance = static_cast<int64_t>(target - P);
  constexpr uint64_t kPageMask = ~uint64_t(0xfff);
  switch (type) {
  case R_AARCH64_NONE:
    return Status::ok();
  case R_AARCH64_ABS64:
    put(place, target, 8);
    return Status::ok();
  case R_AARCH64_PREL64:
    put(place, target - P, 8);
    return Status::ok();
  case R_AARCH64_PREL32:
    if (!fitsSigned(distance, 32)) {
      return outOfRange(type, distance, 32);
    }
    put(place, target - P, 4);
    return Status::ok();
  case R_AARCH64_ADR_PREL_LO21:
    return insertAdr(type, place, distance);
  case R_AARCH64_ADR_PREL_PG_HI21: {
    const uint64_t pages = (target & kPageMask) - (P & kPageMask);
    return insertAdr(type, place, static_cast<int64_t>(pages) >> 12);
  }
  case R_AARCH64_ADD_ABS_LO12_NC:
  case R_AARCH64_LDST8_ABS_LO12_NC:
    return insertLow12(type, place, target, 0);
  case R_AARCH64_LDST16_ABS_LO12_NC:
    return insertLow12(type, place, target, 1);
  case R_AARCH64_LDST32_ABS_LO12_NC:
    return insertLow12(type, place, target, 2);
  case R_AARCH64_LDST64_ABS_LO12_NC:
    return insertLow12(type, place, target, 3);
  case R_AARCH64_LDST128_ABS_LO12_NC:
    return insertLow12(type, place, target, 4);
  case R_AARCH64_TSTBR14:
    return insertBranch(type, place, distance, 5, 14);
  case R_AARCH64_CONDBR19:
  case R_AARCH64_LD_PREL_LO19:
    return insertBranch(type, place, distance, 5, 19);
  case R_AARCH64_JUMP26:
  case R_AARCH64_CALL26:
    return insertBranch(type, place, distance, 0, 26);
  case R_AARCH64_MOVW_UABS_G0_NC:
    insert(place, target & 0xffff, 5, 16);
    return Status::ok();
  case R_AARCH64_MOVW_UABS_G1_NC:
    insert(place, (target >> 16) & 0xffff, 5, 16);
    return Status::ok();
  case R_AARCH64_MOVW_UABS_G2_NC:
    insert(place, (target >> 32) & 0xffff, 5, 16);
    return Status::ok();
  default:
    // The type is R_AARCH64_MOVW_UABS_G3, because relocationWidth() has refused
    // all types that have no case here.
    insert(place, target >> 48, 5, 16);
    return Status::ok();
  }
}

} // namespace

Result<uint64_t> relocationWidth(ElfMachine machine, uint32_t type) {
  if (machine == ElfMachine::X86_64) {
    switch (type) {
    case R_X86_64_NONE:
      return uint64_t(0);
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
    case R_X86_64_32:
    case R_X86_64_32S:
      return uint64_t(4);
    case R_X86_64_64:
    case R_X86_64_PC64:
      return uint64_t(8);
    default:
      return unsupportedError("x86-64 relocation of type " +
                              std::to_string(type) +
                              " needs a linker; kernels must be position-"
                              "independent and must not refer to other "
                              "objects");
    }
  }
  switch (type) {
  case R_AARCH64_NONE:
    return uint64_t(0);
  case R_AARCH64_ABS64:
  case R_AARCH64_PREL64:
    return uint64_t(8);
  case R_AARCH64_PREL32:
  case R_AARCH64_ADR_PREL_LO21:
  case R_AARCH64_ADR_PREL_PG_HI21:
  case R_AARCH64_ADD_ABS_LO12_NC:
  case R_AARCH64_LDST8_ABS_LO12_NC:
  case R_AARCH64_LDST16_ABS_LO12_NC:
  case R_AARCH64_LDST32_ABS_LO12_NC:
  case R_AARCH64_LDST64_ABS_LO12_NC:
  case R_AARCH64_LDST128_ABS_LO12_NC:
  case R_AARCH64_TSTBR14:
  case R_AARCH64_CONDBR19:
  case R_AARCH64_LD_PREL_LO19:
  case R_AARCH64_JUMP26:
  case R_AARCH64_CALL26:
  case R_AARCH64_MOVW_UABS_G0_NC:
  case R_AARCH64_MOVW_UABS_G1_NC:
  case R_AARCH64_MOVW_UABS_G2_NC:
  case R_AARCH64_MOVW_UABS_G3:
    return uint64_t(4);
  default:
    return unsupportedError("aarch64 relocation of type " +
                            std::to_string(type) +
                            " needs a linker; kernels must be position-"
                            "independent and must not refer to other "
                            "objects");
  }
}

Status applyRelocation(ElfMachine machine, uint32_t type, uint8_t *place,
                       uint64_t P, uint64_t S, int64_t A) {
  return machine == ElfMachine::X86_64 ? applyX86(type, place, P, S, A)
                                       : applyAarch64(type, place, P, S, A);
}

} // namespace air::rt
