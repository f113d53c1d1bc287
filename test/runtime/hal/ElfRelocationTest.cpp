//===- ElfRelocationTest.cpp - relocations against an assembler -----------===//
//
// `after` is the instruction word that `llvm-mc -triple=aarch64 -show-encoding`
// prints for the instruction that a case names. `before` is the word of the
// same instruction with a zero immediate.
//
//===----------------------------------------------------------------------===//
#include "runtime/hal/ElfRelocation.h"

#include <cstring>
#include <elf.h>
#include <gtest/gtest.h>

namespace air::rt {
namespace {

struct Case {
  const char *instruction;
  uint32_t type;
  uint32_t before;
  uint64_t place;
  uint64_t symbol;
  int64_t addend;
  uint32_t after;
};

const Case kAarch64Cases[] = {
    {"adrp x3, #0x12345000", R_AARCH64_ADR_PREL_PG_HI21, 0x90000003, 0x10ff8,
     0x12355f00, 0x80, 0xb0091a23},
    {"adrp x3, #-0x1000", R_AARCH64_ADR_PREL_PG_HI21, 0x90000003, 0x11000,
     0x11000, -1, 0xf0ffffe3},
    {"adr x5, #-3", R_AARCH64_ADR_PREL_LO21, 0x10000005, 0x1000, 0x1000, -3,
     0x30ffffe5},
    {"add x1, x2, #0xabc", R_AARCH64_ADD_ABS_LO12_NC, 0x91000041, 0, 0x77abc, 0,
     0x912af041},
    {"ldrb w1, [x2, #0xabc]", R_AARCH64_LDST8_ABS_LO12_NC, 0x39400041, 0,
     0x77ab0, 12, 0x396af041},
    {"ldrh w1, [x2, #0xabc]", R_AARCH64_LDST16_ABS_LO12_NC, 0x79400041, 0,
     0x77abc, 0, 0x79557841},
    {"ldr w1, [x2, #0xabc]", R_AARCH64_LDST32_ABS_LO12_NC, 0xb9400041, 0,
     0x77abc, 0, 0xb94abc41},
    {"ldr x1, [x2, #0xab8]", R_AARCH64_LDST64_ABS_LO12_NC, 0xf9400041, 0,
     0x77ab8, 0, 0xf9455c41},
    {"ldr q1, [x2, #0xab0]", R_AARCH64_LDST128_ABS_LO12_NC, 0x3dc00041, 0,
     0x77ab0, 0, 0x3dc2ac41},
    {"tbz w3, #0, #-8", R_AARCH64_TSTBR14, 0x36000003, 0x1008, 0x1000, 0,
     0x3607ffc3},
    {"b.ne #0x1234", R_AARCH64_CONDBR19, 0x54000001, 0x1000, 0x2234, 0,
     0x540091a1},
    {"ldr x7, #0x1234", R_AARCH64_LD_PREL_LO19, 0x58000007, 0x1000, 0x2234, 0,
     0x580091a7},
    {"b #0x7fffffc", R_AARCH64_JUMP26, 0x14000000, 0x1000, 0x8000ffc, 0,
     0x15ffffff},
    {"bl #-0x8000000", R_AARCH64_CALL26, 0x94000000, 0x9000000, 0x1000000, 0,
     0x96000000},
    {"movz x1, #0x1234, lsl #48", R_AARCH64_MOVW_UABS_G3, 0xd2e00001, 0,
     0x123456789abcdef0, 0, 0xd2e24681},
    {"movk x1, #0x5678, lsl #32", R_AARCH64_MOVW_UABS_G2_NC, 0xf2c00001, 0,
     0x123456789abcdef0, 0, 0xf2cacf01},
    {"movk x1, #0x9abc, lsl #16", R_AARCH64_MOVW_UABS_G1_NC, 0xf2a00001, 0,
     0x123456789abcdef0, 0, 0xf2b35781},
    {"movk x1, #0xdef0", R_AARCH64_MOVW_UABS_G0_NC, 0xf2800001, 0,
     0x123456789abcdef0, 0, 0xf29bde01},
};

TEST(ElfRelocation, Aarch64WritesWhatAnAssemblerWrites) {
  for (const Case &test : kAarch64Cases) {
    // The previous value of the instruction's immediate must not matter, so the
    // second run starts from a value that is not zero.
    for (const uint32_t start : {test.before, test.before | test.after}) {
      uint8_t place[4];
      std::memcpy(place, &start, 4);
      ASSERT_EQ(*relocationWidth(ElfMachine::Aarch64, test.type), 4U);
      const Status status =
          applyRelocation(ElfMachine::Aarch64, test.type, place, test.place,
                          test.symbol, test.addend);
      ASSERT_TRUE(status.isOk()) << test.instruction << status.message();
      uint32_t result = 0;
      std::memcpy(&result, place, 4);
      EXPECT_EQ(result, test.after) << test.instruction;
    }
  }
}

TEST(ElfRelocation, DataWordsOfBothMachines) {
  struct Word {
    ElfMachine machine;
    uint32_t type;
    uint64_t bytes;
    uint64_t expected;
  };
  const Word words[] = {
      {ElfMachine::X86_64, R_X86_64_64, 8, 0x2010},
      {ElfMachine::X86_64, R_X86_64_PC64, 8, 0xffffffffffffe010},
      {ElfMachine::X86_64, R_X86_64_PC32, 4, 0xffffe010},
      {ElfMachine::X86_64, R_X86_64_PLT32, 4, 0xffffe010},
      {ElfMachine::X86_64, R_X86_64_32, 4, 0x2010},
      {ElfMachine::X86_64, R_X86_64_32S, 4, 0x2010},
      {ElfMachine::Aarch64, R_AARCH64_ABS64, 8, 0x2010},
      {ElfMachine::Aarch64, R_AARCH64_PREL64, 8, 0xffffffffffffe010},
      {ElfMachine::Aarch64, R_AARCH64_PREL32, 4, 0xffffe010},
  };
  for (const Word &word : words) {
    uint8_t place[16];
    std::memset(place, 0xEE, sizeof(place));
    ASSERT_EQ(*relocationWidth(word.machine, word.type), word.bytes);
    ASSERT_TRUE(applyRelocation(word.machine, word.type, place + 4, 0x4000,
                                0x2000, 0x10)
                    .isOk());
    uint64_t value = 0;
    std::memcpy(&value, place + 4, word.bytes);
    EXPECT_EQ(value, word.expected) << word.type;
    EXPECT_EQ(place[3], 0xEE);
    EXPECT_EQ(place[4 + word.bytes], 0xEE);
  }
}

TEST(ElfRelocation, ValuesOutOfRangeAreRefused) {
  struct Range {
    ElfMachine machine;
    uint32_t type;
    uint64_t place;
    uint64_t symbol;
  };
  const Range ranges[] = {
      {ElfMachine::X86_64, R_X86_64_PC32, 0, 0x80000000},
      {ElfMachine::X86_64, R_X86_64_PLT32, 0x80000001, 0},
      {ElfMachine::X86_64, R_X86_64_32, 0, 0x100000000},
      {ElfMachine::X86_64, R_X86_64_32S, 0, 0x80000000},
      {ElfMachine::Aarch64, R_AARCH64_PREL32, 0, 0x80000000},
      {ElfMachine::Aarch64, R_AARCH64_ADR_PREL_LO21, 0, 0x100000},
      {ElfMachine::Aarch64, R_AARCH64_ADR_PREL_PG_HI21, 0, 0x100000000},
      {ElfMachine::Aarch64, R_AARCH64_CALL26, 0, 0x8000000},
      {ElfMachine::Aarch64, R_AARCH64_CALL26, 0, 6},
      {ElfMachine::Aarch64, R_AARCH64_CONDBR19, 0, 0x100000},
      {ElfMachine::Aarch64, R_AARCH64_TSTBR14, 0, 0x8000},
      {ElfMachine::Aarch64, R_AARCH64_LDST64_ABS_LO12_NC, 0, 0x1004},
      {ElfMachine::Aarch64, R_AARCH64_LDST128_ABS_LO12_NC, 0, 0x1008},
  };
  for (const Range &range : ranges) {
    uint8_t place[8] = {};
    const Status status = applyRelocation(range.machine, range.type, place,
                                          range.place, range.symbol, 0);
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << range.type;
    EXPECT_EQ(place[0] | place[1] | place[2] | place[3], 0) << range.type;
  }
}

TEST(ElfRelocation, TypesThatNeedALinkerAreRefused) {
  for (const uint32_t type :
       {R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX,
        R_X86_64_TPOFF32, R_X86_64_COPY, R_X86_64_IRELATIVE, 4242}) {
    EXPECT_EQ(relocationWidth(ElfMachine::X86_64, type).status().code(),
              ErrorCode::Unsupported)
        << type;
  }
  for (const uint32_t type :
       {R_AARCH64_ADR_GOT_PAGE, R_AARCH64_LD64_GOT_LO12_NC,
        R_AARCH64_TLSLE_ADD_TPREL_HI12, R_AARCH64_COPY, 4242}) {
    EXPECT_EQ(relocationWidth(ElfMachine::Aarch64, type).status().code(),
              ErrorCode::Unsupported)
        << type;
  }
}

} // namespace
} // namespace air::rt
