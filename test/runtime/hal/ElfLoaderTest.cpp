//===- ElfLoaderTest.cpp - loads, runs and refuses object files -----------===//
#include "runtime/hal/ElfLoader.h"

#include <cstring>
#include <elf.h>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <random>

namespace air::rt {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes readObject(const char *path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

template <typename T> T get(const Bytes &bytes, uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}
template <typename T> void set(Bytes &bytes, uint64_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

Elf64_Ehdr headerOf(const Bytes &bytes) { return get<Elf64_Ehdr>(bytes, 0); }

uint64_t sectionAt(const Bytes &bytes, uint64_t index) {
  return headerOf(bytes).e_shoff + index * sizeof(Elf64_Shdr);
}

// Returns the index of the first section for which `accepts` returns true. If
// there is none, the test fails.
uint64_t findSection(const Bytes &bytes,
                     const std::function<bool(const Elf64_Shdr &)> &accepts) {
  for (uint64_t i = 1; i < headerOf(bytes).e_shnum; ++i) {
    if (accepts(get<Elf64_Shdr>(bytes, sectionAt(bytes, i)))) {
      return i;
    }
  }
  ADD_FAILURE() << "the fixture lacks a section that the test changes";
  return 0;
}

uint64_t ofType(const Bytes &bytes, uint32_t type) {
  return findSection(bytes,
                     [type](const Elf64_Shdr &s) { return s.sh_type == type; });
}

uint64_t codeSection(const Bytes &bytes) {
  return findSection(bytes, [](const Elf64_Shdr &s) {
    return (s.sh_flags & SHF_EXECINSTR) != 0 && s.sh_size != 0;
  });
}

void editSection(Bytes &bytes, uint64_t index,
                 const std::function<void(Elf64_Shdr &)> &edit) {
  auto section = get<Elf64_Shdr>(bytes, sectionAt(bytes, index));
  edit(section);
  set(bytes, sectionAt(bytes, index), section);
}

// Changes the last symbol that is a function.
void editFunction(Bytes &bytes, const std::function<void(Elf64_Sym &)> &edit) {
  const auto table =
      get<Elf64_Shdr>(bytes, sectionAt(bytes, ofType(bytes, SHT_SYMTAB)));
  for (uint64_t at = table.sh_offset + table.sh_size; at > table.sh_offset;) {
    at -= sizeof(Elf64_Sym);
    auto symbol = get<Elf64_Sym>(bytes, at);
    if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) {
      edit(symbol);
      set(bytes, at, symbol);
      return;
    }
  }
  ADD_FAILURE() << "the fixture lacks a function";
}

// Changes the first relocation of the code.
void editRelocation(Bytes &bytes,
                    const std::function<void(Elf64_Rela &)> &edit) {
  const auto table =
      get<Elf64_Shdr>(bytes, sectionAt(bytes, ofType(bytes, SHT_RELA)));
  auto relocation = get<Elf64_Rela>(bytes, table.sh_offset);
  edit(relocation);
  set(bytes, table.sh_offset, relocation);
}

TEST(ElfLoader, RunsWhatTheCompilerMade) {
  const Bytes object = readObject(AIR_FIXTURE_NATIVE);
  Result<ElfImage> image = ElfImage::load(object, "fixture");
  ASSERT_TRUE(image.isOk()) << image.status().message();
  Result<AirKernelFn> run = image->entry("fixtureRun");
  ASSERT_TRUE(run.isOk()) << run.status().message();
  alignas(64) double in[5] = {1, 2, 3, 4, 5};
  alignas(64) double out[5] = {};
  void *bindings[2] = {in, out};
  const AirDispatch dispatch{nullptr, bindings};
  (*run)(&dispatch, 3, 5, nullptr);
  (*run)(&dispatch, 0, 3, nullptr);
  // KernelFixture.c sets out[i] to
  // 2 * in[i] + fixtureTable[(3 * i) % 5] + fixtureKind(i).
  EXPECT_THAT(out,
              testing::ElementsAre(2 + 1.5 + 17, 4 + 8.25 + 4, 6 + 2.5 + 99,
                                   8 + 16 + 1, 10 + 4 + 1234));
}

TEST(ElfLoader, KnowsOnlyPublicFunctionsByName) {
  const Bytes object = readObject(AIR_FIXTURE_NATIVE);
  Result<ElfImage> image = ElfImage::load(object, "fixture");
  ASSERT_TRUE(image.isOk()) << image.status().message();
  std::vector<std::string> names;
  for (const auto &[name, offset] : image->functions()) {
    names.push_back(name);
    EXPECT_LT(offset, image->bytes().size());
  }
  EXPECT_THAT(names, testing::ElementsAre("fixtureNothing", "fixtureRun"));
  for (const char *name : {"fixturePick", "fixtureRu", "fixtureRun2", ""}) {
    const Status status = image->entry(name).status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << name;
    EXPECT_THAT(status.message(), testing::HasSubstr(name));
  }
}

TEST(ElfLoader, MovesLeaveOneOwner) {
  const Bytes object = readObject(AIR_FIXTURE_NATIVE);
  Result<ElfImage> loaded = ElfImage::load(object, "fixture");
  ASSERT_TRUE(loaded.isOk());
  ElfImage first = *std::move(loaded);
  ElfImage second;
  second = std::move(first);
  ASSERT_TRUE(second.entry("fixtureNothing").isOk());
  (*second.entry("fixtureNothing"))(nullptr, 0, 1, nullptr);
}

#if defined(AIR_FIXTURE_X86_64) && defined(AIR_FIXTURE_AARCH64)
TEST(ElfLoader, LoadsForeignMachinesOnlyWhenAsked) {
  const std::pair<ElfMachine, const char *> machines[] = {
      {ElfMachine::X86_64, AIR_FIXTURE_X86_64},
      {ElfMachine::Aarch64, AIR_FIXTURE_AARCH64}};
  for (const auto &[machine, path] : machines) {
    const Bytes object = readObject(path);
    Result<ElfImage> image = ElfImage::loadFor(machine, object, "fixture");
    ASSERT_TRUE(image.isOk()) << image.status().message();
    EXPECT_EQ(image->functions().size(), 2U);
    if (machine != hostElfMachine()) {
      const Status status = ElfImage::load(object, "fixture").status();
      EXPECT_EQ(status.code(), ErrorCode::Mismatch);
      EXPECT_THAT(status.message(), testing::HasSubstr("x86-64"));
      EXPECT_THAT(status.message(), testing::HasSubstr("aarch64"));
    }
  }
}

// Each call in fixtureRun of the aarch64 fixture must lead to code before
// fixtureNothing, which is the last function.
TEST(ElfLoader, Aarch64CallsReachTheirFunctions) {
  const Bytes object = readObject(AIR_FIXTURE_AARCH64);
  Result<ElfImage> image =
      ElfImage::loadFor(ElfMachine::Aarch64, object, "fixture");
  ASSERT_TRUE(image.isOk()) << image.status().message();
  const std::span<const uint8_t> bytes = image->bytes();
  int calls = 0;
  for (uint64_t at = image->functions()[1].second;; at += 4) {
    ASSERT_LE(at + 4, bytes.size());
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + at, 4);
    if (word == 0xd65f03c0) { // the instruction ret
      break;
    }
    if (word >> 26 == 0x25) { // the instruction bl (call)
      const int64_t distance = (int32_t(word << 6) >> 6) * int64_t(4);
      EXPECT_LT(at + distance, image->functions()[0].second);
      EXPECT_NE(distance, 0);
      ++calls;
    }
  }
  EXPECT_EQ(calls, 2);
}
#endif

struct Malformed {
  const char *name;
  std::function<void(Bytes &)> damage;
  ErrorCode code;
  const char *message;
};

const Malformed kMalformed[] = {
    {"empty", [](Bytes &b) { b.clear(); }, ErrorCode::Corrupt, "0 bytes"},
    {"header cut", [](Bytes &b) { b.resize(63); }, ErrorCode::Corrupt, "63"},
    {"magic", [](Bytes &b) { b[0] = 0x7e; }, ErrorCode::Corrupt, "magic"},
    {"32-bit", [](Bytes &b) { b[EI_CLASS] = ELFCLASS32; }, ErrorCode::Corrupt,
     "64-bit"},
    {"big-endian", [](Bytes &b) { b[EI_DATA] = ELFDATA2MSB; },
     ErrorCode::Corrupt, "little-endian"},
    {"identification version", [](Bytes &b) { b[EI_VERSION] = 9; },
     ErrorCode::Corrupt, "version"},
    {"shared object",
     [](Bytes &b) { set<uint16_t>(b, offsetof(Elf64_Ehdr, e_type), ET_DYN); },
     ErrorCode::Corrupt, "ELF type is 3"},
    {"another machine",
     [](Bytes &b) {
       set<uint16_t>(b, offsetof(Elf64_Ehdr, e_machine), EM_RISCV);
     },
     ErrorCode::Mismatch, "243"},
    {"section header size",
     [](Bytes &b) { set<uint16_t>(b, offsetof(Elf64_Ehdr, e_shentsize), 63); },
     ErrorCode::Corrupt, "63"},
    {"no sections",
     [](Bytes &b) { set<uint16_t>(b, offsetof(Elf64_Ehdr, e_shnum), 0); },
     ErrorCode::Corrupt, "0 entries"},
    {"too many sections",
     [](Bytes &b) { set<uint16_t>(b, offsetof(Elf64_Ehdr, e_shnum), 65535); },
     ErrorCode::Corrupt, "65535"},
    {"section table past the end",
     [](Bytes &b) {
       set<uint64_t>(b, offsetof(Elf64_Ehdr, e_shoff), ~uint64_t(0));
     },
     ErrorCode::Corrupt, "18446744073709551615"},
    {"truncated", [](Bytes &b) { b.resize(b.size() - 1); }, ErrorCode::Corrupt,
     "does not lie in the object"},
    {"code past the end",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_offset = ~uint64_t(0) - 8; });
     },
     ErrorCode::Corrupt, "18446744073709551607"},
    {"code larger than the object",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_size = uint64_t(1) << 40; });
     },
     ErrorCode::Corrupt, "1099511627776"},
    {"odd alignment",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_addralign = 24; });
     },
     ErrorCode::Corrupt, "24"},
    {"huge alignment",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_addralign = uint64_t(1) << 63; });
     },
     ErrorCode::Corrupt, "9223372036854775808"},
    // In a larger image, a call on aarch64 could not reach every function.
    {"code of more than 128 MiB",
     [](Bytes &b) {
       const uint64_t end = b.size();
       const uint64_t bytes = (uint64_t{128} << 20) + 1;
       b.resize(end + bytes);
       editSection(b, codeSection(b), [&](Elf64_Shdr &s) {
         s.sh_offset = end;
         s.sh_size = bytes;
       });
     },
     ErrorCode::DoesNotFit, "the largest permitted image of 134217728 bytes"},
    {"writable data",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_flags |= SHF_WRITE; });
     },
     ErrorCode::Unsupported, "flags"},
    {"thread-local data",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_flags |= SHF_TLS; });
     },
     ErrorCode::Unsupported, "flags"},
    {"compressed",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_flags |= SHF_COMPRESSED; });
     },
     ErrorCode::Unsupported, "flags"},
    {"zero-filled data",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_type = SHT_NOBITS; });
     },
     ErrorCode::Unsupported, "type 8"},
    {"constructors",
     [](Bytes &b) {
       editSection(b, codeSection(b),
                   [](Elf64_Shdr &s) { s.sh_type = SHT_INIT_ARRAY; });
     },
     ErrorCode::Unsupported, "type 14"},
    {"no code",
     [](Bytes &b) {
       for (uint64_t i = 1; i < headerOf(b).e_shnum; ++i) {
         editSection(b, i, [](Elf64_Shdr &s) { s.sh_flags = 0; });
       }
     },
     ErrorCode::Corrupt, "no code"},
    {"no symbols",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_SYMTAB),
                   [](Elf64_Shdr &s) { s.sh_type = SHT_NULL; });
     },
     ErrorCode::Corrupt, "no symbol table"},
    {"two symbol tables",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_STRTAB),
                   [](Elf64_Shdr &s) { s.sh_type = SHT_SYMTAB; });
     },
     ErrorCode::Corrupt, "two symbol tables"},
    {"symbol entry size",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_SYMTAB),
                   [](Elf64_Shdr &s) { s.sh_entsize = 16; });
     },
     ErrorCode::Corrupt, "entries of 16"},
    {"half a symbol",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_SYMTAB),
                   [](Elf64_Shdr &s) { s.sh_size -= 1; });
     },
     ErrorCode::Corrupt, "symbol table of"},
    {"symbols past the end",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_SYMTAB),
                   [](Elf64_Shdr &s) { s.sh_size = 24 * uint64_t(1) << 32; });
     },
     ErrorCode::Corrupt, "does not lie in the object"},
    {"names in no section",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_SYMTAB),
                   [](Elf64_Shdr &s) { s.sh_link = 60000; });
     },
     ErrorCode::Corrupt, "60000"},
    {"names in a section of code",
     [](Bytes &b) {
       const auto code = static_cast<uint32_t>(codeSection(b));
       editSection(b, ofType(b, SHT_SYMTAB),
                   [code](Elf64_Shdr &s) { s.sh_link = code; });
     },
     ErrorCode::Corrupt, "string table"},
    {"name past the table",
     [](Bytes &b) {
       editFunction(b, [](Elf64_Sym &s) { s.st_name = 0xfffffff0; });
     },
     ErrorCode::Corrupt, "4294967280"},
    {"name without an end",
     [](Bytes &b) {
       const auto symbols =
           get<Elf64_Shdr>(b, sectionAt(b, ofType(b, SHT_SYMTAB)));
       const auto names = get<Elf64_Shdr>(b, sectionAt(b, symbols.sh_link));
       std::memset(b.data() + names.sh_offset, 'x', names.sh_size);
     },
     ErrorCode::Corrupt, "does not end"},
    {"undefined symbol",
     [](Bytes &b) {
       editFunction(b, [](Elf64_Sym &s) { s.st_shndx = SHN_UNDEF; });
     },
     ErrorCode::Unsupported, "'fixture"},
    {"common symbol",
     [](Bytes &b) {
       editFunction(b, [](Elf64_Sym &s) { s.st_shndx = SHN_COMMON; });
     },
     ErrorCode::Corrupt, "65522"},
    {"symbol past its section",
     [](Bytes &b) {
       editFunction(b, [](Elf64_Sym &s) { s.st_value = ~uint64_t(0); });
     },
     ErrorCode::Corrupt, "18446744073709551615"},
    {"symbol larger than its section",
     [](Bytes &b) {
       editFunction(b, [](Elf64_Sym &s) { s.st_size = uint64_t(1) << 33; });
     },
     ErrorCode::Corrupt, "8589934592"},
    {"indirect function",
     [](Bytes &b) {
       editFunction(b, [](Elf64_Sym &s) {
         s.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC);
       });
     },
     ErrorCode::Unsupported, "type 10"},
    {"the same name twice",
     [](Bytes &b) {
       uint32_t name = 0;
       editFunction(b, [&name](Elf64_Sym &s) { name = s.st_name; });
       const auto table =
           get<Elf64_Shdr>(b, sectionAt(b, ofType(b, SHT_SYMTAB)));
       for (uint64_t at = 0; at < table.sh_size; at += sizeof(Elf64_Sym)) {
         auto symbol = get<Elf64_Sym>(b, table.sh_offset + at);
         if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) {
           symbol.st_name = name;
           set(b, table.sh_offset + at, symbol);
         }
       }
     },
     ErrorCode::Corrupt, "defined twice"},
    {"relocations of no section",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_RELA),
                   [](Elf64_Shdr &s) { s.sh_info = 50000; });
     },
     ErrorCode::Corrupt, "50000"},
    {"relocations without addends",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_RELA),
                   [](Elf64_Shdr &s) { s.sh_type = SHT_REL; });
     },
     ErrorCode::Unsupported, "type 9"},
    {"relocation entry size",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_RELA),
                   [](Elf64_Shdr &s) { s.sh_entsize = 16; });
     },
     ErrorCode::Corrupt, "entries of 16"},
    {"relocations with other symbols",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_RELA),
                   [](Elf64_Shdr &s) { s.sh_link = 1; });
     },
     ErrorCode::Corrupt, "symbols from section 1,"},
    {"relocations past the end",
     [](Bytes &b) {
       editSection(b, ofType(b, SHT_RELA),
                   [](Elf64_Shdr &s) { s.sh_offset = uint64_t(1) << 62; });
     },
     ErrorCode::Corrupt, "does not lie in the object"},
    {"relocation past its section",
     [](Bytes &b) {
       editRelocation(b, [](Elf64_Rela &r) { r.r_offset = ~uint64_t(0) - 1; });
     },
     ErrorCode::Corrupt, "18446744073709551614"},
    {"relocation of no symbol",
     [](Bytes &b) {
       editRelocation(b, [](Elf64_Rela &r) {
         r.r_info = ELF64_R_INFO(9999, ELF64_R_TYPE(r.r_info));
       });
     },
     ErrorCode::Corrupt, "9999"},
    {"relocation of the null symbol",
     [](Bytes &b) {
       editRelocation(b, [](Elf64_Rela &r) {
         r.r_info = ELF64_R_INFO(0, ELF64_R_TYPE(r.r_info));
       });
     },
     ErrorCode::Corrupt, "symbol 0,"},
    {"relocation of an unknown type",
     [](Bytes &b) {
       editRelocation(b, [](Elf64_Rela &r) {
         r.r_info = ELF64_R_INFO(ELF64_R_SYM(r.r_info), 7777);
       });
     },
     ErrorCode::Unsupported, "7777"},
};

TEST(ElfLoader, MalformedObjectsAreRefusedByName) {
  const Bytes good = readObject(AIR_FIXTURE_NATIVE);
  ASSERT_TRUE(ElfImage::load(good, "fixture").isOk());
  for (const Malformed &test : kMalformed) {
    Bytes bad = good;
    test.damage(bad);
    const Status status = ElfImage::load(bad, "fixture").status();
    EXPECT_EQ(status.code(), test.code)
        << test.name << ": " << status.message();
    EXPECT_THAT(status.message(), testing::HasSubstr(test.message))
        << test.name;
    EXPECT_THAT(status.message(), testing::StartsWith("fixture: "))
        << test.name;
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << test.name;
  }
}

TEST(ElfLoader, ImagesAreBoundedWhateverSectionsClaim) {
  // In this object, many sections claim the same large range of bytes.
  Bytes object = readObject(AIR_FIXTURE_NATIVE);
  const uint64_t bulk = object.size();
  object.resize(bulk + (8U << 20));
  const uint64_t sections = headerOf(object).e_shnum;
  const uint64_t table = object.size();
  object.resize(table + (sections + 32) * sizeof(Elf64_Shdr));
  std::memcpy(object.data() + table, object.data() + sectionAt(object, 0),
              sections * sizeof(Elf64_Shdr));
  for (uint64_t i = 0; i < 32; ++i) {
    Elf64_Shdr section = {};
    section.sh_type = SHT_PROGBITS;
    section.sh_flags = SHF_ALLOC;
    section.sh_offset = bulk;
    section.sh_size = 8U << 20;
    set(object, table + (sections + i) * sizeof(Elf64_Shdr), section);
  }
  set<uint64_t>(object, offsetof(Elf64_Ehdr, e_shoff), table);
  set<uint16_t>(object, offsetof(Elf64_Ehdr, e_shnum),
                static_cast<uint16_t>(sections + 32));
  const Status status = ElfImage::load(object, "fixture").status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit) << status.message();
  EXPECT_THAT(status.message(), testing::HasSubstr("134217728"));
}

// An object with random damage must be refused or loaded, and must never cause
// a crash. Nothing is executed.
TEST(ElfLoader, SurvivesRandomDamage) {
  std::vector<std::pair<ElfMachine, Bytes>> fixtures = {
      {hostElfMachine(), readObject(AIR_FIXTURE_NATIVE)}};
#ifdef AIR_FIXTURE_AARCH64
  fixtures.emplace_back(ElfMachine::Aarch64, readObject(AIR_FIXTURE_AARCH64));
#endif
  std::mt19937_64 random(20260101);
  uint64_t loaded = 0;
  uint64_t refused = 0;
  for (const auto &[machine, good] : fixtures) {
    const uint64_t table = headerOf(good).e_shoff;
    for (int round = 0; round < 10000; ++round) {
      Bytes bad = good;
      const uint64_t changes = 1 + random() % 4;
      for (uint64_t i = 0; i < changes; ++i) {
        // At least half of the changes are in the section table, where they do
        // the most harm.
        const uint64_t from = random() % 2 == 0 ? table : 16;
        const uint64_t at = from + random() % (bad.size() - from);
        switch (random() % 3) {
        case 0:
          bad[at] ^= uint8_t(1U << (random() % 8));
          break;
        case 1:
          bad[at] = uint8_t(random());
          break;
        default:
          bad[at] = random() % 2 == 0 ? 0xff : 0x00;
          break;
        }
      }
      if (random() % 16 == 0) {
        bad.resize(random() % bad.size());
      }
      const Result<ElfImage> image = ElfImage::loadFor(machine, bad, "damaged");
      (image.isOk() ? loaded : refused) += 1;
      if (!image.isOk()) {
        ASSERT_FALSE(image.status().message().empty());
      }
    }
  }
  // Objects with damaged code or constants load, and most of those with damaged
  // tables do not, so both outcomes must occur.
  EXPECT_GT(loaded, 1000U);
  EXPECT_GT(refused, 1000U);
}

} // namespace
} // namespace air::rt
