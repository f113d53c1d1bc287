//===- Cubin.cpp - sections of an ELF file and their instructions ---------===//
#include "codegen/cuda/Cubin.h"

#include <algorithm>
#include <cstring>
#include <elf.h>

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kInstructionBytes = 16;
constexpr uint32_t kNop = 0x118;
/// The format of a record in .nv.info that is followed by data, and the kind of
/// a record that describes a parameter (EIFMT_SVAL and EIATTR_KPARAM_INFO in
/// the output of `cuobjdump --dump-elf`).
constexpr uint8_t kSized = 4;
constexpr uint8_t kParameterInfo = 0x17;

template <typename T>
bool readAt(std::span<const uint8_t> bytes, uint64_t at, T &value) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) {
    return false;
  }
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return true;
}

bool lies(std::span<const uint8_t> bytes, uint64_t offset, uint64_t size) {
  return offset <= bytes.size() && size <= bytes.size() - offset;
}

/// Returns the bytes of the section `wanted` in the machine code of `kernel`.
Result<std::span<const uint8_t>> sectionOf(std::span<const uint8_t> cubin,
                                           const std::string &wanted,
                                           const std::string &kernel) {
  Elf64_Ehdr header;
  if (!readAt(cubin, 0, header) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_shentsize != sizeof(Elf64_Shdr)) {
    return corruptError("the machine code of kernel " + kernel +
                        " is not a little-endian 64-bit ELF file");
  }
  const auto section = [&](uint64_t index, Elf64_Shdr &result) {
    const uint64_t at = index * sizeof(Elf64_Shdr);
    return header.e_shoff <= cubin.size() &&
           readAt(cubin.subspan(header.e_shoff), at, result);
  };
  Elf64_Shdr names;
  if (!section(header.e_shstrndx, names) ||
      !lies(cubin, names.sh_offset, names.sh_size)) {
    return corruptError(
        "the machine code of kernel " + kernel +
        " has a table of section names that is not inside its ELF file");
  }
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr one;
    if (!section(i, one)) {
      return corruptError(
          "the machine code of kernel " + kernel + " has " +
          std::to_string(header.e_shnum) +
          " section headers, but its ELF file ends before header " +
          std::to_string(i) + ", counted from 0");
    }
    const uint64_t room =
        names.sh_size - std::min<uint64_t>(names.sh_size, one.sh_name);
    // Compares the name together with its terminating zero, so that a longer
    // name with the same beginning does not match.
    if (room <= wanted.size() ||
        std::memcmp(cubin.data() + names.sh_offset + one.sh_name,
                    wanted.c_str(), wanted.size() + 1) != 0) {
      continue;
    }
    if (!lies(cubin, one.sh_offset, one.sh_size)) {
      return corruptError("section " + wanted + " of the machine code has " +
                          std::to_string(one.sh_size) + " bytes at offset " +
                          std::to_string(one.sh_offset) +
                          " of its ELF file, but must end within the " +
                          std::to_string(cubin.size()) + " bytes of this file");
    }
    return cubin.subspan(one.sh_offset, one.sh_size);
  }
  return corruptError("the machine code of kernel " + kernel +
                      " has no section " + wanted);
}

} // namespace

Result<std::map<uint32_t, uint64_t>>
countInstructions(std::span<const uint8_t> cubin, const std::string &name) {
  const std::string wanted = ".text." + name;
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> code,
                       sectionOf(cubin, wanted, name));
  if (code.size() % kInstructionBytes != 0) {
    return corruptError("section " + wanted + " of the machine code has " +
                        std::to_string(code.size()) +
                        " bytes; it must consist of whole instructions of " +
                        std::to_string(kInstructionBytes) + " bytes each");
  }
  std::map<uint32_t, uint64_t> counts;
  uint64_t trailing = 0;
  for (uint64_t at = 0; at < code.size(); at += kInstructionBytes) {
    uint16_t bits = 0;
    std::memcpy(&bits, code.data() + at, 2);
    const uint32_t kind = bits & 0x1ff;
    ++counts[kind];
    trailing = kind == kNop ? trailing + 1 : 0;
  }
  if (trailing != 0) {
    counts[kNop] -= trailing;
  }
  return counts;
}

Result<uint32_t> countParameters(std::span<const uint8_t> cubin,
                                 const std::string &name) {
  const std::string wanted = ".nv.info." + name;
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> records,
                       sectionOf(cubin, wanted, name));
  uint32_t parameters = 0;
  for (uint64_t at = 0; at < records.size();) {
    uint16_t size = 0;
    if (!readAt(records, at + 2, size)) {
      return corruptError("section " + wanted + " of the machine code has " +
                          std::to_string(records.size()) +
                          " bytes, which end within the header of the record "
                          "that begins at byte " +
                          std::to_string(at));
    }
    parameters += records[at + 1] == kParameterInfo ? 1 : 0;
    at += 4 + (records[at] == kSized ? size : 0);
  }
  return parameters;
}

} // namespace air::codegen::cuda
