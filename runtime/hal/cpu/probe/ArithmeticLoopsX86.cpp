//===- ArithmeticLoopsX86.cpp - loops at the peak rate of a core ----------===//
//
// The instructions are written as assembly, so that the compiler neither merges
// the dependency chains nor computes their results at compile time. Sources:
// Intel SDM, volume 2 (operands and encodings) and volume 1, chapter 18 (tile
// registers), uops.info (latencies).
//
//===----------------------------------------------------------------------===//
#if defined(__x86_64__)

#include "runtime/hal/cpu/probe/ArithmeticLoops.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace air::rt {
namespace {

using Int256 = int32_t __attribute__((vector_size(32)));
using Int512 = int32_t __attribute__((vector_size(64)));
using Float256 = float __attribute__((vector_size(32)));
using Float512 = float __attribute__((vector_size(64)));

constexpr int kOneInEachByte = 0x01010101;
constexpr int kOneInEachNibble = 0x11111111;
constexpr int kLowNibbles = 0x0f0f0f0f;
constexpr int kOneInEachHalf = 0x00010001;
constexpr int kOneBf16InEachHalf = 0x3f803f80;
constexpr int kSixteenthBf16InEachHalf = 0x3d803d80;

/// The sum of all lanes of all vectors. Every lane holds an integer.
template <typename V, size_t N>
[[gnu::always_inline]] inline uint64_t total(const V (&sums)[N]) {
  uint64_t products = 0;
  for (const V &sum : sums) {
    for (size_t lane = 0; lane < sizeof(V) / 4; ++lane) {
      products += static_cast<uint64_t>(sum[lane]);
    }
  }
  return products;
}

// ---- multiply and add of float32 --------------------------------------------

[[gnu::target("avx512f")]] uint64_t fma512(uint64_t turns) {
  Float512 sums[16] = {};
  const Float512 one = Float512{} + 1.0F;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Float512 &sum : sums) {
      asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(one));
    }
  }
  return total(sums);
}

[[gnu::target("avx2,fma")]] uint64_t fma256(uint64_t turns) {
  Float256 sums[12] = {};
  const Float256 one = Float256{} + 1.0F;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Float256 &sum : sums) {
      asm volatile("vfmadd231ps %1, %1, %0" : "+x"(sum) : "x"(one));
    }
  }
  return total(sums);
}

// ---- dot products of bytes, with VNNI or AVX-VNNI ---------------------------

[[gnu::target("avx512f,avx512vnni")]] uint64_t dot512(uint64_t turns) {
  Int512 sums[16] = {};
  const Int512 ones = Int512{} + kOneInEachByte;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int512 &sum : sums) {
      asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(ones));
    }
  }
  return total(sums);
}

[[gnu::target("avx2")]] uint64_t dot256(uint64_t turns) {
  Int256 sums[12] = {};
  const Int256 ones = Int256{} + kOneInEachByte;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int256 &sum : sums) {
      asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum) : "x"(ones));
    }
  }
  return total(sums);
}

// In these loops, each byte holds two 4-bit weights. A shift and two ANDs
// extract them to bytes of their own, which a dot product then multiplies by
// other bytes.

[[gnu::target("avx512f,avx512vnni")]] uint64_t mixed512(uint64_t turns) {
  Int512 sums[16] = {};
  const Int512 weights = Int512{} + kOneInEachNibble;
  const Int512 mask = Int512{} + kLowNibbles;
  const Int512 ones = Int512{} + kOneInEachByte;
  for (; turns != 0; --turns) {
#pragma unroll
    for (size_t i = 0; i < std::size(sums); i += 2) {
      Int512 low;
      Int512 high;
      asm volatile("vpsrlw $4, %4, %3\n\t"
                   "vpandd %5, %4, %2\n\t"
                   "vpandd %5, %3, %3\n\t"
                   "vpdpbusd %6, %2, %0\n\t"
                   "vpdpbusd %6, %3, %1"
                   : "+v"(sums[i]), "+v"(sums[i + 1]), "=&v"(low), "=&v"(high)
                   : "v"(weights), "v"(mask), "v"(ones));
    }
  }
  return total(sums);
}

[[gnu::target("avx2")]] uint64_t mixed256(uint64_t turns) {
  Int256 sums[10] = {};
  const Int256 weights = Int256{} + kOneInEachNibble;
  const Int256 mask = Int256{} + kLowNibbles;
  const Int256 ones = Int256{} + kOneInEachByte;
  for (; turns != 0; --turns) {
#pragma unroll
    for (size_t i = 0; i < std::size(sums); i += 2) {
      Int256 low;
      Int256 high;
      asm volatile("vpsrlw $4, %4, %3\n\t"
                   "vpand %5, %4, %2\n\t"
                   "vpand %5, %3, %3\n\t"
                   "%{vex%} vpdpbusd %6, %2, %0\n\t"
                   "%{vex%} vpdpbusd %6, %3, %1"
                   : "+x"(sums[i]), "+x"(sums[i + 1]), "=&x"(low), "=&x"(high)
                   : "x"(weights), "x"(mask), "x"(ones));
    }
  }
  return total(sums);
}

// ---- dot products of bytes, without VNNI ------------------------------------

// In these loops, one instruction multiplies bytes and adds every two adjacent
// products, which gives 16-bit sums. The sums of eight such instructions are
// added in 16 bits, and the results are widened to 32 bits.

[[gnu::target("avx512f,avx512bw")]] uint64_t pairs512(uint64_t turns) {
  Int512 sums[8] = {};
  const Int512 ones = Int512{} + kOneInEachByte;
  const Int512 widen = Int512{} + kOneInEachHalf;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int512 &sum : sums) {
      Int512 halves;
      Int512 pairs;
      asm volatile("vpxord %1, %1, %1\n\t"
                   ".rept 8\n\t"
                   "vpmaddubsw %3, %3, %2\n\t"
                   "vpaddw %2, %1, %1\n\t"
                   ".endr\n\t"
                   "vpmaddwd %4, %1, %1\n\t"
                   "vpaddd %1, %0, %0"
                   : "+v"(sum), "=&v"(halves), "=&v"(pairs)
                   : "v"(ones), "v"(widen));
    }
  }
  return total(sums);
}

[[gnu::target("avx2")]] uint64_t pairs256(uint64_t turns) {
  Int256 sums[8] = {};
  const Int256 ones = Int256{} + kOneInEachByte;
  const Int256 widen = Int256{} + kOneInEachHalf;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int256 &sum : sums) {
      Int256 halves;
      Int256 pairs;
      asm volatile("vpxor %1, %1, %1\n\t"
                   ".rept 8\n\t"
                   "vpmaddubsw %3, %3, %2\n\t"
                   "vpaddw %2, %1, %1\n\t"
                   ".endr\n\t"
                   "vpmaddwd %4, %1, %1\n\t"
                   "vpaddd %1, %0, %0"
                   : "+x"(sum), "=&x"(halves), "=&x"(pairs)
                   : "x"(ones), "x"(widen));
    }
  }
  return total(sums);
}

[[gnu::target("avx512f,avx512bw")]] uint64_t mixedPairs512(uint64_t turns) {
  Int512 sums[8] = {};
  const Int512 weights = Int512{} + kOneInEachNibble;
  const Int512 mask = Int512{} + kLowNibbles;
  const Int512 ones = Int512{} + kOneInEachByte;
  const Int512 widen = Int512{} + kOneInEachHalf;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int512 &sum : sums) {
      Int512 halves;
      Int512 low;
      Int512 high;
      asm volatile("vpxord %1, %1, %1\n\t"
                   ".rept 4\n\t"
                   "vpsrlw $4, %4, %3\n\t"
                   "vpandd %5, %4, %2\n\t"
                   "vpandd %5, %3, %3\n\t"
                   "vpmaddubsw %6, %2, %2\n\t"
                   "vpmaddubsw %6, %3, %3\n\t"
                   "vpaddw %2, %1, %1\n\t"
                   "vpaddw %3, %1, %1\n\t"
                   ".endr\n\t"
                   "vpmaddwd %7, %1, %1\n\t"
                   "vpaddd %1, %0, %0"
                   : "+v"(sum), "=&v"(halves), "=&v"(low), "=&v"(high)
                   : "v"(weights), "v"(mask), "v"(ones), "v"(widen));
    }
  }
  return total(sums);
}

[[gnu::target("avx2")]] uint64_t mixedPairs256(uint64_t turns) {
  Int256 sums[8] = {};
  const Int256 weights = Int256{} + kOneInEachNibble;
  const Int256 mask = Int256{} + kLowNibbles;
  const Int256 ones = Int256{} + kOneInEachByte;
  const Int256 widen = Int256{} + kOneInEachHalf;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int256 &sum : sums) {
      Int256 halves;
      Int256 low;
      Int256 high;
      asm volatile("vpxor %1, %1, %1\n\t"
                   ".rept 4\n\t"
                   "vpsrlw $4, %4, %3\n\t"
                   "vpand %5, %4, %2\n\t"
                   "vpand %5, %3, %3\n\t"
                   "vpmaddubsw %6, %2, %2\n\t"
                   "vpmaddubsw %6, %3, %3\n\t"
                   "vpaddw %2, %1, %1\n\t"
                   "vpaddw %3, %1, %1\n\t"
                   ".endr\n\t"
                   "vpmaddwd %7, %1, %1\n\t"
                   "vpaddd %1, %0, %0"
                   : "+x"(sum), "=&x"(halves), "=&x"(low), "=&x"(high)
                   : "x"(weights), "x"(mask), "x"(ones), "x"(widen));
    }
  }
  return total(sums);
}

// ---- dot products of bfloat16 -----------------------------------------------

[[gnu::target("avx512f,avx512bf16")]] uint64_t bf16Dot512(uint64_t turns) {
  Float512 sums[16] = {};
  const Int512 ones = Int512{} + kOneBf16InEachHalf;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Float512 &sum : sums) {
      asm volatile("vdpbf16ps %1, %1, %0" : "+v"(sum) : "v"(ones));
    }
  }
  return total(sums);
}

// ---- multiplications of tiles -----------------------------------------------

// The compiler does not know which tile registers the assembly uses. It need
// not, because it uses none itself.

/// The operand of LDTILECFG: every tile has 16 rows of 64 bytes.
struct TileShapes {
  uint8_t palette = 1;
  uint8_t startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileShapes) == 64);

constexpr size_t kTileUnits = 256; ///< units of 32 bits in a tile
constexpr int64_t kTileRowBytes = 64;

/// Configures the tile registers. Sets the sums, registers 0 to 3, to zero, all
/// units of register 4 to `a`, and all units of register 5 to `b`.
void startTiles(int a, int b) {
  const TileShapes shapes;
  int units[2][kTileUnits];
  std::fill_n(units[0], kTileUnits, a);
  std::fill_n(units[1], kTileUnits, b);
  asm volatile("ldtilecfg %0\n\t"
               "tilezero %%tmm0\n\t"
               "tilezero %%tmm1\n\t"
               "tilezero %%tmm2\n\t"
               "tilezero %%tmm3\n\t"
               "tileloadd (%1,%3), %%tmm4\n\t"
               "tileloadd (%2,%3), %%tmm5"
               :
               : "m"(shapes), "r"(units[0]), "r"(units[1]), "r"(kTileRowBytes)
               : "memory");
}

/// Releases the tile registers, and returns the total of the sums. The units of
/// the sums are of type T, and each holds an integer.
template <typename T> uint64_t finishTiles() {
  T sums[4][kTileUnits];
  asm volatile("tilestored %%tmm0, (%0,%4)\n\t"
               "tilestored %%tmm1, (%1,%4)\n\t"
               "tilestored %%tmm2, (%2,%4)\n\t"
               "tilestored %%tmm3, (%3,%4)\n\t"
               "tilerelease"
               :
               : "r"(sums[0]), "r"(sums[1]), "r"(sums[2]), "r"(sums[3]),
                 "r"(kTileRowBytes)
               : "memory");
  uint64_t all = 0;
  for (const auto &tile : sums) {
    for (T sum : tile) {
      all += static_cast<uint64_t>(sum);
    }
  }
  return all;
}

/// Each unit of 32 bits in a tile of sums is a float32, to which a
/// multiplication adds 32 products. Each product is 1/16, so a multiplication
/// adds 2 to each float32, as in bf16Dot512().
uint64_t bf16Tile(uint64_t turns) {
  startTiles(kSixteenthBf16InEachHalf, kOneBf16InEachHalf);
  for (; turns != 0; --turns) {
    asm volatile("tdpbf16ps %tmm5, %tmm4, %tmm0\n\t"
                 "tdpbf16ps %tmm5, %tmm4, %tmm1\n\t"
                 "tdpbf16ps %tmm5, %tmm4, %tmm2\n\t"
                 "tdpbf16ps %tmm5, %tmm4, %tmm3");
  }
  return 16 * finishTiles<float>();
}

uint64_t byteTile(uint64_t turns) {
  startTiles(kOneInEachByte, kOneInEachByte);
  for (; turns != 0; --turns) {
    asm volatile("tdpbsud %tmm5, %tmm4, %tmm0\n\t"
                 "tdpbsud %tmm5, %tmm4, %tmm1\n\t"
                 "tdpbsud %tmm5, %tmm4, %tmm2\n\t"
                 "tdpbsud %tmm5, %tmm4, %tmm3");
  }
  return finishTiles<int32_t>();
}

} // namespace

ArithmeticLoop arithmeticLoop(Arithmetic kind,
                              std::span<const std::string> features) {
  const auto has = [&](std::string_view name) {
    return std::find(features.begin(), features.end(), name) != features.end();
  };
  switch (kind) {
  case Arithmetic::FmaF32:
    return has("avx512f") ? fma512 : has("fma") ? fma256 : nullptr;
  case Arithmetic::ByteDot:
    return has("avx512vnni") ? dot512
           : has("avx512bw") ? pairs512
           : has("avxvnni")  ? dot256
           : has("avx2")     ? pairs256
                             : nullptr;
  case Arithmetic::ByteDotMixed:
    return has("avx512vnni") ? mixed512
           : has("avx512bw") ? mixedPairs512
           : has("avxvnni")  ? mixed256
           : has("avx2")     ? mixedPairs256
                             : nullptr;
  case Arithmetic::Bf16Dot:
    return has("avx512bf16") ? bf16Dot512 : nullptr;
  case Arithmetic::Bf16Tile:
    return has("amx-bf16") ? bf16Tile : nullptr;
  case Arithmetic::ByteTile:
    return has("amx-int8") ? byteTile : nullptr;
  }
  return nullptr;
}

} // namespace air::rt

#endif // defined(__x86_64__)
