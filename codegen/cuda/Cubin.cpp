//===- Cubin.cpp - sections of an ELF file and their instructions ---------===//
#include "codegen/cuda/Cubin.h"

#include "codegen/cuda/CudaTarget.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <optional>

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kInstructionBytes = 16;
constexpr uint32_t kNop = 0x118;
/// The format of a record in .nv.info that is followed by data: EIFMT_SVAL in
/// the output of `cuobjdump --dump-elf`.
constexpr uint8_t kSized = 4;
/// The attribute of a record in .nv.info.NAME that describes one parameter:
/// EIATTR_KPARAM_INFO.
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

/// The section headers of a cubin, by name.
class Sections {
public:
  static Result<Sections> open(std::span<const uint8_t> cubin,
                               const std::string &kernel) {
    const std::string what = "the machine code of kernel " + kernel;
    Elf64_Ehdr header;
    if (!readAt(cubin, 0, header) ||
        std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_shentsize != sizeof(Elf64_Shdr)) {
      return corruptError(what + " is not a little-endian 64-bit ELF file");
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
          what +
          " has a table of section names that is not inside its ELF file");
    }
    Sections sections;
    sections.file = cubin;
    const auto text = cubin.subspan(names.sh_offset, names.sh_size);
    for (uint64_t i = 0; i < header.e_shnum; ++i) {
      Elf64_Shdr one;
      if (!section(i, one)) {
        return corruptError(
            what + " has " + std::to_string(header.e_shnum) +
            " section headers, but its ELF file ends before header " +
            std::to_string(i) + ", counted from 0");
      }
      const auto name =
          text.subspan(std::min<uint64_t>(text.size(), one.sh_name));
      const auto end = std::find(name.begin(), name.end(), 0);
      if (end != name.end()) {
        sections.headers.emplace(std::string(name.begin(), end), one);
      }
    }
    return sections;
  }

  /// Null if there is no section of that name.
  const Elf64_Shdr *find(const std::string &name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? nullptr : &found->second;
  }

  /// The content of a section, whose size must be a multiple of `unit` bytes.
  Result<std::span<const uint8_t>> content(const std::string &name,
                                           uint64_t unit) const {
    const Elf64_Shdr *header = find(name);
    if (header == nullptr) {
      return corruptError("the machine code has no section " + name);
    }
    if (!lies(file, header->sh_offset, header->sh_size) ||
        header->sh_size % unit != 0) {
      return corruptError(
          "section " + name + " of the machine code has " +
          std::to_string(header->sh_size) + " bytes at offset " +
          std::to_string(header->sh_offset) + " in a file of " +
          std::to_string(file.size()) +
          " bytes; the section must lie inside the file and consist of whole "
          "units of " +
          std::to_string(unit) + " bytes");
    }
    return file.subspan(header->sh_offset, header->sh_size);
  }

private:
  std::span<const uint8_t> file;
  std::map<std::string, Elf64_Shdr> headers; ///< the first of each name
};

/// Finds the number of registers in section .nv.info, which is a list of
/// records. A record has a format, an attribute, and a value of two bytes. If
/// the format is kSized, the value is the size of the bytes that follow the
/// record. With the attribute kRegisterCount, these bytes are a symbol and a
/// number of registers.
std::optional<uint32_t> registersOf(std::span<const uint8_t> info,
                                    uint32_t symbol) {
  constexpr uint8_t kRegisterCount = 0x2f;
  struct Record {
    uint8_t format;
    uint8_t attribute;
    uint16_t size;
  };
  struct Count {
    uint32_t symbol;
    uint32_t registers;
  };
  Record record{};
  for (uint64_t at = 0; readAt(info, at, record);) {
    at += sizeof record;
    Count count{};
    if (record.format == kSized && record.attribute == kRegisterCount &&
        readAt(info, at, count) && count.symbol == symbol) {
      return count.registers;
    }
    at += record.format == kSized ? record.size : 0;
  }
  return std::nullopt;
}

} // namespace

Result<CubinFacts> cubinFacts(std::span<const uint8_t> cubin,
                              const std::string &name) {
  AIR_ASSIGN_OR_RETURN(const Sections sections, Sections::open(cubin, name));
  const std::string text = ".text." + name;
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> code,
                       sections.content(text, kInstructionBytes));
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> info,
                       sections.content(".nv.info", 4));
  // The lower 24 bits are the index of the kernel's symbol.
  const uint32_t symbol = sections.find(text)->sh_info & 0xffffff;
  const std::optional<uint32_t> registers = registersOf(info, symbol);
  if (!registers) {
    return corruptError("the machine code of kernel " + name +
                        " does not state its number of registers");
  }
  CubinFacts facts;
  facts.codeBytes = code.size();
  facts.registers = *registers;
  // For GPUs on which CUDA reserves shared memory, the size of the section
  // includes the reserved memory, which is subtracted here.
  if (const Elf64_Shdr *shared = sections.find(".nv.shared." + name)) {
    const bool hasReserved = sections.find(".nv.shared.reserved.0") != nullptr;
    facts.staticSharedBytes =
        shared->sh_size -
        std::min<uint64_t>(shared->sh_size,
                           hasReserved ? kReservedSharedBytes : 0);
  }
  return facts;
}

Result<std::map<uint32_t, uint64_t>>
countInstructions(std::span<const uint8_t> cubin, const std::string &name) {
  AIR_ASSIGN_OR_RETURN(const Sections sections, Sections::open(cubin, name));
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> code,
                       sections.content(".text." + name, kInstructionBytes));
  std::map<uint32_t, uint64_t> counts;
  uint64_t trailing = 0;
  for (uint64_t at = 0; at < code.size(); at += kInstructionBytes) {
    uint16_t first = 0;
    std::memcpy(&first, code.data() + at, 2);
    const uint32_t kind = first & 0x1ff;
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
  AIR_ASSIGN_OR_RETURN(const Sections sections, Sections::open(cubin, name));
  AIR_ASSIGN_OR_RETURN(const std::span<const uint8_t> records,
                       sections.content(wanted, 4));
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
