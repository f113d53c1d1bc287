//===- AmxEmulator.cpp - emulates AMX tile instructions -------------------===//
#include "AmxEmulator.h"

#include <cassert>
#include <cfloat>
#include <cmath>
#include <csignal>
#include <cstring>
#include <optional>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <ucontext.h>
#endif

namespace air::codegen::test {

namespace {
AmxCounts executed;
} // namespace

const AmxCounts &AmxEmulator::counts() { return executed; }

#if defined(__x86_64__) && defined(__linux__)

namespace {

constexpr unsigned kTiles = 8;
constexpr unsigned kRows = 16;
constexpr unsigned kRowBytes = 64;

struct Tile {
  unsigned rows;
  unsigned rowBytes;
  uint8_t data[kRows][kRowBytes];
};

struct State {
  bool isConfigured;
  Tile tiles[kTiles];
};
State state;
struct sigaction before;

/// A decoded instruction of VEX opcode map 0F38, with its length in bytes.
struct Instruction {
  unsigned prefix; ///< one of the values of Prefix
  uint8_t opcode;
  unsigned reg;   ///< ModRM.reg
  unsigned rm;    ///< ModRM.rm, for a register operand
  unsigned third; ///< VEX.vvvv: the third operand
  bool isMemory;
  uint64_t address; ///< base and displacement, without the stride
  uint64_t stride;  ///< the index register times its scale
  unsigned length;
};

uint64_t registerOf(const ucontext_t &context, unsigned number) {
  constexpr int kNames[16] = {
      REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(context.uc_mcontext.gregs[kNames[number]]);
}

/// Decodes the instruction that raised SIGILL. Source: Intel SDM vol. 2,
/// sections 2.3.5 (VEX) and 2.1.5 (ModRM and SIB).
std::optional<Instruction> decode(const ucontext_t &context) {
  const auto start = static_cast<uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  const auto *code = reinterpret_cast<const uint8_t *>(start);
  if (code[0] != 0xC4 || (code[1] & 0x1F) != 2 || (code[2] & 0x84) != 0) {
    return std::nullopt; // not a three-byte VEX with map 0F38, W0 and L0
  }
  Instruction found = {};
  found.prefix = code[2] & 3U;
  found.third = ~(code[2] >> 3U) & 15U;
  found.opcode = code[3];
  const uint8_t modRm = code[4];
  found.length = 5;
  found.reg = (modRm >> 3U & 7U) | ((code[1] & 0x80) == 0 ? 8U : 0U);
  found.rm = (modRm & 7U) | ((code[1] & 0x20) == 0 ? 8U : 0U);
  const unsigned mod = modRm >> 6U;
  found.isMemory = mod != 3;
  if (!found.isMemory) {
    return found;
  }
  bool hasBase = true;
  unsigned base = found.rm;
  if ((modRm & 7U) == 4) {
    const uint8_t sib = code[found.length++];
    base = (sib & 7U) | ((code[1] & 0x20) == 0 ? 8U : 0U);
    hasBase = (sib & 7U) != 5 || mod != 0;
    const unsigned index = (sib >> 3U & 7U) | ((code[1] & 0x40) == 0 ? 8U : 0U);
    found.stride = index == 4 ? 0 : registerOf(context, index) << (sib >> 6U);
  } else if ((modRm & 7U) == 5 && mod == 0) {
    return std::nullopt; // RIP-relative, which the kernels do not use
  }
  found.address = hasBase ? registerOf(context, base) : 0;
  if (mod == 1) {
    int8_t offset = 0;
    std::memcpy(&offset, code + found.length, 1);
    found.address += static_cast<uint64_t>(int64_t{offset});
    found.length += 1;
  } else if (mod == 2 || !hasBase) {
    int32_t offset = 0;
    std::memcpy(&offset, code + found.length, 4);
    found.address += static_cast<uint64_t>(int64_t{offset});
    found.length += 4;
  }
  return found;
}

bool configure(uint64_t from) {
  uint8_t text[64];
  std::memcpy(text, reinterpret_cast<const void *>(from), sizeof(text));
  if (text[0] != 1 || text[1] != 0) {
    return false; // only palette 1 with start_row 0 is supported
  }
  state = {};
  for (unsigned i = 0; i < kTiles; ++i) {
    Tile &tile = state.tiles[i];
    tile.rows = text[48 + i];
    tile.rowBytes = text[16 + 2 * i] | text[17 + 2 * i] << 8U;
    if (tile.rows > kRows || tile.rowBytes > kRowBytes ||
        (tile.rows == 0) != (tile.rowBytes == 0)) {
      return false;
    }
  }
  state.isConfigured = true;
  ++executed.configurations;
  return true;
}

Tile *tileAt(unsigned number) {
  return state.isConfigured && number < kTiles && state.tiles[number].rows != 0
             ? &state.tiles[number]
             : nullptr;
}

bool load(Tile *tile, const Instruction &what) {
  if (tile == nullptr) {
    return false;
  }
  std::memset(tile->data, 0, sizeof(tile->data));
  for (unsigned row = 0; row < tile->rows; ++row) {
    std::memcpy(
        tile->data[row],
        reinterpret_cast<const void *>(what.address + row * what.stride),
        tile->rowBytes);
  }
  ++executed.loads;
  return true;
}

bool store(const Tile *tile, const Instruction &what) {
  if (tile == nullptr) {
    return false;
  }
  for (unsigned row = 0; row < tile->rows; ++row) {
    std::memcpy(reinterpret_cast<void *>(what.address + row * what.stride),
                tile->data[row], tile->rowBytes);
  }
  ++executed.stores;
  return true;
}

/// Whether the shapes of the tiles allow sums += a * b. All three are matrices
/// of units of four bytes. For every k, the instruction adds the products of
/// unit (m, k) of `a` and unit (k, n) of `b` to unit (m, n) of `sums`.
bool areFactors(const Tile *sums, const Tile *a, const Tile *b) {
  return sums != nullptr && a != nullptr && b != nullptr && sums != a &&
         sums != b && a != b && sums->rows == a->rows &&
         sums->rowBytes == b->rowBytes && a->rowBytes == 4 * b->rows;
}

float flushed(float x) {
  return std::abs(x) < FLT_MIN ? std::copysign(0.0F, x) : x;
}
float bf16At(const uint8_t *bytes) {
  uint32_t bits = uint32_t{bytes[0]} << 16U | uint32_t{bytes[1]} << 24U;
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return flushed(value);
}

void multiplyBf16(Tile &sums, const Tile &a, const Tile &b) {
  for (unsigned m = 0; m < sums.rows; ++m) {
    for (unsigned n = 0; n < sums.rowBytes / 4; ++n) {
      float parts[2] = {0, 0};
      for (unsigned k = 0; k < b.rows; ++k) {
        for (unsigned i = 0; i < 2; ++i) {
          parts[i] =
              flushed(std::fma(bf16At(&a.data[m][4 * k + 2 * i]),
                               bf16At(&b.data[k][4 * n + 2 * i]), parts[i]));
        }
      }
      float sum = 0;
      std::memcpy(&sum, &sums.data[m][4 * n], 4);
      sum = flushed(flushed(sum) + flushed(parts[0] + parts[1]));
      std::memcpy(&sums.data[m][4 * n], &sum, 4);
    }
  }
  ++executed.bf16Products;
}

int32_t extended(uint8_t byte, bool isSigned) {
  return isSigned ? static_cast<int8_t>(byte) : byte;
}

void multiplyInt8(Tile &sums, const Tile &a, const Tile &b, bool isASigned,
                  bool isBSigned) {
  for (unsigned m = 0; m < sums.rows; ++m) {
    for (unsigned n = 0; n < sums.rowBytes / 4; ++n) {
      uint32_t sum = 0;
      std::memcpy(&sum, &sums.data[m][4 * n], 4);
      for (unsigned k = 0; k < b.rows; ++k) {
        for (unsigned i = 0; i < 4; ++i) {
          sum +=
              static_cast<uint32_t>(extended(a.data[m][4 * k + i], isASigned) *
                                    extended(b.data[k][4 * n + i], isBSigned));
        }
      }
      std::memcpy(&sums.data[m][4 * n], &sum, 4);
    }
  }
  ++executed.byteProducts;
}

enum Prefix : unsigned { kNone, k66, kF3, kF2 };

/// Returns false for anything that is not a tile instruction or that hardware
/// would refuse.
bool execute(const Instruction &what) {
  switch (what.opcode) {
  case 0x49:
    if (what.prefix == kNone && what.isMemory && what.reg == 0) {
      return configure(what.address);
    }
    if (what.prefix == kNone && what.reg == 0 && what.rm == 0) {
      state = {};
      ++executed.releases;
      return true;
    }
    if (what.prefix == kF2 && !what.isMemory && what.rm == 0) {
      Tile *tile = tileAt(what.reg);
      if (tile != nullptr) {
        std::memset(tile->data, 0, sizeof(tile->data));
      }
      return tile != nullptr;
    }
    return false;
  case 0x4B:
    return what.isMemory && (what.prefix == kF2 || what.prefix == k66)
               ? load(tileAt(what.reg), what)
               : what.isMemory && what.prefix == kF3 &&
                     store(tileAt(what.reg), what);
  case 0x5C:
  case 0x5E: {
    Tile *sums = tileAt(what.reg);
    const Tile *a = tileAt(what.rm);
    const Tile *b = tileAt(what.third);
    if (what.isMemory || !areFactors(sums, a, b)) {
      return false;
    }
    if (what.opcode == 0x5E) {
      multiplyInt8(*sums, *a, *b, what.prefix == kF2 || what.prefix == kF3,
                   what.prefix == kF2 || what.prefix == k66);
      return true;
    }
    if (what.prefix == kF3) {
      multiplyBf16(*sums, *a, *b);
    }
    return what.prefix == kF3;
  }
  default:
    return false;
  }
}

void handle(int, siginfo_t *, void *where) {
  auto *context = static_cast<ucontext_t *>(where);
  const std::optional<Instruction> what = decode(*context);
  if (what && execute(*what)) {
    context->uc_mcontext.gregs[REG_RIP] += what->length;
    return;
  }
  // The instruction runs again and raises SIGILL, whose default action ends the
  // process.
  signal(SIGILL, SIG_DFL);
}

} // namespace

bool canEmulateAmx() {
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx >> 27 & 1) == 0) {
    return true; // there is no XCR0, which would have to enable tile registers
  }
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  constexpr uint32_t kTileStates = 0x60000; // TILECFG and TILEDATA in XCR0
  return (eax & kTileStates) == 0;
}

AmxEmulator::AmxEmulator() {
  executed = {};
  state = {};
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  [[maybe_unused]] const int refused = sigaction(SIGILL, &action, &before);
  assert(refused == 0);
}

AmxEmulator::~AmxEmulator() { sigaction(SIGILL, &before, nullptr); }

bool AmxEmulator::isConfigured() { return state.isConfigured; }

#else

bool canEmulateAmx() { return false; }
AmxEmulator::AmxEmulator() = default;
AmxEmulator::~AmxEmulator() = default;
bool AmxEmulator::isConfigured() { return false; }

#endif

} // namespace air::codegen::test
