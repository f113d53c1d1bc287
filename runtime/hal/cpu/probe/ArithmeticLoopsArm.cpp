//===- ArithmeticLoopsArm.cpp - loops at the peak rate of a core ----------===//
//
// The instructions are written as assembly, so that the compiler neither merges
// the dependency chains nor computes their results at compile time. Source: Arm
// Architecture Reference Manual (operands, and the names of the extensions).
//
//===----------------------------------------------------------------------===//
#if defined(__aarch64__)

#include "runtime/hal/cpu/probe/ArithmeticLoops.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace air::rt {
namespace {

using Int128 = int32_t __attribute__((vector_size(16)));
using Float128 = float __attribute__((vector_size(16)));

constexpr int kOneInEachByte = 0x01010101;
constexpr int kOneInEachNibble = 0x11111111;
constexpr int kLowNibbles = 0x0f0f0f0f;
constexpr int kOneBf16InEachHalf = 0x3f803f80;

/// The sum of all lanes of all vectors. Every lane holds an integer.
template <typename V, size_t N> uint64_t total(const V (&sums)[N]) {
  uint64_t products = 0;
  for (const V &sum : sums) {
    for (size_t lane = 0; lane < sizeof(V) / 4; ++lane) {
      products += static_cast<uint64_t>(sum[lane]);
    }
  }
  return products;
}

uint64_t fma128(uint64_t turns) {
  Float128 sums[16] = {};
  const Float128 one = Float128{} + 1.0F;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Float128 &sum : sums) {
      asm volatile("fmla %0.4s, %1.4s, %1.4s" : "+w"(sum) : "w"(one));
    }
  }
  return total(sums);
}

uint64_t dot128(uint64_t turns) {
  Int128 sums[16] = {};
  const Int128 ones = Int128{} + kOneInEachByte;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Int128 &sum : sums) {
      asm volatile(".arch_extension dotprod\n\t"
                   "sdot %0.4s, %1.16b, %1.16b"
                   : "+w"(sum)
                   : "w"(ones));
    }
  }
  return total(sums);
}

// A register holds 32 weights of 4 bits, two in each byte. A shift and two ANDs
// distribute them over two registers, with one weight in each byte. Two dot
// products then multiply these weights by 8-bit activations.
uint64_t mixed128(uint64_t turns) {
  Int128 sums[16] = {};
  const Int128 weights = Int128{} + kOneInEachNibble;
  const Int128 mask = Int128{} + kLowNibbles;
  const Int128 ones = Int128{} + kOneInEachByte;
  for (; turns != 0; --turns) {
#pragma unroll
    for (size_t i = 0; i < std::size(sums); i += 2) {
      Int128 low;
      Int128 high;
      asm volatile(".arch_extension dotprod\n\t"
                   "ushr %3.16b, %4.16b, #4\n\t"
                   "and %2.16b, %4.16b, %5.16b\n\t"
                   "and %3.16b, %3.16b, %5.16b\n\t"
                   "sdot %0.4s, %2.16b, %6.16b\n\t"
                   "sdot %1.4s, %3.16b, %6.16b"
                   : "+w"(sums[i]), "+w"(sums[i + 1]), "=&w"(low), "=&w"(high)
                   : "w"(weights), "w"(mask), "w"(ones));
    }
  }
  return total(sums);
}

uint64_t bf16Dot128(uint64_t turns) {
  Float128 sums[16] = {};
  const Int128 ones = Int128{} + kOneBf16InEachHalf;
  for (; turns != 0; --turns) {
#pragma unroll
    for (Float128 &sum : sums) {
      asm volatile(".arch_extension bf16\n\t"
                   "bfdot %0.4s, %1.8h, %1.8h"
                   : "+w"(sum)
                   : "w"(ones));
    }
  }
  return total(sums);
}

} // namespace

ArithmeticLoop arithmeticLoop(Arithmetic kind,
                              std::span<const std::string> features) {
  const auto has = [&](std::string_view name) {
    return std::find(features.begin(), features.end(), name) != features.end();
  };
  switch (kind) {
  case Arithmetic::FmaF32:
    return has("neon") ? fma128 : nullptr;
  case Arithmetic::ByteDot:
    return has("dotprod") ? dot128 : nullptr;
  case Arithmetic::ByteDotMixed:
    return has("dotprod") ? mixed128 : nullptr;
  case Arithmetic::Bf16Dot:
    return has("bf16") ? bf16Dot128 : nullptr;
  case Arithmetic::Bf16Tile:
  case Arithmetic::ByteTile:
    return nullptr;
  }
  return nullptr;
}

} // namespace air::rt

#endif // defined(__aarch64__)
