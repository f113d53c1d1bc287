//===- ElfLoader.cpp - relocatable objects as callable kernels ------------===//
#include "runtime/hal/ElfLoader.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

namespace air::rt {
namespace {

// The section type SHT_X86_64_UNWIND, which some versions of elf.h lack.
constexpr uint32_t kSectionX86Unwind = 0x70000001;

// The largest alignment of a section, in bytes. It limits the padding between
// sections.
constexpr uint64_t kMaxAlignment = 4096;

std::string number(uint64_t value) { return std::to_string(value); }

const char *machineName(uint64_t machine) {
  switch (machine) {
  case static_cast<uint64_t>(ElfMachine::X86_64):
    return "x86-64";
  case static_cast<uint64_t>(ElfMachine::Aarch64):
    return "aarch64";
  default:
    return "an unknown machine";
  }
}

// An object may have any alignment in memory, so its records are copied out.
template <typename T> T recordAt(std::span<const uint8_t> bytes, uint64_t at) {
  T record;
  std::memcpy(&record, bytes.data() + at, sizeof(T));
  return record;
}

Result<std::string_view> stringAt(std::span<const uint8_t> table,
                                  uint64_t offset, const char *what) {
  if (offset >= table.size()) {
    return corruptError("the " + std::string(what) + " name at offset " +
                        number(offset) + " lies outside its string table of " +
                        number(table.size()) + " bytes");
  }
  const auto *start = reinterpret_cast<const char *>(table.data()) + offset;
  const void *end = std::memchr(start, 0, table.size() - offset);
  if (end == nullptr) {
    return corruptError("the " + std::string(what) + " name at offset " +
                        number(offset) +
                        " does not end within its string table of " +
                        number(table.size()) + " bytes");
  }
  return std::string_view(start, static_cast<const char *>(end) - start);
}

constexpr uint64_t kNotLoaded = ~uint64_t(0);

/// Reads one object. Every member function that takes a section index expects
/// an index that has been checked against sections.size().
class ObjectReader {
public:
  explicit ObjectReader(std::span<const uint8_t> object) : object(object) {}

  Status readHeader(ElfMachine machine);
  Status placeSections();
  void copySections(uint8_t *image) const;
  Status readSymbols();
  Status relocate(ElfMachine machine, uint8_t *image) const;

  uint64_t imageBytes() const { return imageSize; }
  std::vector<std::pair<std::string, uint64_t>> takeFunctions() {
    return std::move(functions);
  }

private:
  std::string sectionLabel(uint64_t index) const {
    return "section " + number(index);
  }
  Result<std::span<const uint8_t>> contents(uint64_t index) const;
  Status placeSection(uint64_t index);
  Status readSymbol(const Elf64_Sym &symbol, uint64_t index,
                    std::span<const uint8_t> names);
  Status relocateSection(ElfMachine machine, uint64_t index,
                         uint8_t *image) const;
  Result<uint64_t> symbolOffset(uint64_t index) const;

  std::span<const uint8_t> object;
  std::vector<Elf64_Shdr> sections;
  // For each section, its offset in the image, or kNotLoaded.
  std::vector<uint64_t> places;
  std::vector<Elf64_Sym> symbols;
  std::vector<std::pair<std::string, uint64_t>> functions;
  uint64_t symbolSection = 0;
  uint64_t imageSize = 0;
};

Status ObjectReader::readHeader(ElfMachine machine) {
  if (object.size() < sizeof(Elf64_Ehdr)) {
    return corruptError("the object of " + number(object.size()) +
                        " bytes is smaller than an ELF header of " +
                        number(sizeof(Elf64_Ehdr)));
  }
  const auto header = recordAt<Elf64_Ehdr>(object, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return corruptError("the object does not begin with the ELF magic number");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_ident[EI_VERSION] != EV_CURRENT ||
      header.e_version != EV_CURRENT) {
    return corruptError(
        "the object is not a 64-bit little-endian ELF file of version 1");
  }
  if (header.e_type != ET_REL) {
    return corruptError("the ELF type is " + number(header.e_type) +
                        ", but a relocatable object has type " +
                        number(ET_REL));
  }
  if (header.e_machine != static_cast<uint16_t>(machine)) {
    return mismatchError("the object is for " +
                         std::string(machineName(header.e_machine)) + " (" +
                         number(header.e_machine) + "), but this machine is " +
                         machineName(static_cast<uint64_t>(machine)) + " (" +
                         number(static_cast<uint64_t>(machine)) + ")");
  }
  if (header.e_shentsize != sizeof(Elf64_Shdr)) {
    return corruptError("the section header size is " +
                        number(header.e_shentsize) + ", but must be " +
                        number(sizeof(Elf64_Shdr)));
  }
  const uint64_t tableBytes = uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
  if (header.e_shnum == 0 ||
      !rangeFits(header.e_shoff, tableBytes, object.size())) {
    return corruptError("the section table of " + number(header.e_shnum) +
                        " entries at offset " + number(header.e_shoff) +
                        " does not lie in the object of " +
                        number(object.size()) + " bytes");
  }
  sections.resize(header.e_shnum);
  std::memcpy(sections.data(), object.data() + header.e_shoff, tableBytes);
  places.assign(sections.size(), kNotLoaded);
  return Status::ok();
}

Result<std::span<const uint8_t>> ObjectReader::contents(uint64_t index) const {
  const Elf64_Shdr &section = sections[index];
  if (!rangeFits(section.sh_offset, section.sh_size, object.size())) {
    return corruptError(sectionLabel(index) + " of " + number(section.sh_size) +
                        " bytes at offset " + number(section.sh_offset) +
                        " does not lie in the object of " +
                        number(object.size()) + " bytes");
  }
  return object.subspan(section.sh_offset, section.sh_size);
}

Status ObjectReader::placeSection(uint64_t index) {
  const Elf64_Shdr &section = sections[index];
  // Unwind tables and notes are not loaded, because kernels neither throw nor
  // unwind.
  if ((section.sh_flags & SHF_ALLOC) == 0 || section.sh_type == SHT_NOTE ||
      section.sh_type == kSectionX86Unwind) {
    return Status::ok();
  }
  if (section.sh_size == 0 && section.sh_type == SHT_NOBITS) {
    return Status::ok();
  }
  if (section.sh_type != SHT_PROGBITS) {
    return unsupportedError(sectionLabel(index) + " has type " +
                            number(section.sh_type) +
                            "; kernels may only have sections of type " +
                            number(SHT_PROGBITS) + " (PROGBITS)");
  }
  constexpr uint64_t kKnownFlags = SHF_ALLOC | SHF_EXECINSTR | SHF_MERGE |
                                   SHF_STRINGS | SHF_GROUP | SHF_WRITE;
  if ((section.sh_flags & ~kKnownFlags) != 0 ||
      ((section.sh_flags & SHF_WRITE) != 0 && section.sh_size != 0)) {
    return unsupportedError(
        sectionLabel(index) + " has flags " + number(section.sh_flags) +
        "; sections of kernels may hold only code and constants");
  }
  AIR_ASSIGN_OR_RETURN([[maybe_unused]] auto bytes, contents(index));
  const uint64_t alignment = std::max<uint64_t>(section.sh_addralign, 1);
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
    return corruptError(sectionLabel(index) + " has an alignment of " +
                        number(section.sh_addralign) +
                        ", which is not a power of two up to " +
                        number(kMaxAlignment));
  }
  const uint64_t place = alignUp(imageSize, alignment);
  if (!rangeFits(place, section.sh_size, kMaxElfImageBytes)) {
    return doesNotFitError(sectionLabel(index) + " of " +
                           number(section.sh_size) + " bytes at offset " +
                           number(place) +
                           " exceeds the largest permitted image of " +
                           number(kMaxElfImageBytes) + " bytes");
  }
  places[index] = place;
  imageSize = place + section.sh_size;
  return Status::ok();
}

// Places code first and constants after it, which keeps branches short.
Status ObjectReader::placeSections() {
  for (const bool code : {true, false}) {
    for (uint64_t index = 1; index < sections.size(); ++index) {
      if (((sections[index].sh_flags & SHF_EXECINSTR) != 0) == code) {
        AIR_RETURN_IF_ERROR(placeSection(index));
      }
    }
  }
  if (imageSize == 0) {
    return corruptError("the object has no code");
  }
  return Status::ok();
}

void ObjectReader::copySections(uint8_t *image) const {
  for (uint64_t index = 0; index < sections.size(); ++index) {
    if (places[index] != kNotLoaded && sections[index].sh_size != 0) {
      std::memcpy(image + places[index],
                  object.data() + sections[index].sh_offset,
                  sections[index].sh_size);
    }
  }
}

Status ObjectReader::readSymbols() {
  for (uint64_t index = 1; index < sections.size(); ++index) {
    if (sections[index].sh_type != SHT_SYMTAB) {
      continue;
    }
    if (symbolSection != 0) {
      return corruptError("the object has two symbol tables, sections " +
                          number(symbolSection) + " and " + number(index));
    }
    symbolSection = index;
  }
  if (symbolSection == 0) {
    return corruptError("the object has no symbol table");
  }
  const Elf64_Shdr &section = sections[symbolSection];
  AIR_ASSIGN_OR_RETURN(auto bytes, contents(symbolSection));
  if (section.sh_entsize != sizeof(Elf64_Sym) ||
      bytes.size() % sizeof(Elf64_Sym) != 0) {
    return corruptError("the symbol table of " + number(bytes.size()) +
                        " bytes has entries of " + number(section.sh_entsize) +
                        " bytes, but must consist of whole entries of " +
                        number(sizeof(Elf64_Sym)) + " bytes");
  }
  if (section.sh_link == 0 || section.sh_link >= sections.size() ||
      sections[section.sh_link].sh_type != SHT_STRTAB) {
    return corruptError("the symbol table refers to section " +
                        number(section.sh_link) + " of " +
                        number(sections.size()) +
                        " as its string table, but that is not a string table");
  }
  AIR_ASSIGN_OR_RETURN(auto names, contents(section.sh_link));
  symbols.resize(bytes.size() / sizeof(Elf64_Sym));
  if (!symbols.empty()) {
    std::memcpy(symbols.data(), bytes.data(), bytes.size());
  }
  for (uint64_t index = 1; index < symbols.size(); ++index) {
    AIR_RETURN_IF_ERROR(readSymbol(symbols[index], index, names));
  }
  std::sort(functions.begin(), functions.end());
  for (uint64_t i = 1; i < functions.size(); ++i) {
    if (functions[i].first == functions[i - 1].first) {
      return corruptError("symbol '" + functions[i].first +
                          "' is defined twice, at offsets " +
                          number(functions[i - 1].second) + " and " +
                          number(functions[i].second));
    }
  }
  return Status::ok();
}

Status ObjectReader::readSymbol(const Elf64_Sym &symbol, uint64_t index,
                                std::span<const uint8_t> names) {
  AIR_ASSIGN_OR_RETURN(std::string_view name,
                       stringAt(names, symbol.st_name, "symbol"));
  const unsigned type = ELF64_ST_TYPE(symbol.st_info);
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  if (type == STT_FILE) {
    return Status::ok();
  }
  if (symbol.st_shndx == SHN_UNDEF) {
    return unsupportedError("symbol '" + std::string(name) +
                            "' is undefined; kernels may not refer to other "
                            "objects");
  }
  if (symbol.st_shndx >= sections.size()) {
    return corruptError("symbol " + number(index) + " lies in section " +
                        number(symbol.st_shndx) + ", but there are only " +
                        number(sections.size()) + " sections");
  }
  const Elf64_Shdr &section = sections[symbol.st_shndx];
  if (places[symbol.st_shndx] == kNotLoaded) {
    // The symbol belongs to unwind tables or debug info, so it is not needed.
    return Status::ok();
  }
  if (!rangeFits(symbol.st_value, symbol.st_size, section.sh_size)) {
    return corruptError("symbol " + number(index) + " (" +
                        number(symbol.st_size) + " bytes at offset " +
                        number(symbol.st_value) + ") extends beyond " +
                        sectionLabel(symbol.st_shndx) + " (" +
                        number(section.sh_size) + " bytes)");
  }
  if (type == STT_TLS || type == STT_GNU_IFUNC) {
    return unsupportedError("symbol '" + std::string(name) + "' has type " +
                            number(type) +
                            ", which only a dynamic linker can resolve; "
                            "kernels are plain functions and data");
  }
  if (binding == STB_GLOBAL && type == STT_FUNC &&
      ELF64_ST_VISIBILITY(symbol.st_other) == STV_DEFAULT &&
      (section.sh_flags & SHF_EXECINSTR) != 0 &&
      symbol.st_value < section.sh_size) {
    functions.emplace_back(name, places[symbol.st_shndx] + symbol.st_value);
  }
  return Status::ok();
}

Result<uint64_t> ObjectReader::symbolOffset(uint64_t index) const {
  if (index == 0 || index >= symbols.size()) {
    return corruptError("a relocation refers to symbol " + number(index) +
                        ", but the object has " + number(symbols.size()) +
                        " symbols, of which symbol 0 is reserved");
  }
  const Elf64_Sym &symbol = symbols[index];
  if (symbol.st_shndx >= sections.size() ||
      places[symbol.st_shndx] == kNotLoaded) {
    return corruptError("a relocation refers to symbol " + number(index) +
                        " in section " + number(symbol.st_shndx) +
                        ", which is not loaded");
  }
  return places[symbol.st_shndx] + symbol.st_value;
}

Status ObjectReader::relocateSection(ElfMachine machine, uint64_t index,
                                     uint8_t *image) const {
  const Elf64_Shdr &section = sections[index];
  if (section.sh_info == 0 || section.sh_info >= sections.size()) {
    return corruptError(sectionLabel(index) + " relocates section " +
                        number(section.sh_info) + ", but the object has " +
                        number(sections.size()) +
                        " sections, of which section 0 is reserved");
  }
  if (places[section.sh_info] == kNotLoaded) {
    return Status::ok();
  }
  if (section.sh_type != SHT_RELA) {
    return unsupportedError(sectionLabel(index) + " has relocations of type " +
                            number(section.sh_type) +
                            "; only relocations with addends (type " +
                            number(SHT_RELA) + ") are supported");
  }
  AIR_ASSIGN_OR_RETURN(auto bytes, contents(index));
  if (section.sh_entsize != sizeof(Elf64_Rela) ||
      bytes.size() % sizeof(Elf64_Rela) != 0 ||
      section.sh_link != symbolSection) {
    return corruptError(
        sectionLabel(index) + " of " + number(bytes.size()) +
        " bytes has entries of " + number(section.sh_entsize) +
        " bytes and symbols from section " + number(section.sh_link) +
        ", but must consist of whole entries of " + number(sizeof(Elf64_Rela)) +
        " bytes and symbols from section " + number(symbolSection));
  }
  const uint64_t limit = sections[section.sh_info].sh_size;
  for (uint64_t at = 0; at < bytes.size(); at += sizeof(Elf64_Rela)) {
    const auto relocation = recordAt<Elf64_Rela>(bytes, at);
    const auto type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
    AIR_ASSIGN_OR_RETURN(const uint64_t width, relocationWidth(machine, type));
    if (width == 0) {
      continue;
    }
    if (!rangeFits(relocation.r_offset, width, limit)) {
      return corruptError("a relocation of " + number(width) +
                          " bytes at offset " + number(relocation.r_offset) +
                          " does not lie in " + sectionLabel(section.sh_info) +
                          " of " + number(limit) + " bytes");
    }
    AIR_ASSIGN_OR_RETURN(const uint64_t target,
                         symbolOffset(ELF64_R_SYM(relocation.r_info)));
    uint8_t *place = image + places[section.sh_info] + relocation.r_offset;
    AIR_RETURN_IF_ERROR(applyRelocation(
        machine, type, place, reinterpret_cast<uint64_t>(place),
        reinterpret_cast<uint64_t>(image + target), relocation.r_addend));
  }
  return Status::ok();
}

Status ObjectReader::relocate(ElfMachine machine, uint8_t *image) const {
  for (uint64_t index = 1; index < sections.size(); ++index) {
    const uint32_t type = sections[index].sh_type;
    if (type == SHT_RELA || type == SHT_REL || type == SHT_RELR) {
      AIR_RETURN_IF_ERROR(relocateSection(machine, index, image));
    }
  }
  return Status::ok();
}

} // namespace

ElfMachine hostElfMachine() {
#if defined(__x86_64__)
  return ElfMachine::X86_64;
#elif defined(__aarch64__)
  return ElfMachine::Aarch64;
#else
#error "airrun runs on x86-64 and aarch64"
#endif
}

ElfImage::~ElfImage() {
  if (base != nullptr) {
    munmap(base, size);
  }
}

ElfImage::ElfImage(ElfImage &&other) noexcept
    : base(std::exchange(other.base, nullptr)),
      size(std::exchange(other.size, 0)), entries(std::move(other.entries)),
      origin(std::move(other.origin)) {}

ElfImage &ElfImage::operator=(ElfImage &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  std::swap(entries, other.entries);
  std::swap(origin, other.origin);
  return *this;
}

Result<ElfImage> ElfImage::load(std::span<const uint8_t> object,
                                const std::string &where) {
  return loadFor(hostElfMachine(), object, where);
}

Result<ElfImage> ElfImage::loadFor(ElfMachine machine,
                                   std::span<const uint8_t> object,
                                   const std::string &where) {
  ObjectReader reader(object);
  if (Status status = reader.readHeader(machine); !status.isOk()) {
    return status.withContext(where);
  }
  if (Status status = reader.placeSections(); !status.isOk()) {
    return status.withContext(where);
  }
  if (Status status = reader.readSymbols(); !status.isOk()) {
    return status.withContext(where);
  }
  const auto pageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t mapped = alignUp(reader.imageBytes(), pageBytes);
  void *region = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) {
    return ioError(where + ": cannot map " + number(mapped) +
                   " bytes for kernels: " + std::strerror(errno));
  }
  ElfImage image;
  image.base = static_cast<uint8_t *>(region);
  image.size = mapped;
  image.origin = where;
  reader.copySections(image.base);
  if (Status status = reader.relocate(machine, image.base); !status.isOk()) {
    return status.withContext(where);
  }
  if (mprotect(region, mapped, PROT_READ | PROT_EXEC) != 0) {
    return ioError(where +
                   ": cannot make kernels executable: " + std::strerror(errno));
  }
  __builtin___clear_cache(reinterpret_cast<char *>(image.base),
                          reinterpret_cast<char *>(image.base) + mapped);
  image.entries = reader.takeFunctions();
  return image;
}

Result<AirKernelFn> ElfImage::entry(std::string_view name) const {
  const auto found =
      std::lower_bound(entries.begin(), entries.end(), name,
                       [](const auto &entry, std::string_view key) {
                         return entry.first < key;
                       });
  if (found == entries.end() || found->first != name) {
    return corruptError(origin + ": none of its " + number(entries.size()) +
                        " kernels is called '" + std::string(name) + "'");
  }
  return reinterpret_cast<AirKernelFn>(base + found->second);
}

} // namespace air::rt
